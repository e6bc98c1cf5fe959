"""Benchmarks: programs that print a table and end with a line ``figures: key=value ...``. Run by ``scripts/bench``."""
