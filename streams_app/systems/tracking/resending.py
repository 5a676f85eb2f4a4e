"""Sends events of the consumption log to a topic again: which ones, in which order, and what each record is."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from psycopg.rows import dict_row

from streams_app.databases import Databases, Statements
from streams_app.delivery.events import CORRELATION_ID, EVENT_ID, EVENT_TYPE, SERVICE
from streams_app.systems.tracking.model import ConsumptionStatus
from streams_app.systems.tracking.ports import EventSender, OutgoingRecord, Placed, Refused

SQL = Statements(Path(__file__).with_name("resending.sql"))
#: Where a record that is sent again was: topic-partition-offset.
REPLAYED_FROM: Final = "replayed_from"
PAGE: Final = 1000
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A row is made soon after its event is received, and clocks of workers and databases differ by minutes at most.
_BEFORE: Final = timedelta(minutes=10)
_AFTER: Final = timedelta(hours=1)
# What one statement looks at, where no index leads to the events that are chosen.
_SLICE: Final = timedelta(hours=1)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events of the consumption log: None for any. Times are those of their reception, `until` exclusive."""

    until: datetime
    since: datetime = _BEGINNING
    topic: str | None = None
    group: str | None = None
    service: str | None = None
    status: str | None = None
    event_ids: tuple[str, ...] | None = None

    @property
    def made(self) -> tuple[datetime, datetime]:
        """When the rows of these events were made, at the earliest and the latest."""
        return max(self.since, _BEGINNING + _BEFORE) - _BEFORE, self.until + _AFTER

    def slices(self) -> list[tuple[datetime, datetime]]:
        """`made`, in pieces that one statement may look at."""
        start, end = self.made
        if self.event_ids is not None or self.status == ConsumptionStatus.FAILED:
            return [(start, end)]
        count = math.ceil((end - start) / _SLICE)
        return [(start + n * _SLICE, min(start + (n + 1) * _SLICE, end)) for n in range(count)]

    def arguments(self) -> dict[str, Any]:
        """As the statements take them."""
        return {
            "since": self.since,
            "until": self.until,
            "made_since": self.made[0],
            "made_until": self.made[1],
            "topic": self.topic,
            "group": self.group,
            "service": self.service,
            "status": self.status,
            "event_ids": None if self.event_ids is None else list(self.event_ids),
        }


@dataclass(frozen=True, slots=True)
class Span:
    """Where chosen events of one region lie in a partition, and how many they are."""

    region: str
    topic: str
    partition: int
    first: int
    last: int
    events: int

    def joined(self, other: Span) -> Span:
        """Both together, of the same partition and region."""
        first, last = min(self.first, other.first), max(self.last, other.last)
        return replace(self, first=first, last=last, events=self.events + other.events)


@dataclass(slots=True)
class Outcome:
    """What became of a resending: how many records topics have, and how many not, by reason."""

    sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    #: Set when it ended before its end, because records of a key must not pass each other.
    stopped_at: str | None = None

    def take(self, records: Sequence[OutgoingRecord], answers: Iterable[Placed | Refused]) -> None:
        """Count the answers to `records`."""
        for record, answer in zip(records, answers, strict=True):
            if isinstance(answer, Placed):
                self.sent += 1
                continue
            self.refused[answer.reason] += 1
            if not answer.permanent and self.stopped_at is None:
                self.stopped_at = place_of(record)


def record_of(row: Mapping[str, Any], into: str | None, service: str | None) -> OutgoingRecord:
    """The record of a row of the log, for its own topic or another one; `service` published it, None: not known.

    Its identity stays: an event that a consumer has processed has no new effect there.
    """
    headers: list[tuple[str, bytes | None]] = [
        (EVENT_ID, row["event_id"].encode()),
        (EVENT_TYPE, row["event_type"].encode()),
    ]
    for name, value in ((CORRELATION_ID, row["correlation_id"]), (SERVICE, service)):
        if value is not None:
            headers.append((name, value.encode()))
    headers.append((REPLAYED_FROM, f"{row['topic']}-{row['partition']}-{row['offset']}".encode()))
    key = None if row["event_key"] is None else row["event_key"].encode()
    return OutgoingRecord(into or row["topic"], key, row["payload"].encode(), tuple(headers))


