"""A model as C99."""
