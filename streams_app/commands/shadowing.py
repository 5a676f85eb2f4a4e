"""The shadow run of `replay --shadow`: what it reads, and how its result is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiokafka import TopicPartition

from streams_app.commands.console import console, print_table
from streams_app.databases import Databases
from streams_app.delivery.letters import letter_id
from streams_app.delivery.replays import Move
from streams_app.kafka.group import ConsumerGroup
from streams_app.kafka.letter_store import read_cases
from streams_app.kafka.parking import unwrapped
from streams_app.kafka.reading import reader, records_between
from streams_app.settings import Settings
from streams_app.systems.requests.agents import RequestsHandler
from streams_app.systems.requests.orchestrator import Orchestrator
from streams_app.systems.requests.shadow import Comparison, shadow
from streams_app.systems.requests.store import Store
from streams_app.systems.requests.workflow import load_workflows
from streams_app.topics import parked_topic

# A table of more differences says nothing more; --json has all.
_MOST_ROWS = 50


async def shadow_moves(
    settings: Settings, moves: Sequence[Move], on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Comparison:
    """Run what `moves` would let the workers read again in the shadow: from each move's new place to the old one."""
    stretches = {TopicPartition(move.topic, move.partition): (move.to, move.current) for move in moves}
    total = sum(move.records for move in moves)
    book = load_workflows(settings.workflows).scaled(settings.deadline_scale)
    letters = await read_cases(settings, lambda done, total: None)
    reasons = {name: case.letter.reason for name, case in letters.items()}
    async with Databases(settings, "readonly") as databases, reader(settings.broker_url) as consumer:
        orchestrator = Orchestrator(Store(databases), databases.regions, book)
        handler = RequestsHandler(orchestrator, book, databases.regions, settings.max_value_bytes)
        records = records_between(consumer, stretches, lambda done: on_progress(done, total))
        return await shadow(records, handler, databases, book, reasons, await _parked(settings))


async def _parked(settings: Settings) -> set[str]:
    """The records that wait for a region that is down, named as dead letters are."""
    topics = [parked_topic(region).name for region in settings.regions]
    places = await ConsumerGroup(settings).places(topics)
    waiting = {
        TopicPartition(place.topic, place.partition): (place.committed or place.low, place.high)
        for place in places
        if (place.committed or place.low) < place.high
    }
    if not waiting:
        return set()
    async with reader(settings.broker_url) as consumer:
        origins = [unwrapped(record) async for record in records_between(consumer, waiting)]
    return {letter_id(origin.topic, origin.partition, origin.offset) for origin in origins}


def print_comparison(found: Comparison) -> None:
    """Print the result of a shadow run."""
    if found.steps:
        columns = ("request", "event", "after", "recorded", "would be")
        rows = [(d.request_id, d.seq_num, d.step, d.recorded, d.decided) for d in found.steps[:_MOST_ROWS]]
        print_table(f"{len(found.steps)} steps differ", columns, rows)
    if found.letters:
        letters = [(d.record, d.recorded or "none", d.decided or "none") for d in found.letters[:_MOST_ROWS]]
        print_table(f"{len(found.letters)} dead letters differ", ("record", "recorded", "would be"), letters)
    verdict = f"{found.differences} differences" if found.differences else "no difference"
    console.print(
        f"{verdict}: {found.records} records, {found.requests} requests, {found.same} steps and dead letters the same, "
        f"{found.not_comparable} not comparable",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
