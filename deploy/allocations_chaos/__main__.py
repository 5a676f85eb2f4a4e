"""`python -m deploy.allocations_chaos`: the kill test of allocations, with its last line and exit status."""

from __future__ import annotations

import argparse
import os
import secrets
import sys

from rich.console import Console

from deploy.allocations_chaos.plan import FULL, SHORT, Size
from deploy.allocations_chaos.processes import COMMON
from deploy.allocations_chaos.run import Run
from deploy.chaos.alone import cleaned, interruptible
from deploy.chaos.ending import conclude, guarded
from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.settings_files import VARIABLE
from streams_app.settings import load_settings

ROOT = PROJECT / ".local" / "allocations-chaos"
KEPT = PROJECT / ".local" / "allocations-chaos-logs"


def main(words: list[str] | None = None) -> int:
    """Run what the command line asks for; the exit status is 0 when everything is proved."""
    arguments = build_parser().parse_args(words)
    interruptible()
    size = FULL if arguments.full else SHORT
    return guarded("ALLOCATIONS CHAOS", lambda: _main(size, arguments.seed))


def build_parser() -> argparse.ArgumentParser:
    """The command line and its help."""
    parser = argparse.ArgumentParser(prog="python -m deploy.allocations_chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="decides who dies, and for how long")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help=f"{_words(SHORT)} (default)")
    size.add_argument("--full", action="store_true", help=_words(FULL))
    return parser


def _main(size: Size, seed: int) -> int:
    with cleaned(Stack(ROOT, connectors=("steps", "executions"))) as stack:
        console = Console()
        console.print(f"Seed {seed}: {_words(size)}.", highlight=False)
        os.environ.update({**COMMON, VARIABLE: str(stack.config_path)})
        stack.up()
        logs = KEPT / f"{seed}.{secrets.token_hex(3)}"
        logs.mkdir(parents=True)
        run = Run(stack, load_settings(), size, seed, logs)
        return conclude(lambda: run.run(console), run.stop, logs, stack)


def _words(size: Size) -> str:
    return f"{len(size.rounds)} rebalances of {size.accounts:,} accounts, {size.kills} kills, {size.cancels} cancelled"


if __name__ == "__main__":
    sys.exit(main())
