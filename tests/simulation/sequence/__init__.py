"""Worlds of a system that needs every change of a key, in sequence: a ledger per region, fed by numbered changes.

`python -m tests.simulation.sequence SEED -v` shows what happens in one world.
"""
