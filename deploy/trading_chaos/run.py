"""One run: signals become decisions, orders and executions while everything on the way dies; then it must be proved."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.chaos.clock import Clock
from deploy.chaos.errors import ChaosError
from deploy.chaos.members import Members
from deploy.demo.run import APPLICATION
from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.settings_files import VARIABLE
from deploy.trading_chaos.faults import Fault, draw
from deploy.trading_chaos.parts import Parts
from deploy.trading_chaos.plan import OF_PROCESSES, PROCESSOR, Kind, Size
from deploy.trading_chaos.processes import COMMON, ROLES, are_ready, exchange, senders, workers
from deploy.trading_chaos.proof import Result, tables
from deploy.trading_chaos.readings import Progress, Readings
from streams_app.commands.schema import all_topics
from streams_app.kafka.admin import TopicAdmin
from streams_app.settings import Settings, load_settings
from streams_app.topics import signals_changelog

TICK = 0.1
# Seconds without any progress after which it is taken as it is: longer than a worker that hangs waits before it ends.
PATIENCE = 120.0
# Seconds without any progress after which it is asked whether all is through.
CALM = 1.0


def prepare(stack: Stack) -> None:
    """Make the tables, and the topics of every application."""
    stack.run_application(["migrate"])
    asyncio.run(_make_topics(load_settings()))


async def _make_topics(settings: Settings) -> None:
    specs = {spec.name: spec for app in ROLES for spec in all_topics(settings.model_copy(update={"app_id": app}))}
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as admin:
        await admin.create_missing(specs.values())


class Run:
    """Processes, a stack, and what is done to them. Use `stop` whatever happens."""

    def __init__(self, stack: Stack, settings: Settings, size: Size, seed: int, logs: Path, guarantee: str) -> None:
        """`guarantee` is that of decisions, as trading.guarantee."""
        environment = {**COMMON, VARIABLE: str(stack.config_path), "STREAMS_TRADING__GUARANTEE": guarantee}
        market, url = exchange(seed, logs, environment)
        self._environment = environment | {"STREAMS_TRADING__EXCHANGE_URL": url}
        sending, seconds = senders(size, seed, settings.trading.symbols, logs, environment)
        serving, self._ports = workers(size, logs, self._environment)
        self._serving, self._senders = Members([market, *serving]), Members(sending)
        self._parts = Parts(stack, settings.broker_url)
        self._faults = draw(seed, size, seconds)
        self._settings = settings
        self._logs = logs
        self._done: Counter[Kind] = Counter()

    def run(self, console: Console) -> Result:
        """The whole run. Raises ChaosError, StackError and StartError."""
        began = time.monotonic()
        readings = Readings(self._settings)
        try:
            self._serving.start()
            self._await_workers()
            self._senders.start()
            self._drive(readings, console)
            result = self._result(readings, began)
        finally:
            readings.close()
        for table in tables(result):
            console.print(table)
        for sentence in result.unequal:
            console.print(sentence, highlight=False)
        return result

    def stop(self) -> None:
        """End every process."""
        self._parts.close()
        self._senders.stop()
        self._serving.stop()

    def _await_workers(self) -> None:
        """What comes before they are there would not meet the faults."""
        deadline = time.monotonic() + PATIENCE
        while not are_ready(self._ports):
            if time.monotonic() > deadline:
                raise ChaosError(f"the workers are not ready after {PATIENCE:.0f} s")
            self._serving.supervise()
            time.sleep(TICK)

    def _drive(self, readings: Readings, console: Console) -> None:
        """Do the faults, keep the processes running, and return when everything is over."""
        clock = Clock(self._faults)
        while True:
            self._serving.supervise()
            self._senders.supervise()
            now = readings.progress()
            clock.look(now, begins=now.executed > 0)
            said = [self._do(fault) for fault in clock.due()] + self._parts.mended()
            for sentence in filter(None, said):
                text = f"{clock.seconds:6.1f} s  {sentence}; {now.executed:,} executed"
                console.print(text, highlight=False, soft_wrap=True)
            if not clock.faults_left and not self._parts.left and self._is_over(now, clock, readings):
                return
            if clock.quiet_for > PATIENCE and not self._parts.left:
                console.print("\n".join([f"Nothing moves any more: {now}", *readings.behind()]), highlight=False)
                return
            time.sleep(TICK)

    def _do(self, fault: Fault) -> str:
        """What was done to a process, in words; nothing for what is yet to be done to a part."""
        self._done[fault.kind] += 1
        if fault.kind not in OF_PROCESSES:
            self._parts.do(fault)
            return ""
        running = self._serving.running
        name = fault.victim([each for each in running if each.startswith(OF_PROCESSES[fault.kind])] or running)
        if fault.kind is Kind.PROCESSOR_PAUSED:
            self._serving.pause(name, fault.seconds)
        else:
            self._serving.kill(name)
        return f"{fault.kind}: {name}"

    def _is_over(self, now: Progress, clock: Clock[Fault], readings: Readings) -> bool:
        if not self._senders.finished or now.executed < now.orders or clock.quiet_for < CALM:
            return False
        return not readings.behind()

    def _result(self, readings: Readings, began: float) -> Result:
        report = self._verified()
        changelog = signals_changelog(PROCESSOR).name
        [transactions] = [each for each in report["transactions"] if each["topic"] == changelog]
        return Result(report, transactions, readings.bad_signals(), self._done, time.monotonic() - began)

    def _verified(self) -> Mapping[str, Any]:
        command = [*APPLICATION, "trading", "eos-verify", "--group", PROCESSOR, "--grace", "0", "--json"]
        environment = {**os.environ, **self._environment}
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False)
        (self._logs / "verify.json").write_bytes(done.stdout)
        try:
            report: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise ChaosError(f"eos-verify could not run:\n{done.stderr.decode()[-2000:]}") from None
        return report
