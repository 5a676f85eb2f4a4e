"""Ways to run the application: the embedded local stack, and files for containers."""
