"""`replay`: let the workers read again from an earlier place; or, with --shadow, only tell what would differ."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click

from streams_app.commands.console import asynchronous, console, json_option, print_json, print_table, progress
from streams_app.commands.schema import STEP_DOMAINS, TABLES
from streams_app.commands.shadowing import print_comparison, shadow_moves
from streams_app.databases import Databases
from streams_app.databases.domains import domain_databases
from streams_app.databases.fences import advance
from streams_app.delivery.replays import Move, ReplayError, Target, duration, moment, partition_numbers, plan
from streams_app.errors import StartError, is_outage
from streams_app.kafka.group import ConsumerGroup, Member
from streams_app.kafka.recovery import make_void
from streams_app.settings import Settings, load_settings
from streams_app.systems.requests.agents import TOPICS
from streams_app.topics import ALLOCATION_TOPICS, EVENT_TOPICS, TRACE_TOPICS, TRADING_TOPICS, changelog_topic

#: What workers read, by system.
BY_SYSTEM = {
    "requests": [topic.name for topic in (*TOPICS, *EVENT_TOPICS)],
    "trace_store": [topic.name for topic in TRACE_TOPICS],
    "trading": [topic.name for topic in TRADING_TOPICS],
    "allocations": [topic.name for topic in ALLOCATION_TOPICS],
}
TOPIC_NAMES = [name for names in BY_SYSTEM.values() for name in names]
#: Those whose records are decided about; an event has its effect whatever the rules say today.
SHADOWED = [topic.name for topic in TOPICS]


@click.command("replay")
@click.option(
    "--topic",
    "topics",
    multiple=True,
    type=click.Choice(TOPIC_NAMES),
    help="A topic to read again; may be given many times.  [default: all that workers read]",
)
@click.option("--to-earliest", is_flag=True, help="From the beginning of the log.")
@click.option("--to-offset", type=click.IntRange(0), help="From this offset of every partition.")
@click.option("--to-datetime", metavar="ISO", help="From the first record of this time on (ISO 8601, else UTC).")
@click.option("--by-duration", metavar="SPAN", help="From so long ago on, such as 2h, 90m or 1d12h.")
@click.option("--partitions", metavar="0,3-5", help="Only these partitions.  [default: all]")
@click.option("--shadow", is_flag=True, help="Move nothing: decide again, and show what would differ from the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@asynchronous
async def replay_command(topics: tuple[str, ...], shadow: bool, yes: bool, as_json: bool, **options: Any) -> int:
    """Reset the offsets of the workers' group to an earlier place, so that the next worker reads from there again.

    The same records make no effect twice: the databases decide, and what the workers' tables know of these partitions
    is void, as it may be ahead of databases restored from a backup. All workers must be stopped first. Exit status 0:
    done, or with --shadow no difference; 1: refused, or differences; 2: wrong usage.
    """
    target, partitions = _target(options), _partitions(options["partitions"])
    if shadow and (others := set(topics) - set(SHADOWED)):
        raise click.UsageError(f"--shadow decides again, and nothing is decided about {', '.join(sorted(others))}")
    if as_json and not (yes or shadow):
        raise click.UsageError("--json asks nothing: add --yes")
    settings = load_settings()
    group = ConsumerGroup(settings)
    if not shadow:
        _refuse_while_active(await group.members(), settings)
    try:
        read = [name for system in settings.systems for name in BY_SYSTEM[system]]
        names = topics or (SHADOWED if shadow else read)
        moves = plan(await group.places(names, partitions, target.time), target)
    except ReplayError as error:
        raise StartError(str(error)) from None
    if shadow:
        return await _shadow(settings, moves, as_json)
    return await _replay(settings, group, moves, yes, as_json)


async def _replay(settings: Settings, group: ConsumerGroup, moves: list[Move], yes: bool, as_json: bool) -> int:
    backward = [move for move in moves if move.records]
    if not as_json:
        _show(moves)
    if not yes:
        click.confirm("Move the group?", abort=True, err=True)
    await _open_fences(settings)
    if backward:
        # First: a table that is void for nothing costs time, one that knows what the databases do not would drop work.
        decided = {move.partition for move in backward if move.topic in SHADOWED}
        await _forget_versions(settings, sorted(decided))
        await group.move(backward)
    if as_json:
        print_json([_row(move) for move in moves])
    else:
        _say("done; start the workers" if backward else "nothing to move")
    return 0


async def _open_fences(settings: Settings) -> None:
    """Make the claims of all workers so far void, so that even a group made anew, with low generations, may begin."""
    async with Databases(settings) as databases:
        await _open_each(settings, databases, databases.regions.names)
    if "allocations" in settings.systems:
        async with domain_databases(settings) as domains:
            await _open_each(settings, domains, STEP_DOMAINS)


async def _open_each(settings: Settings, databases: Databases, names: Sequence[str]) -> None:
    for name in names:
        try:
            async with databases.transaction(name) as connection:
                await advance(connection, name, settings.app_id)
        except Exception as error:
            if not is_outage(error):
                raise
            _say(f"{name} does not answer: its fences stay. Workers of this group will pass them, unless the group")
            _say("was made anew; then run the command again when it is back.")


async def _forget_versions(settings: Settings, partitions: Sequence[int]) -> None:
    """Make the tables void for the partitions, so that the databases decide everything anew."""
    for table in TABLES if partitions else ():
        await make_void(settings.broker_url, changelog_topic(settings.app_id, table).name, partitions)


async def _shadow(settings: Settings, moves: Sequence[Move], as_json: bool) -> int:
    with progress("reading") as advance:
        comparison = await shadow_moves(settings, moves, advance)
    if as_json:
        print_json(comparison.as_dict())
    else:
        print_comparison(comparison)
    return 1 if comparison.differences else 0


def _target(options: dict[str, Any]) -> Target:
    names = ("to_earliest", "to_offset", "to_datetime", "by_duration")
    # Offset 0 is given, too.
    given = [name for name in names if options[name] is not None and options[name] is not False]
    if len(given) != 1:
        raise click.UsageError("give one of --to-earliest, --to-offset, --to-datetime and --by-duration")
    try:
        if options["to_datetime"] is not None:
            return Target(time=moment(options["to_datetime"]))
        if options["by_duration"] is not None:
            return Target(time=datetime.now(UTC) - duration(options["by_duration"]))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return Target(offset=options["to_offset"])


def _partitions(text: str | None) -> frozenset[int] | None:
    try:
        return None if text is None else partition_numbers(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _refuse_while_active(members: list[Member], settings: Settings) -> None:
    if members:
        where = ", ".join(sorted({f"{member.client} on {member.host.lstrip('/')}" for member in members}))
        raise StartError(
            f"the group {settings.app_id} is active: {len(members)} members ({where}). Stop all workers first; one "
            f"that was killed, or that keeps its place by name, leaves after {settings.session_timeout:.0f} s"
        )


def _row(move: Move) -> dict[str, Any]:
    return {
        "topic": move.topic,
        "partition": move.partition,
        "from": move.current,
        "to": move.to,
        "records": move.records,
    }


def _show(moves: Sequence[Move]) -> None:
    rows = [list(_row(move).values()) for move in moves if move.records]
    if rows:
        print_table("Replay", ("topic", "partition", "from", "to", "records"), rows)
    records = sum(move.records for move in moves)
    _say(f"{records} offsets of {len(rows)} partitions are read again; {len(moves) - len(rows)} partitions stay")


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


COMMANDS: list[click.Command] = [replay_command]
