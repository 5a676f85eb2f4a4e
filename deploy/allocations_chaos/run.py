"""One run: rebalances, one after another, while everything on the way dies in each phase; then it must be proved."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson
from rich.console import Console

from deploy.allocations_chaos.parts import Parts
from deploy.allocations_chaos.plan import PHASES, WORKERS, Fault, Kind, Size, draw, due
from deploy.allocations_chaos.processes import COMMON, is_ready, say, worker
from deploy.allocations_chaos.proof import Result, table
from deploy.chaos.errors import ChaosError
from deploy.chaos.members import Members
from deploy.local import Stack
from deploy.local.ports import choose
from deploy.local.settings_files import VARIABLE
from streams_app.commands.simulating import OUTSIDE
from streams_app.commands.whole_topics import records_of
from streams_app.databases.domains import domain_databases
from streams_app.settings import Settings
from streams_app.systems.allocations.planning import cancel
from streams_app.systems.allocations.progress import Reader
from streams_app.systems.allocations.progress_model import BEGUN, Progress
from streams_app.systems.allocations.scenario import Phase
from streams_app.systems.allocations.verify import verify
from streams_app.topics import DEAD_LETTERS
from streams_app.verification import Report

TICK = 0.1
# Seconds without any progress after which nothing more is expected.
PATIENCE = 90.0
# Seconds that what is on its way may take when every rebalance has ended.
CALM_WITHIN = 60.0
GROUPS = Path(__file__).with_name("groups.toml")
# Days of prices: more than a week for each rebalance of the full run.
LOAD = ("--days", "70", "--securities", "40", "--positions", "20", "--models", "4")


class Run:
    """Two workers, a stack, and what is done to them. Use `stop` whatever happens."""

    def __init__(self, stack: Stack, settings: Settings, size: Size, seed: int, logs: Path) -> None:
        environment = {**COMMON, VARIABLE: str(stack.config_path)}
        self._ports = choose(WORKERS, {}, [])
        self._workers = Members([worker(name, port, environment, logs) for name, port in self._ports.items()])
        self._parts = Parts(stack)
        self._reader = Reader(settings)
        self._settings = settings
        self._size = size
        self._seed = seed
        self._done: Counter[Kind] = Counter()
        self._began = time.monotonic()

    def run(self, console: Console) -> Result:
        """The whole run. Raises ChaosError, StackError and StartError."""
        days, rounds = trading_days(len(self._size.rounds)), draw(self._seed, self._size)
        say("load", *LOAD, "--accounts", str(self._size.accounts), "--seed", str(self._seed))
        say("groups", "load", str(GROUPS))
        self._workers.start()
        self._await_workers()
        for day, faults in zip(days, rounds, strict=True):
            self._round(day, faults, console)
        result = self._result()
        console.print(table(result))
        for sentence in result.unequal:
            console.print(sentence, highlight=False)
        for finding in result.report.findings:
            if finding.violations:
                console.print(finding.check.name, finding.violations, *map(str, finding.samples), highlight=False)
        return result

    def stop(self) -> None:
        """End every process."""
        self._parts.close()
        self._workers.stop()
        self._reader.close()

    def _await_workers(self) -> None:
        """What comes before they are there would not meet the faults."""
        deadline = time.monotonic() + PATIENCE
        while not all(map(is_ready, self._ports.values())):
            if time.monotonic() > deadline:
                raise ChaosError(f"the workers are not ready after {PATIENCE:.0f} s")
            self._workers.supervise()
            time.sleep(TICK)

    def _round(self, day: date, faults: Sequence[Fault], console: Console) -> None:
        """A rebalance: its faults as its phases come, and its end. Raises ChaosError when nothing moves any more."""
        before = last = self._reader.progress()
        answer = orjson.loads(say("rebalance", "--group", "chaos", "--day", str(day), "--json"))
        left, moved = list(faults), time.monotonic()
        while left or self._parts.left or last.ended == before.ended:
            self._workers.supervise()
            now = self._reader.progress()
            if now != last or self._parts.left:
                last, moved = now, time.monotonic()
            said = self._parts.mended()
            for fault in due(left, _begun(before, now)):
                left.remove(fault)
                said += self._do(fault, answer["rebalance_id"])
            for sentence in said:
                text = (
                    f"{time.monotonic() - self._began:6.1f} s  {sentence}; {now.filled - before.filled:,} parts filled"
                )
                console.print(text, highlight=False, soft_wrap=True)
            if time.monotonic() - moved > PATIENCE:
                raise ChaosError(f"nothing moves any more: {now}; faults not done: {left}")
            time.sleep(TICK)

    def _do(self, fault: Fault, rebalance_id: str) -> list[str]:
        """What was done, in words; nothing of what is yet to be done to a part."""
        self._done[fault.kind] += 1
        if fault.kind is Kind.CANCELLED:
            asyncio.run(_cancel(self._settings, UUID(rebalance_id)))
        elif fault.kind is Kind.WORKER_KILLED:
            self._workers.kill(fault.victim)
        else:
            self._parts.do(fault)
            return []
        return [f"{fault.phase}: {fault.kind}"]

    def _result(self) -> Result:
        report, rows = self._verified(), self._reader.rows("allocations", "fills")
        fills, letters = int(rows[0][0]) if rows else 0, asyncio.run(_letters(self._settings))
        seconds = time.monotonic() - self._began
        return Result(self._size, report, self._reader.progress(), fills, letters, self._done, seconds)

    def _verified(self) -> Report:
        """The report, as soon as it is clean: what is on its way is not lost yet."""
        deadline = time.monotonic() + CALM_WITHIN
        while True:
            self._workers.supervise()
            report = asyncio.run(verify(self._settings, grace=0, samples=5))
            if report.clean or time.monotonic() > deadline:
                return report
            time.sleep(1.0)


def trading_days(count: int) -> list[date]:
    """Days with prices, a week apart: prices have moved between them, so that every account trades again."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    while day.weekday() > 4:
        day -= timedelta(days=1)
    return [day - timedelta(weeks=count - 1 - number) for number in range(count)]


def _begun(before: Progress, now: Progress) -> list[Phase]:
    """The phases that have begun since."""
    return [phase for phase in PHASES if BEGUN[phase](now) > BEGUN[phase](before)]


async def _cancel(settings: Settings, rebalance_id: UUID) -> None:
    """At once: a command of its own would take as long as the market does. Raises ChaosError."""
    async with domain_databases(settings) as databases:
        if not await cancel(databases, OUTSIDE.publisher(settings), rebalance_id):
            raise ChaosError("the rebalance had ended before it was cancelled")


async def _letters(settings: Settings) -> int:
    """How many dead letters there are."""
    return len([record async for record in records_of(settings, [DEAD_LETTERS])])
