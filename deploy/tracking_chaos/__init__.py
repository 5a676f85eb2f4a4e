"""The kill test of tracked events: who writes, relays or consumes them dies at random moments; nothing is lost."""
