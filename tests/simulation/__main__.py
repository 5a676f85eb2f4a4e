"""Run the world of one seed: python -m tests.simulation SEED [-v]."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from typing import Any

from tests.simulation.world import run


def main(name: str, world: Callable[..., Any]) -> int:
    """Print what happened; the exit code says whether something must never have been."""
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description="Run the world of one seed.")
    parser.add_argument("seed", type=int)
    parser.add_argument("-v", "--verbose", action="store_true", help="print every event of the schedule")
    arguments = parser.parse_args()
    logging.disable(logging.NOTSET if arguments.verbose else logging.CRITICAL)
    result = world(arguments.seed, verbose=arguments.verbose)
    for line in result.trace:
        print(line)
    for kind, count in sorted(result.tally.items()):
        print(f"{kind:24} {count}")
    for violation in result.violations:
        print(f"VIOLATED: {violation}")
    return 1 if result.violations else 0


if __name__ == "__main__":
    sys.exit(main("tests.simulation", run))
