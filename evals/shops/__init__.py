"""Shops that scenarios take place in: the demo shop, and those of public benchmarks."""
