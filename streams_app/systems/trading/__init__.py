"""Trading: signals to decisions to orders, each exactly once in effect (seed 004)."""
