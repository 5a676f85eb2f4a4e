"""What is recorded of requests, as plain data: their events, signals and trades, and their accounts at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from streams_app.systems.requests.model import Account, AccountLink, Request, Signal, Trade, Transition


@dataclass(frozen=True, slots=True)
class AccountChangeEvent:
    """An event that made `version` of an account: when, and the values before it, by column."""

    version: int
    when: datetime
    before: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The states of one account, oldest first, each with the time from which it held (None: as far as is known).

    `sure` says that the first state held from the beginning, and that later times follow earlier versions.
    """

    states: tuple[tuple[datetime | None, Account], ...]
    sure: bool

    def version(self, number: int) -> Account | None:
        """The account when its version was `number`, or None when that is not known."""
        return next((account for _, account in self.states if account.version == number), None)

    def at(self, moment: datetime) -> Account:
        """The account at that time."""
        return next(
            (account for since, account in reversed(self.states) if since is not None and since <= moment),
            self.states[0][1],
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request with all that is recorded of it. `moved_trades` are those changed since they were made."""

    request: Request
    events: tuple[Transition, ...] = ()
    signals: tuple[Signal, ...] = ()
    links: tuple[AccountLink, ...] = ()
    trades: tuple[Trade, ...] = ()
    moved_trades: frozenset[UUID] = frozenset()
    accounts: dict[UUID, Timeline] | None = None


def timeline(account: Account, changes: Sequence[AccountChangeEvent]) -> Timeline:
    """The states of an account, from what it is now back through `changes`, as far as no version is missing."""
    by_version = {change.version: change for change in changes}
    states: list[tuple[datetime | None, Account]] = []
    while (change := by_version.get(account.version)) is not None:
        states.append((change.when, account))
        account = _before(account, change)
    states.append((None, account))
    times = [since for since, _ in reversed(states) if since is not None]
    in_order = all(earlier <= later for earlier, later in pairwise(times))
    return Timeline(tuple(reversed(states)), sure=account.version == 1 and in_order)


def _before(account: Account, change: AccountChangeEvent) -> Account:
    values: dict[str, Any] = {"status" if name == "account_status" else name: v for name, v in change.before.items()}
    if "permissions" in values:
        values["permissions"] = frozenset(values["permissions"])
    return replace(account, **values, version=account.version - 1)
