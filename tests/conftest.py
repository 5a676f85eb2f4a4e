"""Fixtures of all tests; those that need real parts are in fix_stack.py."""

pytest_plugins = ["tests.fix_stack"]
