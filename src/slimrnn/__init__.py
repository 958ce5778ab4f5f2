"""Slim recurrent layers for Keras 3: fewer parameters, less time, fewer bytes."""

__version__ = "0.1.0"
