"""`python -m deploy.demo.allocations`: a trading day from portfolios to settlements on real parts, then proved."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from deploy.demo.run import APPLICATION, keep
from deploy.local import Stack, StackError
from deploy.local.layout import PROJECT
from deploy.local.settings_files import VARIABLE

ROOT = PROJECT / ".local" / "demo-allocations"
KEPT = PROJECT / ".local" / "demo-logs"


def main() -> int:
    """Run the demonstration; the exit status is 0 when everything is proved."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.allocations", description=__doc__)
    parser.add_argument("scenario", nargs="?", default="rebalance-day", help="one of `allocations scenarios`")
    scenario, stack = parser.parse_args().scenario, Stack(ROOT, connectors=("steps", "executions"))
    status = 1
    try:
        print("Starting Kafka, Connect with Debezium, three PostgreSQL and three PgBouncer …", flush=True)
        stack.clean()
        stack.up()
        os.environ |= {VARIABLE: str(stack.config_path), "STREAMS_SYSTEMS": "allocations"}
        command = [*APPLICATION, "allocations", "simulate", scenario, "--yes"]
        # Its last line is ours.
        status = subprocess.run(command, cwd=PROJECT, check=False).returncode
    except StackError as error:
        print(f"SIMULATION FAILED {error}; the logs are in {KEPT}")
    except KeyboardInterrupt:
        print("SIMULATION FAILED interrupted")
    finally:
        if status:
            shutil.rmtree(KEPT, ignore_errors=True)
            keep(stack, KEPT)
        stack.clean()
    return status


if __name__ == "__main__":
    sys.exit(main())
