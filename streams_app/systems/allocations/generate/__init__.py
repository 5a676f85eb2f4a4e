"""Securities, prices and accounts made up, repeatable by a seed."""
