"""Benchmarks: ours beside its rivals, on the same work, in one run."""
