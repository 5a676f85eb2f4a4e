"""Account requests of several regions, driven from changefeeds to a terminal state (seed 000)."""
