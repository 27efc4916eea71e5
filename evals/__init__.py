"""Offline evaluation of conversations, and benchmarks."""
