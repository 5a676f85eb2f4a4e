"""Rebalancing, block orders, executions, allocations and booking over six domains (seed 003)."""
