"""The same faults for our design of tracked events and for a model of its nearest public relative, with counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from streams_app.databases import Databases
from streams_app.databases.connecting import connect_arguments
from streams_app.kafka.event_sender import EventSender
from streams_app.settings import Settings
from streams_app.system_settings import TrackingSettings
from streams_app.systems.tracking.relay import Relay
from tests.integration import faulty, relative
from tests.integration.events import REGION, Letters, make_topic, servers
from tests.integration.faulty import Counts, Design, Trouble, killed
from tests.integration.relative import Relative
from tests.integration.tracked_design import Refusing, Tracked

pytestmark = pytest.mark.stack


async def three(design: Design, *keys: str) -> None:
    """Three operations, and their events on the topic."""
    for key in keys or ("k", "k", "k"):
        await design.operate(key)
    await design.carry()


async def not_json(design: Design) -> None:
    await three(design, "a", "b", "c")
    records = await design.records()
    await design.take([records[0], replace(records[1], value=b"{" + (records[1].value or b"")), records[2]])
    await design.mend(records)


async def killed_before_the_effect(design: Design) -> None:
    await three(design)
    records = await design.records()
    await design.take(records[:1])
    await killed(design.take(records, trouble={2: Trouble.KILLED_BEFORE_EFFECT}))
    await design.take(records)


async def killed_after_the_effect(design: Design) -> None:
    await three(design)
    records = await design.records()
    await design.take(records[:1])
    await killed(design.take(records, trouble={2: Trouble.KILLED_AFTER_EFFECT}))
    await design.take(records)


async def processing_fails_once(design: Design) -> None:
    await three(design)
    await design.take(await design.records(), trouble={2: Trouble.FAILS})
    await design.retry()


async def a_second_group(design: Design) -> None:
    await three(design)
    records = await design.records()
    await design.take(records, "one")
    await design.take(records, "two")


async def no_id(design: Design) -> None:
    await three(design)
    records = [replace(record, headers=()) for record in await design.records()]
    await design.take(records)
    await design.take(records)


async def two_at_once(design: Design) -> None:
    await design.operate()
    await design.carry()
    records, race = await design.records(), asyncio.Barrier(2)
    await asyncio.gather(*(design.take(records, race=race) for _ in range(2)))


async def the_first_send_fails(design: Design) -> None:
    await design.operate(trouble=Trouble.REFUSED)
    await design.operate()
    await design.carry()
    await design.take(await design.records())


async def interleaved_commits(design: Design) -> None:
    """The first operation takes long between its fact and its event; another of its key, and one of another key, come
    meanwhile."""
    gate = asyncio.Event()
    first = asyncio.create_task(design.operate("k", gate=gate))
    await asyncio.sleep(0.1)
    second = asyncio.create_task(design.operate("k"))
    await design.operate("other")
    await asyncio.wait({second}, timeout=0.3)
    await design.carry()
    gate.set()
    await asyncio.gather(first, second)
    await design.carry()
    await design.take(await design.records())


async def the_operation_is_undone(design: Design) -> None:
    await design.operate("a")
    await design.operate("b", Trouble.UNDONE)
    await design.carry()
    await design.take(await design.records())


async def killed_after_the_commit(design: Design) -> None:
    await killed(design.operate(trouble=Trouble.KILLED_AFTER_COMMIT))
    await design.carry()
    await design.take(await design.records())


async def killed_before_the_send(design: Design) -> None:
    await killed(design.operate(trouble=Trouble.KILLED_BEFORE_SEND))
    await design.carry()
    await design.take(await design.records())


async def many_partitions(design: Design) -> None:
    """Partitions know no order among each other: here the last one is the quickest."""
    for _ in range(8):
        await design.operate()
    await design.carry()
    for partition in (3, 2, 1, 0):
        await design.take([record for record in await design.records() if record.partition == partition])


@dataclass(frozen=True)
class Fault:
    """What happens, and what it does to the relative's design."""

    happens: Callable[[Design], Awaitable[None]]
    what: str
    relative: Counts
    groups: tuple[str, ...] = ("one",)
    partitions: int = 1

    @property
    def name(self) -> str:
        return self.happens.__name__


FAULTS = (
    Fault(not_json, "a record is no JSON; somebody mends what was kept", Counts(lost=1)),
    Fault(
        killed_before_the_effect,
        "consumer killed after RECEIVED, redelivery",
        Counts(lost=1, raised=1, open=1),
    ),
    Fault(killed_after_the_effect, "consumer killed before PROCESSED, redelivery", Counts(raised=1, open=1)),
    Fault(processing_fails_once, "the work raises once, then a retry", Counts(lost=1, raised=1, open=1)),
    Fault(a_second_group, "a second consumer group", Counts(lost=3), groups=("one", "two")),
    Fault(no_id, "three events without an id, redelivered", Counts(twice=3)),
    Fault(two_at_once, "two consumers have the same event at once", Counts(raised=1)),
    Fault(the_first_send_fails, "the first event of a pair is refused once", Counts(out_of_order=1)),
    Fault(interleaved_commits, "the first of a pair is slow from fact to event", Counts(out_of_order=1)),
    Fault(the_operation_is_undone, "the operation is rolled back", Counts(unfounded=1)),
    Fault(killed_after_the_commit, "killed between the operation and its event", Counts(lost=1)),
    Fault(killed_before_the_send, "killed between the event's row and its send", Counts(lost=1, open=1)),
    Fault(many_partitions, "eight events of a key, four partitions", Counts(out_of_order=2), partitions=4),
)


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines of counts, shown with -s."""
    lines: list[str] = []
    yield lines
    columns = ("", "design", "lost", "twice", "out of order", "unfounded", "raised", "open")
    print("\n" + "\n".join([_line(columns), *lines]))


@pytest.fixture(scope="module")
def tables(fresh_settings: Settings) -> None:
    server = fresh_settings.regions[REGION].server
    with psycopg.connect(**connect_arguments(fresh_settings.database, server, "owner")) as connection:
        faulty.make_tables(connection, faulty.TABLES)
        faulty.make_tables(connection, relative.TABLES)


@pytest.fixture
async def designs(
    fresh_databases: Databases, fresh_settings: Settings, tables: None, fault: Fault
) -> AsyncIterator[tuple[Tracked, Relative]]:
    made = [
        kind(
            fresh_databases,
            fresh_settings,
            f"{fault.name}-{kind.__name__}",
            await make_topic(fresh_settings, fault.partitions),
        )
        for kind in (Tracked, Relative)
    ]
    ours, theirs = made
    assert isinstance(ours, Tracked)
    assert isinstance(theirs, Relative)
    own = TrackingSettings(relay_interval=0.01)
    async with (
        EventSender(servers(fresh_settings)) as sender,
        AIOKafkaProducer(bootstrap_servers=servers(fresh_settings)) as theirs.producer,
    ):
        ours.sender = Refusing(sender)
        ours.relay = Relay(fresh_databases, REGION, ours.sender, Letters(), own)
        yield ours, theirs
        await ours.relay.leave()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_ours_is_whole_where_the_relative_is_not(
    designs: tuple[Tracked, Relative], fault: Fault, table: list[str]
) -> None:
    found = []
    for design, name in zip(designs, ("ours", "relative"), strict=True):
        await fault.happens(design)
        counts = await design.counts(fault.groups)
        table.append(_line((fault.what, name, *map(str, counts))))
        found.append(counts)
    assert found == [Counts(), fault.relative]


def _line(cells: tuple[str, ...]) -> str:
    return cells[0].ljust(54) + cells[1].ljust(10) + "".join(cell.rjust(14) for cell in cells[2:])
