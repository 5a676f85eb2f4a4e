"""The kill test of allocations: in each phase everything on the way dies, and every share is where it belongs."""
