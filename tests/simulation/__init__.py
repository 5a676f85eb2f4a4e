"""The whole path of a record on a seeded scheduler: one seed is one schedule, and a failing seed replays.

`python -m tests.simulation SEED -v` shows what happens in one world.
"""
