"""The systems that run on the delivery core: one package each, of the same shape."""
