"""Deciding recorded steps again, with the rules and workflows as they are now, from the state as it was. Pure.

What a step was decided from is rebuilt from the log. Where a moment is not known to the second (which version of an
account, which fresh signal was read), every state is tried that may have been read: a step differs only when none of
them leads to what is recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from streams_app.systems.requests.instructions import following
from streams_app.systems.requests.model import Account, Context, Head, Signal, Status, Trade, Transition
from streams_app.systems.requests.recorded import Recorded, Timeline
from streams_app.systems.requests.rules import changed_by, decide
from streams_app.systems.requests.workflow import WorkflowBook

# Clocks differ, and between reading a state and writing the event lies a batch.
_MARGIN: Final = timedelta(seconds=5)
# What of an event's metadata is effect or reason, and must come out the same.
_COMPARED: Final = ("outcome", "reason", "changed", "trades")
_NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """A step that would now be another one: what is recorded as event `seq_num`, and what would be decided."""

    request_id: UUID
    locality: int
    seq_num: int
    step: str
    recorded: str
    decided: str


@dataclass(frozen=True, slots=True)
class Redecided:
    """The outcome for one request. `not_comparable` steps come out differently from inputs that are not sure."""

    same: int
    not_comparable: int
    differences: tuple[Difference, ...]


def redecide(recorded: Recorded, book: WorkflowBook, seen: int | None) -> Redecided:
    """Decide every step of a request again. `seen` is the highest seq_num whose record has been processed (0: the
    request's own), None when none was: the step after it must be recorded, unless it waits."""
    same, not_comparable, differences = 0, 0, []
    for seq, event in enumerate(recorded.events):
        decided = [_decided(context, book, event.event_ts) for context in _states(recorded, seq)]
        if _facts(event) in decided:
            same += 1
        elif _sure(recorded, event):
            differences.append(_difference(recorded, book, seq, _text(_facts(event), book), _text(decided[0], book)))
        else:
            not_comparable += 1
    missing = _missing(recorded, book, seen)
    return Redecided(same, not_comparable, (*differences, missing) if missing is not None else tuple(differences))


Facts = tuple[Any, ...] | str


def _decided(context: Context, book: WorkflowBook, now: datetime) -> Facts:
    try:
        decision = decide(context, book, now)
    except Exception as error:
        # A rule that fails is an outcome too: the record would become a dead letter.
        return f"fails: {type(error).__name__}: {error}"
    return _NOTHING if decision is None else _facts(decision.transition)


def _facts(step: Transition) -> Facts:
    return step.link_id, step.status, *(step.metadata.get(name) for name in _COMPARED)


def _states(recorded: Recorded, seq: int) -> Iterator[Context]:
    """The states that event number `seq` + 1 may have been decided from, the likeliest first."""
    event, before = recorded.events[seq], recorded.events[:seq]
    head = None
    if before:
        last = before[-1]
        head = Head(last.link_id, last.status, seq, last.event_ts)
    reason = event.metadata.get("reason")
    plain = Context(
        request=replace(recorded.request, status=head.status if head is not None else Status.PENDING),
        head=head,
        changed=changed_by(before),
        links=recorded.links,
        trades=_trades(recorded, before),
        # Other requests and positions have moved on; the recorded reason says what was found.
        other_open_requests=int(reason == "open_requests"),
        open_positions=int(reason == "open_positions"),
    )
    for accounts in _accounts(recorded, event):
        for signals in _signals(recorded, seq):
            yield replace(plain, accounts=accounts, signals=signals)


def _signals(recorded: Recorded, seq: int) -> Iterator[tuple[Signal, ...]]:
    """The signals that may have been read: the event's own, and those that came well before, or just before it."""
    event, applied = recorded.events[seq], {e.idempotency_key for e in recorded.events[:seq]}
    waiting = [s for s in recorded.signals if f"signal-{s.signal_id}" not in applied]
    limit = recorded.events[seq - 1].event_ts if seq else event.event_ts
    known = [s for s in waiting if _caused(event, s) or s.created_ts < limit - _MARGIN]
    fresh = [s for s in waiting if s not in known and s.created_ts <= event.event_ts + _MARGIN]
    yield tuple(known)
    if fresh:
        yield tuple(s for s in waiting if s in known or s in fresh)


def _caused(event: Transition, signal: Signal) -> bool:
    return event.idempotency_key == f"signal-{signal.signal_id}"


def _accounts(recorded: Recorded, event: Transition) -> Iterator[dict[UUID, Account]]:
    """The accounts as they may have been read when the event was decided."""
    lines = _own_timelines(recorded)
    primary, version = recorded.request.primary_account_id, event.metadata.get("account_version")
    for moment in _moments(lines.values(), event.event_ts):
        accounts = {account_id: line.at(moment) for account_id, line in lines.items()}
        exact = lines[primary].version(version - 1) if version is not None and primary in lines else None
        yield accounts if exact is None else {**accounts, primary: exact}
    # An account that was missing then may be there now.
    if event.metadata.get("reason") == "account_unknown":
        yield {}
    if event.metadata.get("reason") == "linked_account_unknown" and primary in lines:
        yield {primary: lines[primary].at(event.event_ts)}


def _moments(lines: Any, when: datetime) -> Iterator[datetime]:
    yield when
    near = {since for line in lines for since, _ in line.states if since is not None and abs(since - when) <= _MARGIN}
    for since in sorted(near):
        yield since - timedelta(microseconds=1)
        yield since


def _own_timelines(recorded: Recorded) -> dict[UUID, Timeline]:
    wanted = {recorded.request.primary_account_id, *(link.account_id for link in recorded.links)}
    lines = recorded.accounts or {}
    return {account_id: lines[account_id] for account_id in wanted if account_id in lines}


def _sure(recorded: Recorded, event: Transition) -> bool:
    """Whether what the event was decided from is known: its accounts' history reaches back to it."""
    lines = _own_timelines(recorded)
    primary, version = recorded.request.primary_account_id, event.metadata.get("account_version")
    exact = version is not None and primary in lines and lines[primary].version(version - 1) is not None
    return all(line.sure or (exact and account_id == primary) for account_id, line in lines.items())


def _trades(recorded: Recorded, before: tuple[Transition, ...]) -> tuple[Trade, ...]:
    """The request's trades as they were after the events `before`."""
    # Either the request came with trades, or it made them at a step of its own.
    unmade = not _made_trades(before) and _made_trades(recorded.events)
    then = tuple(
        replace(trade, status=Status.PENDING) if trade.trade_id in recorded.moved_trades else trade
        for trade in (() if unmade else recorded.trades)
    )
    for event in before:
        if event.metadata.get("outcome") == "confirmed":
            then = following(then, Status.COMPLETE)
        elif event.status in (Status.FAILED, Status.CANCELLED):
            then = following(then, Status.CANCELLED)
    return then


def _made_trades(events: tuple[Transition, ...]) -> bool:
    return any(event.metadata.get("outcome") == "generated" for event in events)


def _missing(recorded: Recorded, book: WorkflowBook, seen: int | None) -> Difference | None:
    """The automatic step that should be recorded after the last event, because that event's record was processed."""
    events = recorded.events
    if seen is None or seen < len(events):
        return None
    now, head = recorded.request.created_ts, None
    if events:
        entry = book.by_link.get(events[-1].link_id)
        if entry is None or entry[1].run is None:
            return None
        now, head = events[-1].event_ts, Head(events[-1].link_id, events[-1].status, len(events), events[-1].event_ts)
    accounts = {account_id: line.states[-1][1] for account_id, line in _own_timelines(recorded).items()}
    state = Context(recorded.request, head, accounts=accounts, links=recorded.links, trades=recorded.trades)
    return _difference(recorded, book, len(events), _NOTHING, _text(_decided(state, book, now), book))


def _difference(recorded: Recorded, book: WorkflowBook, seq: int, was: str, decided: str) -> Difference:
    request = recorded.request
    entry = book.by_link.get(recorded.events[seq - 1].link_id) if seq else None
    step = "first event" if seq == 0 else "unknown link" if entry is None else entry[1].name
    return Difference(request.request_id, request.locality, seq + 1, step, was, decided)


def _text(facts: Facts, book: WorkflowBook) -> str:
    if isinstance(facts, str):
        return facts
    link_id, status, outcome, reason, changed, trades = facts
    entry = book.by_link.get(link_id)
    words = [entry[1].name if entry is not None else f"link {link_id}", Status(status).name]
    words += [str(word) for word in (outcome, reason) if word is not None]
    words += [f"changes {changed}"] if changed else []
    words += [f"{trades} trades"] if trades is not None else []
    return ", ".join(words)
