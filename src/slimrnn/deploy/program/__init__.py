"""The step of a cell, told once to a backend, in float32 or in integers."""
