"""The Store port of the requests system in memory: the same answers and the same guards as the database's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from streams_app.databases import Regions, locality_of
from streams_app.systems.requests.instructions import following
from streams_app.systems.requests.model import (
    Account,
    AccountLink,
    Context,
    Decision,
    Head,
    Request,
    RequestType,
    Signal,
    Status,
    Trade,
    Transition,
)
from streams_app.systems.requests.rules import changed_by
from streams_app.systems.requests.store import RequestKey


class MemoryStore:
    """Tables as dictionaries. The caller fills them; `apply` alone changes them afterwards."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions
        self.requests: dict[RequestKey, Request] = {}
        self.heads: dict[RequestKey, Head] = {}
        self.log: dict[RequestKey, list[Transition]] = {}
        self.signals: dict[RequestKey, list[Signal]] = {}
        self.accounts: dict[UUID, Account] = {}
        self.links: dict[UUID, list[AccountLink]] = {}
        self.trades: dict[RequestKey, dict[UUID, Trade]] = {}

    async def load(self, region: str, keys: Sequence[RequestKey]) -> list[Context]:
        """Requests with head and the signals that no event has applied."""
        return [self._context(key) for key in keys if key in self.requests and self._in(region, key)]

    async def complete(self, region: str, contexts: Sequence[Context]) -> list[Context]:
        """The same contexts with links, trades, accounts, and the use of closing accounts."""
        return [self._completed(region, context) for context in contexts]

    async def apply(self, region: str, decisions: Sequence[Decision]) -> set[UUID]:
        """Make every step whose head and account are as they were read; returns the requests that moved."""
        # All guards are read before anything is written, as in one statement of the database.
        made = [d for d in decisions if self._account_is_as_read(d) and self._head_is_as_read(d)]
        for decision in made:
            self._write(decision)
        return {decision.transition.request_id for decision in made}

    async def overdue(
        self, region: str, before: dict[int, datetime], headless_before: datetime, limit: int
    ) -> list[RequestKey]:
        """Incomplete requests past the time of their link, oldest first in each link; then old ones without a head."""
        late: list[RequestKey] = []
        for link_id, time in before.items():
            of_link = [
                (head.event_ts, key)
                for key, head in self.heads.items()
                if self._in(region, key) and head.link_id == link_id and head.event_ts < time and head.status.is_open
            ]
            late += [key for _, key in sorted(of_link, key=lambda item: item[0])[:limit]]
        headless = [
            key
            for key, request in self.requests.items()
            if self._in(region, key)
            and key not in self.heads
            and request.status is Status.PENDING
            and request.created_ts < headless_before
        ]
        return late + headless[:limit]

    async def unheard(
        self, region: str, heard: Sequence[tuple[int, str]], before: datetime, limit: int
    ) -> list[RequestKey]:
        """Waiting requests with an old signal that no event has applied, though their link hears it."""
        found = [
            key
            for key, head in self.heads.items()
            if self._in(region, key)
            and head.status.is_open
            and any(
                (head.link_id, signal.kind.value) in heard and signal.created_ts < before
                for signal in self._context(key).signals
            )
        ]
        return found[:limit]

    def _in(self, region: str, key: RequestKey) -> bool:
        return self._regions.of(key.locality) == region

    def _context(self, key: RequestKey) -> Context:
        applied = {step.idempotency_key for step in self.log.get(key, [])}
        waiting = [s for s in self.signals.get(key, []) if f"signal-{s.signal_id}" not in applied]
        waiting.sort(key=lambda signal: (signal.created_ts, signal.signal_id))
        return Context(self.requests[key], self.heads.get(key), tuple(waiting), changed_by(self.log.get(key, [])))

    def _completed(self, region: str, context: Context) -> Context:
        request = context.request
        links = tuple(self.links.get(request.request_id, ()))
        wanted = {request.primary_account_id, *(link.account_id for link in links)}
        closing = request.type_id == RequestType.ACCOUNT_CLOSE
        return replace(
            context,
            links=links,
            trades=tuple(self.trades.get(key_of(request), {}).values()),
            accounts={i: self.accounts[i] for i in wanted if i in self.accounts},
            other_open_requests=self._other_open_requests(region, request) if closing else 0,
            open_positions=self._open_positions(region, request.primary_account_id) if closing else 0,
        )

    def _other_open_requests(self, region: str, request: Request) -> int:
        account_id = request.primary_account_id
        return sum(
            1
            for key, other in self.requests.items()
            if self._in(region, key)
            and other.status.is_open
            and other.request_id != request.request_id
            and (
                other.primary_account_id == account_id
                or any(link.account_id == account_id for link in self.links.get(other.request_id, ()))
            )
        )

    def _open_positions(self, region: str, account_id: UUID) -> int:
        held: dict[str, Any] = {}
        for key, trades in self.trades.items():
            for trade in trades.values():
                if self._in(region, key) and trade.account_id == account_id and trade.status is Status.COMPLETE:
                    signed = trade.quantity if trade.side == "BUY" else -trade.quantity
                    held[trade.symbol] = held.get(trade.symbol, 0) + signed
        return sum(1 for quantity in held.values() if quantity)

    def _account_is_as_read(self, decision: Decision) -> bool:
        change = decision.account_change
        if change is None:
            return True
        account = self.accounts.get(change.account_id)
        return account is not None and account.version == change.expected_version

    def _head_is_as_read(self, decision: Decision) -> bool:
        step = decision.transition
        head = self.heads.get(RequestKey(step.locality, step.request_id))
        return step.expected_seq == (0 if head is None else head.seq_num)

    def _write(self, decision: Decision) -> None:
        step = decision.transition
        key = RequestKey(step.locality, step.request_id)
        self.heads[key] = Head(step.link_id, step.status, step.expected_seq + 1, step.event_ts)
        self.log.setdefault(key, []).append(step)
        self.requests[key] = replace(self.requests[key], status=step.status)
        change = decision.account_change
        if change is not None:
            self.accounts[change.account_id] = changed(self.accounts[change.account_id], change.values)
        trades = self.trades.setdefault(key, {})
        if decision.trades_status is not None:
            trades |= {t.trade_id: t for t in following(trades.values(), decision.trades_status)}
        trades |= {trade.trade_id: trade for trade in decision.new_trades}


def key_of(request: Request) -> RequestKey:
    """The key of a request."""
    return RequestKey(request.locality, request.request_id)


def changed(account: Account, values: dict[str, Any]) -> Account:
    """The account with new values, one version later."""
    renamed = {"status" if name == "account_status" else name: v for name, v in values.items()}
    if "permissions" in renamed:
        renamed["permissions"] = frozenset(renamed["permissions"])
    assert account.locality == locality_of(account.account_id)
    return replace(account, **renamed, version=account.version + 1)
