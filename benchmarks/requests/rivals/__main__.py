"""One run of one rival: `python -m benchmarks.requests.rivals MODULE [WAY]`, the job on standard input as JSON.

It prints `measured` and what it measured, as JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict

from benchmarks.requests.rivals.job import Job
from benchmarks.requests.work import Work


def main(module: str, *way: str) -> None:
    """Run it."""
    given = json.load(sys.stdin)
    job = Job(**{**given, "work": Work(**given["work"])})
    rival = importlib.import_module(f"benchmarks.requests.rivals.{module}")
    measured = rival.run_way(job, *way) if way else rival.run(job)
    print(f"measured {json.dumps(asdict(measured))}", flush=True)


if __name__ == "__main__":
    import mode.loop

    # What the project's workers run on; nobody is slower by it.
    mode.loop.use("uvloop")
    main(*sys.argv[1:])
