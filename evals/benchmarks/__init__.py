"""Benchmarks on public data sets, read from a path the user gives; nothing of them is shipped."""
