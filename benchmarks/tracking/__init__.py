"""The tracking system against its limits: the relay, tracked consumption, the way from commit to topic."""
