"""What a reader sees: the page, the picture, CSV and LaTeX."""
