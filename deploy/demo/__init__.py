"""The main job on real parts, proved at the end: `make demo`."""
