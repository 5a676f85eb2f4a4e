"""`python -m deploy.tracking_chaos`: the kill test of tracked events, with its last line and exit status."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from deploy.chaos.alone import cleaned, interruptible
from deploy.chaos.ending import conclude, guarded
from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.settings_files import VARIABLE
from deploy.tracking_chaos.plan import FULL, SHORT, Size
from deploy.tracking_chaos.run import Run
from streams_app.settings import load_settings

ROOT = PROJECT / ".local" / "tracking-chaos"
KEPT = PROJECT / ".local" / "tracking-chaos-logs"


def main(words: list[str] | None = None) -> int:
    """Run what the command line asks for; the exit status is 0 when everything is proved."""
    arguments = build_parser().parse_args(words)
    interruptible()
    size = FULL if arguments.full else SHORT
    # Two runs on one broker, also with one seed, have nothing in common.
    name = f"tracking-chaos.{arguments.seed}.{secrets.token_hex(3)}"
    return guarded("TRACKING CHAOS", lambda: _main(size, arguments.seed, name, running=arguments.running))


def build_parser() -> argparse.ArgumentParser:
    """The command line and its help."""
    parser = argparse.ArgumentParser(prog="python -m deploy.tracking_chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="decides who dies, and when")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help=f"{SHORT.events:,} events, {SHORT.kills} kills (default)")
    size.add_argument("--full", action="store_true", help=f"{FULL.events:,} events, {FULL.kills} kills")
    parser.add_argument(
        "--running",
        action="store_true",
        help="use the broker and the empty, migrated databases of the settings, instead of a stack of its own",
    )
    return parser


def _main(size: Size, seed: int, name: str, *, running: bool) -> int:
    with _stack(running) as stack:
        console = Console()
        console.print(f"Seed {seed}: {size.events:,} events, {size.kills} kills, {size.stops} stops.", highlight=False)
        environment = {} if stack is None else {VARIABLE: str(stack.config_path)}
        os.environ.update(environment)
        logs = KEPT / name
        logs.mkdir(parents=True, exist_ok=True)
        run = Run(load_settings(), size, seed, name, logs, environment)
        return conclude(lambda: run.run(console), run.stop, logs, stack)


@contextmanager
def _stack(running: bool) -> Iterator[Stack | None]:
    """A stack of its own, gone afterwards; None when a running one is to be used. Raises ChaosError when another run of
    this checkout has it."""
    if running:
        yield None
        return
    with cleaned(Stack(ROOT)) as stack:
        stack.up()
        yield stack


if __name__ == "__main__":
    sys.exit(main())
