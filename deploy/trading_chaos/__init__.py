"""The kill test of trading: whatever is on the way from signals to executions dies, and each signal counts once."""
