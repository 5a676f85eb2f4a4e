"""Sample data: accounts, and requests in every state, each with a history that the rules themselves have made.

The requests of the generator are played through the workflows in memory, against accounts in memory, by `decide` and
by the answers of the outside world. Only the times are invented.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from streams_app.databases import Regions
from streams_app.systems.requests.generate.answers import Shares, answer, signal_for
from streams_app.systems.requests.generate.details import position_changes
from streams_app.systems.requests.generate.generator import Blueprint, Generator, Plan
from streams_app.systems.requests.generate.histories import History, request_of
from streams_app.systems.requests.instructions import following
from streams_app.systems.requests.model import (
    Account,
    Context,
    Decision,
    Head,
    RequestType,
    Signal,
    SignalKind,
    Status,
    Trade,
    Transition,
)
from streams_app.systems.requests.rules import changed_by, decide
from streams_app.systems.requests.workflow import Node, WorkflowBook

SEED = "sample"
_SHARES = Shares(reject=0.08, cancel=0.01, silent=0.25)
_LEFT_OPEN = 0.8  # of the unanswered requests; the others timed out
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST_AGO = timedelta(days=30)


class SampleError(ValueError):
    """The numbers asked for do not fit together; the message says which would."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What to write: accounts in their present state, and the histories of requests."""

    accounts: list[Account]
    histories: list[History]


