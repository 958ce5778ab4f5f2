"""What every part may use: checks, files, extras, interrupts."""
