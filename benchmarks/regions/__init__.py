"""Regions, pools, contention, batches and faults: six experiments, each measured in turns on one machine."""
