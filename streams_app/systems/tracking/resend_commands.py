"""`tracking retry`, `reprocess` and `replay`: events are tried, or sent, again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import click

from streams_app.commands.console import asynchronous, json_option, print_json, print_rows, progress, say
from streams_app.commands.opening import Moment, opened
from streams_app.databases import Databases
from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.tracking.command_options import (
    BEGINNING,
    service_option,
    side_option,
    since_option,
    topic_option,
)
from streams_app.systems.tracking.model import ConsumptionStatus
from streams_app.systems.tracking.ports import EventSender
from streams_app.systems.tracking.resending import Outcome, Selection, Span, find_spans, resend
from streams_app.systems.tracking.retries import Chosen, count_failed, retry_failed
from streams_app.systems.tracking.summaries import Side

SenderFactory: TypeAlias = Callable[[Settings], AbstractAsyncContextManager[EventSender]]
#: What opens the way to the topics; the composition root sets it.
sender_factory: SenderFactory | None = None

MOST_HOURS: Final = 24 * 400
_dry_option = click.option("--dry-run", is_flag=True, help="Only tell how many events it would be.")
_yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
NO_NEW_EFFECT = "what a consumer has processed it recognises by its id: no new effect"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a command goes about it."""

    dry_run: bool
    yes: bool
    as_json: bool

    def __post_init__(self) -> None:
        if self.as_json and not (self.yes or self.dry_run):
            raise click.UsageError("--json asks nothing: add --yes or --dry-run")


