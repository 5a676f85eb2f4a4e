"""Small systems that stand on the delivery core."""
