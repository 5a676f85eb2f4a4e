"""Signals made up: prices that walk at random, repeatable by a seed."""
