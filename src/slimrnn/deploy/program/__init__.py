"""The step of a cell, written once for every backend, in float32 or in integers."""