@click.command("retry")
@click.argument("event_ids", metavar="[EVENT_ID]...", nargs=-1)
@side_option
@topic_option
@service_option
@since_option
@click.option("--all", "everything", is_flag=True, help="All events that were given up.")
@_dry_option
@_yes_option
@json_option
@asynchronous
async def retry_command(
    event_ids: tuple[str, ...],
    side: str | None,
    topic: str | None,
    service: str | None,
    since: datetime | None,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Try FAILED events again, all that are named or that all options fit.

    Those on their way out become PENDING, with all their tries. Those on their way in are sent to their topic
    again. They come after the events of their key that went past them. Exit status 1: the broker refused some.
    """
    if not (event_ids or topic or service or since or everything):
        raise click.UsageError("say which: EVENT_IDs, --topic, --service, --since, or --all")
    manner = Manner(dry_run, yes, as_json)
    ids, start, now = event_ids or None, since or BEGINNING, datetime.now(UTC)
    chosen = Chosen(now, start, ids, topic, service)
    selection = Selection(now, start, topic, service=service, status=ConsumptionStatus.FAILED.value, event_ids=ids)
    async with opened("app") as (settings, databases):
        out = await count_failed(databases, chosen) if side != Side.CONSUMED else {}
        spans = await _find(databases, selection) if side != Side.PRODUCED else []
        counts = {"produced": sum(out.values()), "consumed": sum(span.events for span in spans)}
        text = f"{counts['produced']:,} events to publish again, {counts['consumed']:,} to send to their topics again"
        if not _goes_on(manner, counts, text):
            return 0
        retried = await _retry(databases, chosen, counts["produced"]) if counts["produced"] else {}
        outcome = await _resend(settings, databases, selection, spans, None) if spans else Outcome()
    if manner.as_json:
        print_json({"pending_again": retried, **_as_dict(outcome)})
    else:
        for region, count in ((name, found) for name, found in retried.items() if found):
            say(f"{region}: {count:,} events are PENDING again; a relay publishes them")
        _say_outcome(outcome, bool(spans))
    return 1 if outcome.refused else 0


@click.command("reprocess")
@click.argument("event_ids", metavar="[EVENT_ID]...", nargs=-1)
@topic_option
@click.option("--group", help="Only events that this consumer group received.")
@click.option(
    "--status",
    type=click.Choice([status.value for status in ConsumptionStatus], case_sensitive=False),
    help="Only events in this state.",
)
@click.option("--from", "since", type=Moment(), help="Received since then.  [default: a day ago; with EVENT_IDs: ever]")
@click.option("--to", "until", type=Moment(), help="Received before then.  [default: now]")
@_dry_option
@_yes_option
@json_option
@asynchronous
async def reprocess_command(
    event_ids: tuple[str, ...],
    topic: str | None,
    group: str | None,
    status: str | None,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Send events of the consumption log to their topic again: they take the normal path.

    What a consumer has PROCESSED it recognises by the event's id: it has no new effect. Exit status 1: the broker
    refused some.
    """
    if not (event_ids or topic or group or status):
        raise click.UsageError("say which: EVENT_IDs, --topic, --group or --status")
    now = datetime.now(UTC)
    start = since or (BEGINNING if event_ids else now - timedelta(days=1))
    selection = Selection(until or now, start, topic, group, status=status, event_ids=event_ids or None)
    return await _send_again(selection, None, Manner(dry_run, yes, as_json))


@click.command("replay")
@click.option("--topic", required=True, help="The topic that the events were received from.")
@click.option("--from", "since", type=Moment(), required=True, help="Received since then: ISO 8601, or a span (2h).")
@click.option("--to", "until", type=Moment(), required=True, help="Received before then.")
@click.option("--into", help="The topic to send them to.  [default: their own]")
@click.option("--group", help="Only events that this consumer group received.")
@_dry_option
@_yes_option
@json_option
@asynchronous
async def replay_command(
    topic: str,
    since: datetime,
    until: datetime,
    into: str | None,
    group: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Send the events of a topic that were received in a time again, in the order of their partitions.

    They keep their key and their id, so what a consumer has processed has no new effect; a consumer that is new, or
    reads another topic (--into), processes all. The header replayed_from says where an event was. Exit status 1: the
    broker refused some.
    """
    if until <= since:
        raise click.UsageError("--to is not after --from")
    return await _send_again(Selection(until, since, topic, group), into, Manner(dry_run, yes, as_json))


async def _send_again(selection: Selection, into: str | None, manner: Manner) -> int:
    async with opened("readonly") as (settings, databases):
        spans = await _find(databases, selection)
        events = sum(span.events for span in spans)
        if not manner.as_json:
            _print_spans(spans)
        text = f"{events:,} events to send to {into or 'their topics'} again; {NO_NEW_EFFECT}"
        if not _goes_on(manner, {"events": events}, text):
            return 0
        outcome = await _resend(settings, databases, selection, spans, into)
    if manner.as_json:
        print_json(_as_dict(outcome))
    else:
        _say_outcome(outcome, True)
    return 1 if outcome.refused else 0


async def _find(databases: Databases, selection: Selection) -> list[Span]:
    if len(selection.slices()) > MOST_HOURS:
        raise click.UsageError(f"that is more than {MOST_HOURS // 24} days: --from is too long ago, the logs keep less")
    with progress("looking") as advance:
        return await find_spans(databases, selection, advance)


def _goes_on(manner: Manner, counts: dict[str, int], text: str) -> bool:
    """Whether there is something to do, and it is wanted; tells when not. Raises click.Abort."""
    if manner.dry_run or not any(counts.values()):
        if manner.as_json:
            print_json({"dry_run": manner.dry_run, **counts})
        else:
            say(text if manner.dry_run else "no such events")
        return False
    if not manner.yes:
        say(text)
        click.confirm("Go on?", abort=True, err=True)
    return True


async def _retry(databases: Databases, chosen: Chosen, count: int) -> dict[str, int]:
    with progress("retrying") as advance:
        return await retry_failed(databases, chosen, lambda done: advance(done, count))


async def _resend(
    settings: Settings, databases: Databases, selection: Selection, spans: list[Span], into: str | None
) -> Outcome:
    if sender_factory is None:
        raise StartError("nothing that sends to topics is set up: run the command as `faust -A streams_app tracking …`")
    count = sum(span.events for span in spans)
    async with sender_factory(settings) as sender:
        with progress("sending") as advance:
            return await resend(databases, sender, selection, spans, into, lambda done: advance(done, count))


def _print_spans(spans: list[Span]) -> None:
    rows = [(s.topic, s.partition, s.first, s.last, f"{s.events:,}", s.region) for s in spans]
    print_rows("Events", ("topic", "partition", "first offset", "last offset", "events", "region"), rows)


def _as_dict(outcome: Outcome) -> dict[str, Any]:
    return {"sent": outcome.sent, "refused": dict(outcome.refused), "stopped_at": outcome.stopped_at}


def _say_outcome(outcome: Outcome, any_sent: bool) -> None:
    if any_sent:
        say(f"{outcome.sent:,} events sent; {NO_NEW_EFFECT}")
    for reason, count in outcome.refused.items():
        say(f"{count:,} refused: {reason}")
    if outcome.stopped_at is not None:
        say(f"stopped at {outcome.stopped_at}: run the command again; what was sent has no effect twice")


COMMANDS: list[click.Command] = [retry_command, reprocess_command, replay_command]
