"""What is checked in a running world: at every commit of offsets, before the first sweep, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from faust.types import TP

from streams_app.changefeed import Change
from streams_app.delivery.sequencer import sequence_number
from streams_app.systems.requests.agents import request_key
from streams_app.systems.requests.model import Head
from tests.simulation import invariants
from tests.simulation.kafka import Place

if TYPE_CHECKING:
    from tests.simulation.world import World


class Checks:
    """The eyes on one world. They look at its databases and topics, never into a worker."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._violated = world.simulation.violated
        self._processed: dict[str, int] = {}

    def processed(self, change: Change) -> None:
        """Called for every change that a handler is done with: a feed in order is processed in order."""
        version = sequence_number(change)
        place = f"{change.topic}/{change.partition}@{change.offset}"
        self._world.simulation.note("processed", f"{place}: {change.key} {version or ''}")
        key = request_key(change)
        excused = self._world.is_poisoned(key) or key in self._world.disturbed
        if version is None or excused or self._world.simulation.chances.cockroachdb:
            return
        before = self._processed.get(change.key, 0)
        if version > before + 1:
            self._violated(f"{change.key}: change {version} is processed, of the earlier ones only {before}")
        self._processed[change.key] = max(before, version)

    def commit(self, tp: TP, old: int, new: int) -> None:
        """Called for every accepted commit: nothing below it may still wait for its effect."""
        if not old <= new <= len(self._world.broker.logs[tp]):
            self._violated(f"{tp.topic}/{tp.partition}: committed {new} after {old}")
        for offset in range(old, new):
            undone = self._undone((tp, offset))
            if undone:
                self._violated(f"{tp.topic}/{tp.partition}@{offset} is committed, but {undone}")

    def _undone(self, place: Place) -> str | None:
        broker = self._world.broker
        original = broker.original.get(place, place)
        if place == original and place in broker.original.values():
            return None  # it is parked: what must hold for it must hold when its copy is committed
        if original in self._world.bad:
            return None if original in self._buried() else "it is bad and no dead letter"
        change = broker.change_of[place]
        # A step that is not made is no loss when it cannot be made, or when a sweep makes it.
        if change is None or self._world.is_poisoned(change.key) or self._is_postponed(change.key.request_id):
            return None
        head = self._world.database_of(change.key).tables.heads.get(change.key)
        if change.table != "request_signal" and head is None:
            return f"{change.key.request_id} has no first event"
        if isinstance(change.row, Head) and head is not None and head.seq_num <= change.row.seq_num:
            runs = self._world.book.by_link[change.row.link_id][1].run is not None
            disturbed = change.key in self._world.disturbed
            if runs and not disturbed and not self._is_parked(change.key.request_id, change.row.seq_num):
                return f"{change.key.request_id} is still at step {head.seq_num}"
        return None

    def _is_postponed(self, request_id: UUID) -> bool:
        return request_id in self._world.simulation.postponed

    def _is_parked(self, request_id: UUID, seq_num: int) -> bool:
        """Whether that change or a later one of the request is parked: its duplicates need nothing any more."""
        broker = self._world.broker
        parked = (broker.change_of[copy] for copy in broker.original)
        return any(
            change is not None
            and change.key.request_id == request_id
            and isinstance(change.row, Head)
            and change.row.seq_num >= seq_num
            for change in parked
        )

    def _buried(self) -> set[Place]:
        records = (letter.record for letter in self._world.broker.dead_letters)
        return {(TP(record.topic, record.partition), record.offset) for record in records}

    def nothing_waits_for_a_sweep(self) -> None:
        """Without any sweep, everything that could go on has gone on."""
        for key in self._world.open_requests():
            tables = self._world.database_of(key).tables
            head = tables.heads.get(key)
            if self._is_postponed(key.request_id):
                continue
            if head is None:
                self._violated(f"{key.request_id} was never begun")
                continue
            workflow, node = self._world.book.by_link[head.link_id]
            applied = {step.idempotency_key for step in tables.log[key]}
            waiting = [s for s in tables.signals.get(key, ()) if f"signal-{s.signal_id}" not in applied]
            heard = [signal.kind.value for signal in waiting if workflow.target(node, signal.kind.value)]
            if node.run is not None or heard:
                self._violated(f"{key.request_id} stays at {node.name}, signals {heard}")

    def end(self) -> None:
        """The invariants of databases, ends and dead letters."""
        for database in self._world.databases.values():
            tables = database.tables
            steps = [(tables.requests[key].primary_account_id, step) for key, log in tables.log.items() for step in log]
            for text in (
                *invariants.broken_histories(tables, self._world.book),
                *invariants.broken_accounts(tables.accounts, steps),
                *invariants.broken_trades(tables),
            ):
                self._violated(f"{database.region}: {text}")
        for key, wish in self._world.wishes.items():
            if not self._world.is_poisoned(key):
                tables, tight = self._world.database_of(key).tables, self._world.simulation.chances.tight
                wrong = invariants.wrong_end(wish, key, tables, self._world.book, tight=tight)
                if wrong:
                    self._violated(wrong)
        self._dead_letters()

    def _dead_letters(self) -> None:
        broker, bad = self._world.broker, self._world.bad
        for letter in broker.dead_letters:
            place = TP(letter.record.topic, letter.record.partition), letter.record.offset
            change, expected = broker.change_of[place], bad.get(place)
            if expected is None and change is not None and self._world.is_poisoned(change.key):
                expected = "processing_failed"
            if letter.reason != expected:
                self._violated(f"{place} is dead for {letter.reason}, expected {expected}: {letter.detail}")
        for place in sorted(bad.keys() - self._buried()):
            self._violated(f"{place} is bad ({bad[place]}), but no dead letter")
        self._world.simulation.note("dead_letters", count=len(broker.dead_letters))
