"""Run the world of one seed: python -m tests.simulation.sequence SEED [-v]."""

import sys

from tests.simulation.__main__ import main
from tests.simulation.sequence.world import run

if __name__ == "__main__":
    sys.exit(main("tests.simulation.sequence", run))
