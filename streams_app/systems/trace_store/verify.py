"""The proof for the trace store: what the regions hold fits together, and every record of the topics is there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from streams_app.changefeed import Record, Undecodable
from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import numbers, texts
from streams_app.databases.connecting import Connection
from streams_app.databases.snapshots import snapshot_of
from streams_app.delivery.ports import Rejected
from streams_app.settings import Settings
from streams_app.systems.trace_store.agents import decoder_of
from streams_app.systems.trace_store.decoding import TraceChange
from streams_app.verification import Check, Finding, Harm, Report, Violation, merged

SQL = Statements(Path(__file__).with_name("verify.sql"))

EVENTS_LIVE_IN_THEIR_REGION = Check(
    "events_live_in_their_region", Harm.WRONG, "Every session is in the region that its id belongs to."
)
# Each is the statement of its name.
STATEMENTS = (
    Check("ids_are_unique", Harm.DUPLICATED, "No event stands twice, whatever its time."),
    Check("rows_say_what_payloads_say", Harm.WRONG, "Session, correlation and time of a row are those of its payload."),
    Check("figures_follow_events", Harm.WRONG, "The figures of a session count all of its events."),
)
RECORDS_ARE_STORED = Check(
    "records_are_stored", Harm.LOST, "Every record of the topics is stored, is a dead letter, or has expired."
)
# Records that are looked up at once.
_AT_ONCE = 5000


class Topics(Protocol):
    """The thirteen topics to read, without a group."""

    def records(self) -> AsyncIterator[Record]:
        """All records, as they are now."""
        ...

    async def letters(self) -> set[tuple[str, int, int]]:
        """The topics, partitions and offsets of all records that are dead letters."""
        ...


def steps(settings: Settings, *, topics: bool) -> int:
    """How often `verify` calls `on_check`."""
    return (1 + len(STATEMENTS)) * len(settings.regions) + topics


async def verify(
    settings: Settings,
    *,
    grace: float,
    samples: int,
    topics: Topics | None = None,
    on_check: Callable[[], None] = lambda: None,
) -> Report:
    """Check all regions, and `topics`, when they are given: records younger than `grace` (seconds) may be on their way.

    At most `samples` violations of a check are named. `on_check` is called after each check of each region. Raises
    what psycopg and `topics` raise.
    """
    figures: dict[str, Any] = {"events": 0, "by_type": Counter(), "by_region": Counter()}
    findings: list[Finding] = []
    async with Databases(settings, "readonly") as databases:
        for region in settings.regions:
            async with snapshot_of(settings, region) as connection:
                findings += await _check_region(databases, connection, region, samples, on_check)
                for event_type, count in await _rows(connection, "figures", region=region):
                    figures["events"] += count
                    figures["by_type"][event_type] += count
                    figures["by_region"][region] += count
        if topics is not None:
            found = OnTopics(databases, settings, time.time() - grace)
            await found.read(topics)
            offenders = tuple(found.missing[:samples])
            findings.append(Finding(RECORDS_ARE_STORED, len(found.missing), offenders))
            figures |= {"records": found.records, "repeated": found.repeated, "removed": found.expired}
            on_check()
    return Report("trace_store", merged(findings, samples), figures)


async def _check_region(
    databases: Databases, connection: Connection, region: str, samples: int, on_check: Callable[[], None]
) -> list[Finding]:
    sessions = await _rows(connection, "sessions", region=region)
    strays = [session for (session,) in sessions if databases.regions.of_account(session) != region]
    named = tuple(Violation(region, f"session {session}") for session in strays[:samples])
    findings = [Finding(EVENTS_LIVE_IN_THEIR_REGION, len(strays), named)]
    on_check()
    for check in STATEMENTS:
        offenders = [offender for (offender,) in await _rows(connection, check.name, region=region)]
        named = tuple(Violation(region, offender) for offender in offenders[:samples])
        findings.append(Finding(check, len(offenders), named))
        on_check()
    return findings


async def _rows(connection: Connection, name: str, **arguments: Any) -> list[tuple[Any, ...]]:
    return await (await connection.execute(SQL[name], arguments)).fetchall()


class OnTopics:
    """The records of the topics beside the rows of all regions."""

    def __init__(self, databases: Databases, settings: Settings, until: float) -> None:
        """Records after `until` (epoch seconds) need not be stored yet."""
        self._databases = databases
        self._until = until * 1000
        self._decoder = decoder_of(settings.trace_store)
        self.records = 0
        self.repeated = 0
        self.expired = 0
        self.missing: list[Violation] = []
        self._ids: set[bytes] = set()

    async def read(self, topics: Topics) -> None:
        """Read all topics. Raises what psycopg and `topics` raise."""
        letters = await topics.letters()
        changes: list[TraceChange] = []
        async for record in topics.records():
            self.records += 1
            if record.timestamp > self._until or (record.topic, record.partition, record.offset) in letters:
                continue
            try:
                changes.append(self._decoder.decode(record))
            except (Undecodable, Rejected) as error:
                self._refused(record, error)
            if len(changes) == _AT_ONCE:
                await self._look_up(changes)
                changes = []
        await self._look_up(changes)

    def _refused(self, record: Record, error: Undecodable | Rejected) -> None:
        if error.reason == "expired":
            self.expired += 1
            return
        self.missing.append(Violation("no region", f"{_place(record)}: {error.reason}, and no dead letter"))

    async def _look_up(self, changes: Sequence[TraceChange]) -> None:
        by_region: dict[str, list[TraceChange]] = {}
        for change in changes:
            by_region.setdefault(self._databases.regions.of_account(change.session), []).append(change)
            identity = change.event.event_id.encode()
            self.repeated += identity in self._ids
            self._ids.add(identity)
        for region, of_region in by_region.items():
            times = [change.event.timestamp for change in of_region]
            moments = [datetime.fromisoformat(time) for time in times]
            async with self._databases.connection(region) as connection:
                known = await _rows(
                    connection,
                    "known",
                    region=region,
                    numbers=numbers(range(len(of_region))),
                    event_ids=texts([change.event.event_id for change in of_region]),
                    times=texts(times),
                    since=min(moments),
                    until=max(moments),
                )
            absent = set(range(len(of_region))) - {number for (number,) in known}
            self.missing += [
                Violation(region, f"{_place(of_region[n])}: event {of_region[n].event.event_id}")
                for n in sorted(absent)
            ]


def _place(record: Record | TraceChange) -> str:
    return f"{record.topic}-{record.partition} offset {record.offset}"
