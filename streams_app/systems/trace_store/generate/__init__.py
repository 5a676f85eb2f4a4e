"""Realistic sessions of code generation, for tests, benchmarks and a first look."""
