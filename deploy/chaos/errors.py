"""The one error of a chaos run."""

from __future__ import annotations


class ChaosError(RuntimeError):
    """The run cannot go on, or what it should prove does not hold; the message says why."""
