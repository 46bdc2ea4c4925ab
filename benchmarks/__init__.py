"""Benchmarks that compare with a peer or a physical floor in the same run: ``make bench``."""
