"""From changes to committed steps: load, decide, apply, region by region; refused decisions are made again."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence, Set
from datetime import UTC, datetime
from uuid import UUID

from streams_app import metrics
from streams_app.databases import Regions
from streams_app.delivery.retry import until_done
from streams_app.errors import RegionUnavailableError
from streams_app.systems.requests.model import Context, Decision, SignalKind
from streams_app.systems.requests.rules import UnknownRequestTypeError, decide
from streams_app.systems.requests.store import RequestKey, Store
from streams_app.systems.requests.workflow import WorkflowBook

SYSTEM = "requests"

# A request is refused again only while somebody else moves it or its account; each round one of them succeeds.
MAX_ROUNDS = 100
# Seconds that a batch may fail by conflicts and time-outs of its own, before its requests are tried apart.
RETRY_BUDGET = 60.0
# Requests per region that are remembered while another region is down.
MOST_POSTPONED = 100_000


class TooManyRoundsError(RuntimeError):
    """Decisions were refused again and again: something changes the same rows without end."""


class Orchestrator:
    """Moves requests by one step each. Safe to call any number of times, from any number of workers."""

    def __init__(
        self,
        store: Store,
        regions: Regions,
        book: WorkflowBook,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._regions = regions
        self._book = book
        self._clock = clock
        #: By region, requests that could not be decided because another region was down, oldest first.
        self.postponed: dict[str, dict[RequestKey, None]] = defaultdict(dict)

    async def advance(self, keys: Iterable[RequestKey]) -> dict[UUID, Context | None]:
        """Give each request its next step, whatever its region; regions work side by side.

        Returns and raises what `advance_region` does; raises after the other regions are done.
        """
        by_region: dict[str, list[RequestKey]] = defaultdict(list)
        for key in keys:
            by_region[self._regions.of(key.locality)].append(key)
        parts = await asyncio.gather(
            *(self.advance_region(region, region_keys) for region, region_keys in by_region.items()),
            return_exceptions=True,
        )
        found: dict[UUID, Context | None] = {}
        for part in parts:
            if isinstance(part, BaseException):
                raise part
            found.update(part)
        return found

    async def advance_region(self, region: str, keys: Iterable[RequestKey]) -> dict[UUID, Context | None]:
        """Give each request of one region its next step, if there is one, and commit it.

        Returns what each request was before its step; None for one that is not there. Raises RegionUnavailableError
        when the region is down, RetriesExhaustedError, else only what is permanent.
        """
        pending = list(dict.fromkeys(keys))
        found: dict[UUID, Context | None] = {key.request_id: None for key in pending}
        for _ in range(MAX_ROUNDS):
            pending = await until_done(
                lambda: self._round(region, pending, found),  # noqa: B023 (awaited within the iteration)
                what=f"requests in {region}",
                on_retry=lambda failure: metrics.RETRIES.labels(region, failure).inc(),
                give_up_on=RegionUnavailableError,
                budget=RETRY_BUDGET,
            )
            if not pending:
                return found
        raise TooManyRoundsError(f"{len(pending)} requests in {region} are still refused after {MAX_ROUNDS} rounds")

    async def _round(
        self, region: str, keys: Sequence[RequestKey], found: dict[UUID, Context | None]
    ) -> list[RequestKey]:
        """One attempt at the next step of each key; returns the keys that must be loaded and decided again."""
        with metrics.stage(SYSTEM, "load"):
            contexts = await self._load(region, keys, found)
        with metrics.stage(SYSTEM, "decide"):
            now, decisions = self._clock(), []
            for context in contexts:
                decision = self._decide(context, now)
                if decision is not None:
                    decisions.append(decision)
            chosen, later = one_change_per_account(decisions)
        with metrics.stage(SYSTEM, "apply"):
            made = await self._store.apply(region, chosen)
        refused = [d for d in chosen if d.transition.request_id not in made]
        metrics.REFUSED.labels(SYSTEM, region).inc(len(refused))
        self._count(region, [d for d in chosen if d.transition.request_id in made])
        return [RequestKey(d.transition.locality, d.transition.request_id) for d in (*refused, *later)]

    async def _load(self, region: str, keys: Sequence[RequestKey], found: dict[UUID, Context | None]) -> list[Context]:
        """The contexts of requests that can be decided now; notes all that are there in `found`."""
        briefs = await self._store.load(region, keys)
        found.update({brief.request.request_id: brief for brief in briefs})
        acting = [c for c in briefs if self._acts(c)]
        waiting = [c for c in briefs if not self._acts(c)]
        complete = await self._store.complete(region, acting)
        stood_back: Set[UUID] = frozenset()
        if len(complete) < len(acting):
            stood_back = {c.request.request_id for c in acting} - {c.request.request_id for c in complete}
        self._postpone(region, keys, stood_back)
        return waiting + complete

    def _postpone(self, region: str, keys: Sequence[RequestKey], stood_back: Set[UUID]) -> None:
        """Remember those of `keys` that need an account of another region that is down; forget the others."""
        postponed = self.postponed[region]
        metrics.POSTPONED.labels(SYSTEM, region).inc(len(stood_back))
        if not stood_back and not postponed:
            return
        for key in keys:
            if key.request_id not in stood_back:
                postponed.pop(key, None)
            # What finds no room, and what a worker that dies has remembered, waits for its deadline.
            elif len(postponed) < MOST_POSTPONED:
                postponed[key] = None

    def _acts(self, context: Context) -> bool:
        """Whether an automatic step or a cancellation is next: only then do accounts, links and trades matter."""
        if any(signal.kind is SignalKind.CANCEL for signal in context.signals):
            return True
        entry = self._book.by_link.get(context.head.link_id) if context.head is not None else None
        return entry is not None and entry[1].run is not None

    def _decide(self, context: Context, now: datetime) -> Decision | None:
        try:
            return decide(context, self._book, now)
        except UnknownRequestTypeError:
            # The agent rejects the change by the same rule; a sweep passes the request by.
            return None

    def knows(self, context: Context) -> bool:
        """Whether a workflow describes the request: its type, and the link its head is at."""
        workflow = self._book.by_type.get(context.request.type_id)
        if workflow is None or context.head is None:
            return workflow is not None
        entry = self._book.by_link.get(context.head.link_id)
        return entry is not None and entry[0] is workflow

    def _count(self, region: str, made: Sequence[Decision]) -> None:
        for decision in made:
            step = decision.transition
            workflow, node = self._book.by_link[step.link_id]
            metrics.TRANSITIONS.labels(SYSTEM, region, workflow.code, node.status.name).inc()
            if decision.new_trades:
                metrics.EFFECTS.labels(SYSTEM, region, "trade").inc(len(decision.new_trades))
            if decision.account_change is not None:
                metrics.EFFECTS.labels(SYSTEM, region, "account").inc()
        metrics.EFFECTS.labels(SYSTEM, region, "transition").inc(len(made))


def one_change_per_account(decisions: Sequence[Decision]) -> tuple[list[Decision], list[Decision]]:
    """Split decisions so that the first part changes each account at most once; the rest must be decided again."""
    taken: set[UUID] = set()
    chosen, later = [], []
    for decision in decisions:
        change = decision.account_change
        if change is not None and change.account_id in taken:
            later.append(decision)
            continue
        if change is not None:
            taken.add(change.account_id)
        chosen.append(decision)
    return chosen, later


def observe_end_to_end(region: str, source_time: float | None) -> None:
    """Record how long ago the source committed the change whose effect is now committed."""
    if source_time is not None:
        metrics.END_TO_END.labels(SYSTEM, region).observe(max(0.0, time.time() - source_time))
