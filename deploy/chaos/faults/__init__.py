"""The faults, by what they are done to."""