def place_of(record: OutgoingRecord) -> str:
    """Where a record that is sent again was."""
    return next((value.decode() for name, value in record.headers if name == REPLAYED_FROM and value), record.topic)


def merge(parts: Sequence[Sequence[Row]], size: int) -> tuple[list[Row], int | None]:
    """The next rows of one partition from those of several regions, by offset and each offset once.

    `parts` are pages of at most `size` rows in order. Returns the rows that are known to be next, and the offset to
    go on after; None when nothing is left.
    """
    # A full page says nothing of what lies behind its end.
    certain = min((part[-1]["offset"] for part in parts if len(part) >= size), default=None)
    rows = {row["offset"]: row for part in parts for row in part if certain is None or row["offset"] <= certain}
    return [rows[offset] for offset in sorted(rows)], certain


async def find_spans(
    databases: Databases, selection: Selection, done: Callable[[int, int], None] = lambda *_: None
) -> list[Span]:
    """Where the chosen events of all regions lie, by topic and partition; `done` hears of each slice, and how many
    there are. Raises what psycopg raises."""
    slices = selection.slices()
    found: dict[tuple[str, int, str], Span] = {}
    for since, until in slices:
        arguments = selection.arguments() | {"made_since": since, "made_until": until}
        regions = databases.regions.names
        parts = await asyncio.gather(*(_rows(databases, region, "spans", arguments) for region in regions))
        for region, rows in zip(regions, parts, strict=True):
            for row in rows:
                span = Span(region, **row)
                place = (span.topic, span.partition, region)
                found[place] = found[place].joined(span) if place in found else span
        done(1, len(slices))
    return [found[place] for place in sorted(found)]


async def resend(
    databases: Databases,
    sender: EventSender,
    selection: Selection,
    spans: Sequence[Span],
    into: str | None,
    done: Callable[[int], None],
) -> Outcome:
    """Send the chosen events again, partition by partition in the order of their offsets.

    `done` hears how many of each page were looked at. Ends early when the broker refuses what it may take later.
    Raises what psycopg and the sender raise; safe to repeat: an event keeps its identity.
    """
    outcome = Outcome()
    for _, together in groupby(spans, key=lambda span: (span.topic, span.partition)):
        async for page in _pages(databases, selection, list(together)):
            services = await _producers(databases, selection, page)
            records = [record_of(row, into, services.get(row["event_id"])) for row in page]
            outcome.take(records, await sender.send(records))
            done(len(page))
            if outcome.stopped_at is not None:
                return outcome
    return outcome


async def _pages(databases: Databases, selection: Selection, spans: Sequence[Span]) -> AsyncIterator[list[Row]]:
    """The rows of one partition, whichever regions they are in."""
    after: int | None = min(span.first for span in spans) - 1
    while after is not None:
        where = selection.arguments() | {"after": after, "limit": PAGE}
        pages = (
            _rows(
                databases,
                span.region,
                "page",
                where | {"topic": span.topic, "partition": span.partition, "last": span.last},
            )
            for span in spans
        )
        rows, after = merge(await asyncio.gather(*pages), PAGE)
        if rows:
            yield rows


async def _producers(databases: Databases, selection: Selection, page: Sequence[Row]) -> dict[str, str]:
    """Which service published each event: not that of its row, which consumed it. An event may come from any region."""
    arguments = {"event_ids": [row["event_id"] for row in page], "made_until": selection.made[1]}
    regions = databases.regions.names
    parts = await asyncio.gather(*(_rows(databases, region, "producers", arguments) for region in regions))
    return {row["event_id"]: row["service_name"] for part in parts for row in part}


async def _rows(databases: Databases, region: str, name: str, arguments: Row) -> list[Row]:
    async with databases.connection(region) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return await (await cursor.execute(SQL[name], {"region": region, **arguments})).fetchall()
