"""One run: events are written, relayed and consumed while processes die; then everything must be proved."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from deploy.chaos.clock import Clock
from deploy.chaos.errors import ChaosError
from deploy.chaos.members import Member, Members
from deploy.demo.run import APPLICATION
from deploy.local.layout import PROJECT
from deploy.local.ports import choose
from deploy.tracking_chaos.effects import Effects, compare
from deploy.tracking_chaos.faults import Fault, chosen, draw
from deploy.tracking_chaos.plan import PARTITIONS, TOPIC_VARIABLE, Size, dead_letters
from deploy.tracking_chaos.readings import Progress, Readings, lag, make_tables
from streams_app.kafka.admin import TopicAdmin
from streams_app.settings import Settings
from streams_app.topics import TopicSpec

RELAY = [*APPLICATION, "tracking", "relay"]
LEASE, SESSION = 3.0, 6.0
TICK = 0.1
# Seconds without any progress after which it is taken as it is.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found."""

    events: int
    kills: int
    stops: int
    published: int
    processed: int
    repeated: int
    seconds: float
    totals: Mapping[str, int]

    @property
    def proved(self) -> bool:
        """Whether everything that was written was published and processed, and nothing is wrong."""
        return self.events > 0 and not any(self.totals.values())

    def line(self) -> str:
        """The last line of the run."""
        names = ("events", "kills", "stops", "published", "processed")
        words = [f"{name}={getattr(self, name)}" for name in names]
        words += [f"{name}={count}" for name, count in self.totals.items() if name != "wrong" or count]
        words += [f"repeated={self.repeated}", f"seconds={self.seconds:.0f}"]
        return f"TRACKING CHAOS {'OK' if self.proved else 'FAILED'} {' '.join(words)}"


class Run:
    """Processes and what is done to them. Use `stop` whatever happens."""

    def __init__(
        self, settings: Settings, size: Size, seed: int, name: str, logs: Path, environment: Mapping[str, str]
    ) -> None:
        """`name` is that of the topic and begins those of the groups; `environment` leads processes to the settings."""
        self._settings = settings
        self._size = size
        self._topic = name
        self.groups = [f"{name}.{group}" for group in ("one", "two")]
        self._logs = logs
        self._environment = {
            **environment,
            TOPIC_VARIABLE: name,
            "STREAMS_TRACKING__LEASE": str(LEASE),
            "STREAMS_SESSION_TIMEOUT": str(SESSION),
        }
        self._faults = draw(seed, size, max(LEASE, SESSION))
        self._members = Members(self._processes())

    def run(self, console: Console) -> Result:
        """The whole run. Raises ChaosError and what psycopg raises."""
        began = time.monotonic()
        asyncio.run(self._make_topics())
        make_tables(self._settings)
        readings = Readings(self._settings)
        try:
            self._members.start()
            self._drive(readings, console)
            self._members.stop()
            return self._result(readings, began)
        finally:
            readings.close()

    def stop(self) -> None:
        """End every process."""
        self._members.stop()

    async def _make_topics(self) -> None:
        admin = TopicAdmin(self._settings.broker_url, PARTITIONS, self._settings.topic_replication)
        async with admin:
            await admin.create_missing([TopicSpec(name, "key") for name in (self._topic, dead_letters(self._topic))])

    def _processes(self) -> list[Member]:
        python, size = sys.executable, self._size
        rate = size.events / size.seconds
        writer = [python, "-m", "deploy.tracking_chaos.writer", "--total", str(size.events), "--rate", str(rate)]
        made = [Member("writer-1", writer, self._environment, self._logs, ends=True)]
        for number in range(size.relays):
            made.append(Member(f"relay-{number + 1}", RELAY, self._environment, self._logs, ends=False))
        for number in range(size.members * len(self.groups)):
            name = f"consumer-{number + 1}"
            app = [python, "-m", "faust", "-A", "deploy.tracking_chaos.consumer_app", "-L", "uvloop", "worker"]
            own = {
                "STREAMS_APP_ID": self.groups[number % len(self.groups)],
                "STREAMS_DATA_DIR": str(self._logs / name),
                "STREAMS_WEB_PORT": str(choose([name], {}, [])[name]),
                # Alone in its group, who is killed need not wait until the group has missed it.
                **({"STREAMS_INSTANCE_ID": name} if size.members == 1 else {}),
            }
            made.append(Member(name, app, self._environment | own, self._logs, ends=False))
        return made

    def _drive(self, readings: Readings, console: Console) -> None:
        """Do the faults, keep the processes running, and return when everything is over."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
            tasks = [bars.add_task(name, total=self._size.events) for name in ("written", "published", "processed")]
            clock = Clock(self._faults)
            while True:
                self._members.supervise()
                now = readings.progress()
                clock.look(now, begins=now.processed > 0)
                for task, count in zip(tasks, (now.written, now.published, now.processed // 2), strict=True):
                    bars.update(task, completed=count)
                for fault in clock.due():
                    bars.console.print(f"{clock.seconds:6.1f} s  {self._do(fault)}", highlight=False)
                if clock.faults_left == 0 and self._is_over(now):
                    return
                if clock.quiet_for > PATIENCE:
                    console.print(f"Nothing moves any more: {now}", highlight=False)
                    return
                time.sleep(TICK)

    def _do(self, fault: Fault) -> str:
        running = self._members.running
        name = chosen(fault, running)
        if fault.stop is None:
            self._members.kill(name)
        else:
            self._members.pause(name, fault.stop)
        return f"{fault.what}: {name}"

    def _is_over(self, now: Progress) -> bool:
        if not self._members.finished or not now.settled(len(self.groups)):
            return False
        # Repetitions come last: they must be refused as well.
        return lag(self._settings.broker_url, self._topic, PARTITIONS, self.groups) == 0

    def _result(self, readings: Readings, began: float) -> Result:
        report, facts = self._verified(), readings.facts()
        effects = sum((compare(facts, readings.effects(group)) for group in self.groups), Effects())
        totals = dict(report["totals"])
        totals["lost"] += effects.lost
        totals["duplicated"] += effects.duplicated
        totals["out_of_order"] += effects.out_of_order
        totals["wrong"] += effects.undone
        return Result(
            events=sum(len(events) for events in facts.values()),
            kills=self._members.killed,
            stops=self._members.stopped,
            published=report["published"],
            processed=report["processed"],
            repeated=report["repeated"],
            seconds=time.monotonic() - began,
            totals=totals,
        )

    def _verified(self) -> dict[str, Any]:
        command = [*APPLICATION, "verify", "--system", "tracking", "--topics", "--grace", "0", "--json"]
        environment = {**os.environ, **self._environment}
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, check=False)
        (self._logs / "verify.json").write_bytes(done.stdout)
        try:
            report: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise ChaosError(f"verify could not run:\n{done.stderr.decode()[-2000:]}") from None
        return report
