"""One run: its settings, its training, its folder."""
