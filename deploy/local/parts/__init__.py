"""The parts of the stack: one module for each kind, one contract for all (`base`)."""
