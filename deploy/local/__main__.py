"""The commands of the local stack: python -m deploy.local COMMAND [--root DIR]."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

from .errors import StackError
from .layout import DEFAULT_ROOT, PROJECT
from .parts.prometheus import Prometheus
from .settings_files import VARIABLE
from .stack import Stack
from .state import BROKERS

INTERRUPTED = 130


def main(words: list[str] | None = None) -> int:
    """Run one command; return its exit status."""
    arguments = build_parser().parse_args(words)
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("deploy.local").setLevel(logging.INFO)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        stack = Stack(arguments.root, brokers=arguments.brokers, connectors=arguments.connectors)
        return int(arguments.run(stack, arguments))
    except (StackError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The command line and its help."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="The local stack: Kafka, Kafka Connect with Debezium, PostgreSQL and PgBouncer for each "
        "region, Prometheus when installed. Everything on 127.0.0.1, in one folder.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        found.add_argument(
            "--root", type=Path, default=DEFAULT_ROOT, help="folder of the stack (default: .local/stack)"
        )
        found.set_defaults(run=run, brokers=None, connectors=None)
        return found

    up = command("up", _up, "start everything that is not running, and print the addresses")
    up.add_argument("--brokers", type=int, choices=BROKERS, help="Kafka brokers (default: as it has, else 1)")
    up.add_argument(
        "--connectors",
        type=_names,
        metavar="NAMES",
        help="those of every region, with commas between (default: as it has, else requests)",
    )
    up.add_argument("--foreground", action="store_true", help="stay; Ctrl-C stops everything")
    up.add_argument("--json", action="store_true", help="print the addresses as JSON")
    command("down", _down, "stop everything and keep the data")
    command("clean", _clean, "stop everything and remove the folder")
    status = command("status", _status, "show the state of every part; status 1 unless all are ready")
    status.add_argument("--json", action="store_true", help="print JSON")
    logs = command("logs", _logs, "show the end of the logs")
    logs.add_argument("part", nargs="?", help="one part (default: all)")
    logs.add_argument("-n", type=int, default=20, dest="lines", metavar="N", help="lines (default: 20)")
    logs.add_argument("--follow", action="store_true", help="go on as the logs grow")
    kill = command("kill", _kill, "send a signal to a part")
    kill.add_argument("part")
    kill.add_argument("--signal", type=_signal, default=signal.SIGKILL, help="its name (default: KILL)")
    restart = command("restart", _restart, "stop a part if it runs, start it again with its data, await it")
    restart.add_argument("part")
    command("env", _env, "print the shell line that points the application at this stack")
    return parser


def _up(stack: Stack, arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    try:
        stack.up()
        if arguments.json:
            print(json.dumps(stack.addresses(), indent=2), flush=True)
        else:
            _show_addresses(stack, time.monotonic() - began, arguments.foreground)
        if arguments.foreground:
            _stay(stack)
    finally:
        if arguments.foreground:
            stack.down()
    return 0


def _stay(stack: Stack) -> None:
    # Ctrl-C is the way to end a stack in the foreground, not an accident.
    with contextlib.suppress(KeyboardInterrupt):
        stack.wait()


def _show_addresses(stack: Stack, seconds: float, foreground: bool) -> None:
    table = Table("part", "address")
    for name, address in stack.addresses().items():
        table.add_row(name, address)
    console = Console(soft_wrap=True)
    console.print(table)
    if Prometheus.program() is None:
        console.print("Prometheus is not installed on this machine, so nothing is scraped.")
    root = "" if stack.layout.root == DEFAULT_ROOT else f" --root {shlex.quote(str(stack.layout.root))}"
    console.print(f"Ready after {seconds:.1f} s. To use it:", highlight=False)
    console.print(f"    {_export(stack)}\n    faust -A streams_app worker", highlight=False)
    stop = "Ctrl-C" if foreground else f"python -m deploy.local down{root}"
    console.print(f"To stop it: {stop}", highlight=False)


def _down(stack: Stack, _: argparse.Namespace) -> int:
    stack.down()
    return 0


def _clean(stack: Stack, _: argparse.Namespace) -> int:
    stack.clean()
    return 0


def _status(stack: Stack, arguments: argparse.Namespace) -> int:
    status = stack.status()
    if arguments.json:
        print(json.dumps(status, indent=2))
    else:
        table = Table("part", "state", "pid", "address")
        for name, row in status.items():
            table.add_row(name, *(str(row[key] or "") for key in ("state", "pid", "address")))
        Console(soft_wrap=True).print(table)
    return 0 if all(row["state"] == "ready" for row in status.values()) else 1


def _logs(stack: Stack, arguments: argparse.Namespace) -> int:
    parts = [stack.part(arguments.part)] if arguments.part else stack.parts.values()
    files = [str(part.log) for part in parts if part.log.exists()]
    if not files:
        raise StackError("there are no logs yet")
    follow = ["-F"] if arguments.follow else []
    return subprocess.run(["tail", "-n", str(arguments.lines), *follow, *files], check=False).returncode


def _kill(stack: Stack, arguments: argparse.Namespace) -> int:
    stack.kill(arguments.part, arguments.signal)
    return 0


def _restart(stack: Stack, arguments: argparse.Namespace) -> int:
    stack.restart(arguments.part)
    return 0


def _env(stack: Stack, _: argparse.Namespace) -> int:
    stack.addresses()  # an error when there is no stack to point at
    print(_export(stack))
    return 0


def _export(stack: Stack) -> str:
    path = stack.config_path
    if path.is_relative_to(PROJECT) and Path.cwd() == PROJECT:
        path = path.relative_to(PROJECT)
    return f"export {VARIABLE}={shlex.quote(str(path))}"


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _signal(name: str) -> signal.Signals:
    try:
        return signal.Signals[name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"]
    except KeyError:
        raise argparse.ArgumentTypeError(
            f"{name!r} is not a signal; use a name such as KILL, TERM, STOP, CONT"
        ) from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # Only once: a second Ctrl-C must not interrupt the stopping.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
