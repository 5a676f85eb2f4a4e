"""The tracking system: every event that is published or consumed, accounted for."""
