"""`python -m deploy.demo.trading`: signals become decisions, orders and executions on real parts, proved at the end.

A worker is killed with SIGKILL half way.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from typing import Any

from rich.console import Console

from deploy.demo.run import APPLICATION, DemoError, keep
from deploy.local import Stack, StackError
from deploy.local.layout import PROJECT
from deploy.local.ports import HOST, choose
from deploy.local.settings_files import VARIABLE
from deploy.local.worker import Worker

ROOT = PROJECT / ".local" / "demo-trading"
KEPT = PROJECT / ".local" / "demo-logs"
# The clock of the signals: a minute takes half a second.
SPEED = 120
# Seconds that orders may take to the exchange and back when no signal comes any more.
PATIENCE = 120


class Demo:
    """A stack, two workers, a simulated exchange, and a scheduler of signals."""

    def __init__(self, stack: Stack, seconds: int, console: Console) -> None:
        self._stack = stack
        self._seconds = seconds
        self._console = console
        self._logs = stack.layout.root / "logs"
        self._workers: list[Worker] = []
        self._exchange: subprocess.Popen[bytes] | None = None

    def run(self) -> str:
        """The whole job; returns its last line. Raises DemoError or StackError."""
        began = time.monotonic()
        self._console.print("Starting Kafka, Connect with Debezium, three PostgreSQL and three PgBouncer …")
        self._stack.clean()
        self._stack.up()
        port = choose(["exchange"], {}, [])["exchange"]
        os.environ |= {
            VARIABLE: str(self._stack.config_path),
            "STREAMS_SYSTEMS": "trading",
            "STREAMS_SESSION_TIMEOUT": "6",
            "STREAMS_TRADING__EXCHANGE_URL": f"http://{HOST}:{port}",
        }
        self._start_exchange(port)
        self._workers = [Worker(f"worker-{n}", self._stack.config_path, self._logs) for n in (1, 2)]
        for worker in self._workers:
            worker.start()
        for worker in self._workers:
            worker.await_ready()
        self._console.print(f"Two workers are ready; signals of 1m, 5m and 15m come for {self._seconds} s.")
        self._signal()
        self._await_quiet()
        self._console.print(self._say("trading", "eos-demo").rstrip(), highlight=False)
        self._await_quiet()
        return self._line(json.loads(self._say("trading", "eos-verify", "--grace", "0", "--json")), began)

    def stop(self) -> None:
        """End every process that was started here, but for the stack's."""
        for worker in self._workers:
            worker.stop()
        if self._exchange is not None:
            self._exchange.terminate()
            self._exchange.wait()

    def _start_exchange(self, port: int) -> None:
        journal = self._stack.layout.root / "exchange.jsonl"
        command = [*APPLICATION, "trading", "exchange", "--port", str(port), "--journal", str(journal)]
        with (self._logs / "exchange.log").open("ab") as output:
            self._exchange = subprocess.Popen(
                command, cwd=PROJECT, stdout=output, stderr=output, start_new_session=True
            )

    def _signal(self) -> None:
        """Let signals come, and kill a worker half way."""
        command = [*APPLICATION, "trading", "schedule", "--speed", str(SPEED), "--duration", f"{self._seconds}s"]
        with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as scheduler:
            time.sleep(self._seconds / 2)
            self._workers[0].kill()
            self._workers[0].start()
            self._console.print("One worker was killed with -9, and started again.")
            if scheduler.wait() != 0:
                raise DemoError("the scheduler of signals has failed")

    def _await_quiet(self) -> None:
        """Wait until no order is on its way. Raises DemoError."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            lags = [worker.health().get("lag") for worker in self._workers]
            orders = json.loads(self._say("trading", "orders", "--limit", "1", "--json"))["by_status"]
            if lags == [0, 0] and not set(orders) - {"FILLED", "REJECTED"}:
                return
            time.sleep(0.5)
        raise DemoError(f"orders are still on their way after {PATIENCE} s: {orders}, lag {lags}")

    def _say(self, *words: str) -> str:
        done = subprocess.run([*APPLICATION, *words], cwd=PROJECT, capture_output=True, text=True, check=False)
        if not done.stdout:
            raise DemoError(f"`{' '.join(words)}` failed: {done.stderr[-500:]}")
        return done.stdout

    def _line(self, found: dict[str, Any], began: float) -> str:
        names = ("signals", "decisions", "orders", "published", "executions")
        words = [f"{name}={found[name]}" for name in names] + [f"{k}={n}" for k, n in found["totals"].items()]
        words += [f"{name}={sum(each[name] for each in found['transactions'])}" for name in ("committed", "aborted")]
        complete = found["orders"] == found["published"] == found["executions"] > 0
        verdict = "OK" if found["verdict"] == "ok" and complete else "FAILED"
        return f"TRADING DEMO {verdict} {' '.join(words)} seconds={time.monotonic() - began:.0f}"


def main() -> int:
    """Run the demonstration; the exit status is 0 when everything is proved."""
    parser = argparse.ArgumentParser(prog="python -m deploy.demo.trading", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="of signals (30)")
    options = parser.parse_args()
    stack, console = Stack(ROOT, connectors=("orders",)), Console()
    demo = Demo(stack, options.seconds, console)
    try:
        line = demo.run()
    except (DemoError, StackError) as error:
        line = f"TRADING DEMO FAILED {error}; the logs are in {KEPT}"
    except KeyboardInterrupt:
        line = "TRADING DEMO FAILED interrupted"
    finally:
        demo.stop()
        shutil.rmtree(KEPT, ignore_errors=True)
        keep(stack, KEPT)
        stack.clean()
    print(line)
    return 0 if " OK " in line else 1


if __name__ == "__main__":
    sys.exit(main())
