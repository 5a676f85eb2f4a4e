"""`python -m deploy.chaos`: a chaos run with its last line and exit status; `… region` measures one region's cut."""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
from collections.abc import Callable

from rich.console import Console

from deploy.chaos import schedule
from deploy.chaos.alone import alone, interruptible
from deploy.chaos.errors import ChaosError
from deploy.chaos.faults.base import Fault
from deploy.chaos.proxy import Mode
from deploy.chaos.region import TARGETS, Cut, measure
from deploy.chaos.run import Run, summary
from deploy.chaos.system import System
from deploy.demo.run import keep
from deploy.local import REGIONS, Stack, StackError
from deploy.local.layout import PROJECT

ROOT = PROJECT / ".local" / "chaos"
KEPT = PROJECT / ".local" / "chaos-logs"

# Requests a second: the workers of a small machine keep up with it and have time left to catch up after a fault.
RATE = 40.0
# Rounds of every kind of fault, and the transitions that a full run has to reach.
ROUNDS, LEAST = 4, 100_000


def main(words: list[str] | None = None) -> int:
    """Run what the command line asks for; the exit status is 0 when everything is proved."""
    arguments = build_parser().parse_args(words)
    interruptible()
    stack, console = Stack(ROOT), Console()
    seed = arguments.seed
    system = System(stack, RATE, f"chaos-{seed}")
    if arguments.command == "region":
        cut = Cut(arguments.region, arguments.mode, arguments.seconds)
        return _guarded(system, "REGION", lambda: _region(system, cut, console))
    faults = schedule.full(seed, ROUNDS) if arguments.full else schedule.short(seed)
    _announce(faults, seed, console)
    least = LEAST if arguments.full else 0
    return _guarded(system, "CHAOS", lambda: _chaos(Run(system, faults, least, console), console))


def build_parser() -> argparse.ArgumentParser:
    """The command line and its help."""
    parser = argparse.ArgumentParser(prog="python -m deploy.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="decides the faults and the load")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="nine faults, a few minutes (default)")
    size.add_argument("--full", action="store_true", help=f"every kind of fault {ROUNDS} times")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    region = commands.add_parser("region", help="cut one region off; measure the others, and the way back")
    region.add_argument("--region", choices=list(REGIONS), default=next(iter(REGIONS)))
    region.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.DOWN, help="how it is cut (down)")
    region.add_argument("--seconds", type=float, default=60.0, help="for how long (60)")
    return parser


def _announce(faults: list[Fault], seed: int, console: Console) -> None:
    console.print(f"Seed {seed}, {len(faults)} faults:", highlight=False)
    for number, fault in enumerate(faults, 1):
        console.print(f"{number:3} {fault.what}", highlight=False)


def _chaos(run: Run, console: Console) -> int:
    result = run.run()
    console.print(summary(result))
    print(result.line())
    return 0 if result.proved else 1


def _region(system: System, cut: Cut, console: Console) -> int:
    found = measure(system, cut, console)
    print(found.line())
    console.print(TARGETS)
    return 0 if found.reached else 1


def _guarded(system: System, word: str, run: Callable[[], int]) -> int:
    """Run alone in this checkout; leave the logs, and nothing else, behind."""
    try:
        with alone(ROOT):
            return _logged(system, word, run)
    except ChaosError as error:
        print(f"{word} FAILED {error}")
        return 1


def _logged(system: System, word: str, run: Callable[[], int]) -> int:
    try:
        return run()
    except (ChaosError, StackError) as error:
        first, _, rest = str(error).partition("\n")
        print(f"{rest}\nThe logs are in {KEPT}\n{word} FAILED {first}")
        return 1
    except KeyboardInterrupt:
        print(f"{word} FAILED interrupted")
        return 130
    finally:
        system.stop()
        shutil.rmtree(KEPT, ignore_errors=True)
        keep(system.stack, KEPT)
        system.stack.clean()


if __name__ == "__main__":
    sys.exit(main())
