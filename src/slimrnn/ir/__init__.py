"""A trained model as data: layers as dataclasses, weights as NumPy arrays."""
