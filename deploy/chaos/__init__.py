"""Faults on real parts under load, proved harmless at the end: `make chaos`."""