def sample(book: WorkflowBook, regions: Regions, *, accounts: int, requests: int, trades: int, now: datetime) -> Sample:
    """So many accounts, requests and trades; only the times depend on `now`. Raises SampleError."""
    size = max(50, accounts // (10 * len(regions.names)))
    generator = Generator(Blueprint(SEED, accounts=size, trades=False), regions)
    plans = list(generator.plans(regions.names, requests))
    stage = _Stage(book)
    made = [stage.play(plan) for plan in plans if plan.type is RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT]
    others = [plan for plan in plans if plan.type is not RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT]
    # Rebalances make the trades they need; the changes of profiles carry the rest.
    left = trades - sum(len(history.trades) for history in made)
    histories = made + [stage.play(plan) for plan in _with_trades(others, left, trades)]
    known = _filled_up(stage.accounts, generator, regions, accounts)
    return Sample(known, [_dated(history, book, now) for history in histories])


def _with_trades(plans: Sequence[Plan], left: int, asked: int) -> list[Plan]:
    carriers = [p.index for p in plans if p.type is RequestType.ACCOUNT_PROFILE_UPDATE and p.accounts]
    if left < 0:
        raise SampleError(f"these requests make at least {asked - left} trades")
    if left > 0 and not carriers:
        raise SampleError(f"these requests make at most {asked - left} trades")
    each, over = divmod(left, len(carriers)) if carriers else (0, 0)
    sizes = {index: each + (place < over) for place, index in enumerate(carriers)}
    return [replace(p, trades=_trades(p, sizes[p.index])) if p.index in sizes else p for p in plans]


def _trades(plan: Plan, size: int) -> tuple[Trade, ...]:
    rng = Random(f"{SEED}:trades:{plan.index}")  # noqa: S311 (repeatable on purpose)
    return position_changes(plan.request_id, plan.accounts[0], size, rng)


def _filled_up(used: dict[UUID, Account], generator: Generator, regions: Regions, total: int) -> list[Account]:
    """The used accounts, and as many unused ones as are missing to `total`."""
    if len(used) > total:
        raise SampleError(f"these requests need at least {len(used)} accounts")
    accounts, number = dict(used), 0
    while len(accounts) < total:
        region = regions.names[number % len(regions.names)]
        account = generator.accounts.open(region, number // len(regions.names))
        accounts.setdefault(account.account_id, account)
        number += 1
    return list(accounts.values())


class _Stage:
    """Accounts in memory, on which requests are played one after the other."""

    def __init__(self, book: WorkflowBook) -> None:
        self.accounts: dict[UUID, Account] = {}
        self._book = book
        self._open_requests: Counter[UUID] = Counter()
        self._positions: dict[UUID, dict[str, Decimal]] = {}

    def play(self, plan: Plan) -> History:
        """Play one request, from its first event to its end or to a step that nobody answers."""
        for account in plan.accounts:
            self.accounts.setdefault(account.account_id, account)
        run = _Run(plan, self._book)
        while (decision := run.next_decision(self._context(run))) is not None:
            self._change_account(decision)
            run.apply(decision)
        self._remember(run)
        return run.history()

    def _context(self, run: _Run) -> Context:
        plan = run.plan
        wanted = [plan.primary_account_id, *(link.account_id for link in plan.links)]
        positions = self._positions.get(plan.primary_account_id, {})
        return Context(
            request=request_of(plan, _BEGINNING),
            head=run.head,
            changed=run.changed,
            accounts={i: self.accounts[i] for i in wanted if i in self.accounts},
            links=plan.links,
            trades=run.trades,
            other_open_requests=self._open_requests[plan.primary_account_id],
            open_positions=sum(1 for quantity in positions.values() if quantity),
        )

    def _change_account(self, decision: Decision) -> None:
        change = decision.account_change
        if change is None:
            return
        account = self.accounts[change.account_id]
        values: dict[str, Any] = {"status" if k == "account_status" else k: v for k, v in change.values.items()}
        values["permissions"] = frozenset(values.get("permissions", account.permissions))
        self.accounts[change.account_id] = replace(account, **values, version=account.version + 1)

    def _remember(self, run: _Run) -> None:
        if run.head is not None and run.head.status.is_open:
            self._open_requests.update({run.plan.primary_account_id, *(link.account_id for link in run.plan.links)})
        for trade in run.trades:
            if trade.status is Status.COMPLETE:
                held = self._positions.setdefault(trade.account_id, {})
                signed = trade.quantity if trade.side == "BUY" else -trade.quantity
                held[trade.symbol] = held.get(trade.symbol, Decimal(0)) + signed


class _Run:
    """One request being played."""

    def __init__(self, plan: Plan, book: WorkflowBook) -> None:
        self.plan = plan
        self.head: Head | None = None
        self.trades = plan.trades
        self._book = book
        self._rng = Random(f"{SEED}:run:{plan.index}")  # noqa: S311 (repeatable on purpose)
        self._now = _BEGINNING
        self._events: list[Transition] = []
        self._signals: list[Signal] = []

    def next_decision(self, context: Context) -> Decision | None:
        """The next step: by rule, by what the outside world says, or by the clock. None when nothing comes."""
        if self.head is None:
            return decide(context, self._book, self._now)
        workflow, node = self._book.by_link[self.head.link_id]
        if node.is_terminal:
            return None
        kind = answer(SEED, self.plan.request_id, workflow, node, _SHARES)
        if kind is not None:
            return decide(replace(context, signals=(self._said(kind, node),)), self._book, self._now)
        if node.waits:
            if self._rng.random() < _LEFT_OPEN:
                return None
            self._now = self.head.event_ts + timedelta(seconds=node.deadline)
        return decide(context, self._book, self._now)

    def _said(self, kind: SignalKind, node: Node) -> Signal:
        if node.waits:
            self._now += timedelta(seconds=node.deadline * self._rng.uniform(0.01, 0.5))
        out = signal_for(self.plan.request_id, self.plan.locality, kind)
        signal = Signal(out.signal_id, out.kind, out.actor, self._now, out.payload)
        self._signals.append(signal)
        return signal

    def apply(self, decision: Decision) -> None:
        step = decision.transition
        self._events.append(step)
        self.head = Head(step.link_id, step.status, step.expected_seq + 1, step.event_ts)
        status = decision.trades_status
        if status is not None:
            self.trades = following(self.trades, status)
        self.trades += decision.new_trades
        self._now += timedelta(seconds=self._rng.uniform(0.5, 3.0))

    @property
    def changed(self) -> dict[str, tuple[Any, Any]]:
        """What the request has changed of its account so far."""
        return changed_by(self._events)

    def history(self) -> History:
        return History(self.plan, _BEGINNING, tuple(self._events), self.trades, tuple(self._signals))


def _dated(history: History, book: WorkflowBook, now: datetime) -> History:
    """The same history, moved in time so that its last step lies before `now`, and within its deadline when open."""
    rng = Random(f"{SEED}:age:{history.plan.index}")  # noqa: S311 (repeatable on purpose)
    last = history.events[-1]
    deadline = timedelta(seconds=book.by_link[last.link_id][1].deadline)
    ago = rng.random() * (deadline / 2 if last.status.is_open else _LONGEST_AGO)
    moved = now - ago - last.event_ts
    return History(
        history.plan,
        history.created_ts + moved,
        tuple(replace(step, event_ts=step.event_ts + moved) for step in history.events),
        history.trades,
        tuple(replace(signal, created_ts=signal.created_ts + moved) for signal in history.signals),
    )


def outcomes(histories: Iterable[History]) -> dict[str, int]:
    """How many requests stand at each status."""
    return dict(Counter(history.events[-1].status.name for history in histories))
