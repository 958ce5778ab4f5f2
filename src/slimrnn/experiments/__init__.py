"""One trial, a comparison, a store of runs, a report."""
