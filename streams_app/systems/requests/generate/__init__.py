"""App A and the outside world: planned requests, who writes them, who answers them, and sample data."""
