"""Run the world of one seed: python -m tests.simulation SEED [-v]."""

from __future__ import annotations

import argparse
import logging
import sys

from tests.simulation.world import run


def main() -> int:
    """Print what happened; the exit code says whether something must never have been."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("-v", "--verbose", action="store_true", help="print every event of the schedule")
    arguments = parser.parse_args()
    logging.disable(logging.NOTSET if arguments.verbose else logging.CRITICAL)
    result = run(arguments.seed, verbose=arguments.verbose)
    for line in result.trace:
        print(line)
    for name, count in sorted(result.tally.items()):
        print(f"{name:24} {count}")
    for violation in result.violations:
        print(f"VIOLATED: {violation}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main())
