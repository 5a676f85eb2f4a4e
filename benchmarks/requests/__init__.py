"""Status changes from a topic into a database: our delivery core, what else one could write, and the limits."""
