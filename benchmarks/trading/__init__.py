"""What exactly-once costs the signal processor, beside at-least-once, in one run."""
