"""`python -m deploy.demo`: the demo with its last line and exit status.

DEMO_REQUESTS (2000) and DEMO_SEED (1) choose the work; DEMO_KEEP=1 leaves the stack up.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType

from rich.console import Console

from deploy.demo.run import Demo, DemoError, Figures, keep
from deploy.local import Stack
from deploy.local.errors import StackError
from deploy.local.layout import PROJECT
from deploy.local.settings_files import VARIABLE

ROOT = PROJECT / ".local" / "demo"
KEPT = PROJECT / ".local" / "demo-failed"


def main() -> int:
    """Run the demo; the exit status is 0 when everything is proved."""
    started = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console()
    stack = Stack(ROOT)
    try:
        requests = int(os.environ.get("DEMO_REQUESTS", "2000"))
        demo = Demo(stack, requests, os.environ.get("DEMO_SEED", "1"), console)
    except ValueError as error:
        print(f"DEMO FAILED DEMO_REQUESTS must be a number: {error}")
        return 2
    try:
        figures = demo.run()
    except (DemoError, StackError) as error:
        keep(stack, KEPT)
        print(f"DEMO FAILED {error}\nThe logs are in {KEPT}")
        return 1
    except KeyboardInterrupt:
        print("DEMO FAILED interrupted")
        return 130
    finally:
        demo.stop()
        if os.environ.get("DEMO_KEEP") == "1":
            console.print(f"The stack is left up: export {VARIABLE}={stack.config_path}")
            console.print("To end it: .venv/bin/python -m deploy.local clean --root .local/demo")
        else:
            stack.clean()
    return report(figures, requests, time.monotonic() - started, console)


def report(figures: Figures, requests: int, seconds: float, console: Console) -> int:
    """Print the figures and the last line; returns the exit status."""
    console.print(
        f"{figures.per_second:,.0f} transitions/s over the whole run; one worker was killed with -9 half way.\n"
        f"From the commit of a change to the commit of the step it asked for: "
        f"p50 {figures.p50 * 1000:,.0f} ms, p99 {figures.p99 * 1000:,.0f} ms.\n"
        f"{figures.tracked}"
    )
    proved = figures.proved(requests)
    names = ["requests", "terminal", "transitions", "lost", "duplicated", "out_of_order"]
    if figures.wrong:
        names.append("wrong")
    words = " ".join(f"{name}={getattr(figures, name)}" for name in names)
    print(f"DEMO {'OK' if proved else 'FAILED'} {words} seconds={seconds:.0f}")
    return 0 if proved else 1


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
