"""Planned requests: the same blueprint and index always give the same request. No I/O and no clock.

Most requests are valid. The others are wrong on purpose, each for one of the reasons of checks.py. What several
requests share are the open accounts of a region (some far busier than others) and the accounts of a group: four
neighbouring indexes that change one account's permissions and strategy side by side.
"""

from __future__ import annotations

import zlib
from bisect import bisect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, count
from random import Random
from types import MappingProxyType
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from streams_app.databases import Regions, locality_of
from streams_app.systems.requests.generate import details
from streams_app.systems.requests.generate.accounts import CLOSED_ACCOUNTS, GeneratedAccounts
from streams_app.systems.requests.model import Account, AccountLink, RequestType, Trade

VALID = "valid"
GROUP = 4
DEFAULT_MIX: Mapping[RequestType, float] = MappingProxyType(
    {
        RequestType.ACCOUNT_ONBOARDING: 1,
        RequestType.ACCOUNT_PROFILE_UPDATE: 4,
        RequestType.ACCOUNT_PERMISSION_CHANGE: 2,
        RequestType.ACCOUNT_CLOSE: 1,
        RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT: 3,
    }
)
_SHORT_NAMES = dict(zip(("onboarding", "profile", "permission", "close", "rebalance"), RequestType, strict=True))
_STRATEGY_CHANGES = 0.25  # of the profile updates
_HOUSEHOLDS = 0.3  # of the new accounts join an open one


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What decides the planned requests, besides their index.

    `mix` weighs the types; `skew` is the exponent of Zipf's law over a region's open accounts (0: all alike);
    `accounts` is how many open accounts a region has, at least 50; `invalid` is the share that is wrong on purpose.
    """

    seed: str
    mix: Mapping[RequestType, float] = field(default_factory=lambda: DEFAULT_MIX)
    skew: float = 1.0
    accounts: int = 1000
    trades: bool = True
    invalid: float = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """One request as it should be written. `accounts` must be there before it; linked ones may be in other regions.

    `expected` holds what the first check may answer: VALID, or reasons of checks.py.
    """

    index: int
    request_id: UUID
    region: str
    locality: int
    type: RequestType
    primary_account_id: UUID
    requested_by: str
    description: str
    effective_days: int | None
    details: dict[str, Any]
    links: tuple[AccountLink, ...]
    trades: tuple[Trade, ...]
    accounts: tuple[Account, ...]
    expected: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Kind:
    """The first draws of an index: enough to know the region and what neighbours need to know of it."""

    index: int
    rng: Random
    type: RequestType
    reason: str | None
    new_strategy: bool
    region: str
    shared: int | None  # the group whose account it is about


class Generator:
    """Plans by index."""

    def __init__(self, blueprint: Blueprint, regions: Regions) -> None:
        self.accounts = GeneratedAccounts(blueprint.seed, regions)
        self._blueprint = blueprint
        self._regions = regions.names
        self._types = [kind for kind, weight in blueprint.mix.items() if weight > 0]
        self._weights = list(accumulate(blueprint.mix[kind] for kind in self._types))
        self._popularity = list(accumulate((rank + 1) ** -blueprint.skew for rank in range(blueprint.accounts)))

    def shared_accounts(self, region: str) -> list[Account]:
        """The accounts of `region` that requests of any region may name; they must be there before these."""
        opened = [self.accounts.open(region, number) for number in range(self._blueprint.accounts)]
        return opened + [self.accounts.closed(region, number) for number in range(CLOSED_ACCOUNTS)]

    def plans(self, wanted: Collection[str], total: int | None) -> Iterator[Plan]:
        """The first `total` plans (None: without end) of the `wanted` regions. Leaving a region out changes no plan."""
        left = count() if total is None else range(total)
        kinds = (kind for kind in map(self._kind, count()) if kind.region in wanted)
        for _, kind in zip(left, kinds, strict=False):
            yield self._plan(kind)

    def plan(self, index: int) -> Plan:
        """The plan of that index."""
        return self._plan(self._kind(index))

    def _kind(self, index: int) -> _Kind:
        kind = self._drawn(index)
        if kind.reason != details.IN_USE:
            return kind
        held = self._holder(kind)
        return _replaced(kind, None, kind.region, None) if held is None else _replaced(kind, details.IN_USE, *held)

    def _drawn(self, index: int) -> _Kind:
        rng = Random(f"{self._blueprint.seed}:{index}")  # noqa: S311 (repeatable on purpose)
        kind = self._types[bisect(self._weights, rng.random() * self._weights[-1], hi=len(self._types) - 1)]
        reason = rng.choice(details.REASONS[kind]) if rng.random() < self._blueprint.invalid else None
        profile = kind is RequestType.ACCOUNT_PROFILE_UPDATE and reason is None
        new_strategy = profile and rng.random() < _STRATEGY_CHANGES
        grouped = new_strategy or (kind is RequestType.ACCOUNT_PERMISSION_CHANGE and reason is None)
        group = index // GROUP if grouped else None
        region = rng.choice(self._regions) if group is None else self._region_of_group(group)
        return _Kind(index, rng, kind, reason, new_strategy, region, group)

    def _region_of_group(self, group: int) -> str:
        return self._regions[zlib.crc32(f"{self._blueprint.seed}:{group}".encode()) % len(self._regions)]

    def _holder(self, kind: _Kind) -> tuple[str, int] | None:
        """Region and number of an earlier group whose account is in use: its requests are open, or left a position."""
        start = (kind.index // GROUP) * GROUP - 1 - kind.rng.choice((0, 0, 50, 400))
        for index in range(start, max(start - 40, -1), -1):
            earlier = self._drawn(index)
            if earlier.shared is not None:
                return earlier.region, earlier.shared
        return None

    def _plan(self, kind: _Kind) -> Plan:
        request_id = uuid5(NAMESPACE_OID, f"request:{self._blueprint.seed}:{kind.index}")
        primary_id, primary = self._primary(kind)
        content, linked, others = self._content(kind, primary)
        trades: tuple[Trade, ...] = ()
        if kind.new_strategy and self._blueprint.trades and primary is not None:
            trades = details.position_changes(request_id, primary, 2, kind.rng)
        return Plan(
            index=kind.index,
            request_id=request_id,
            region=kind.region,
            locality=locality_of(primary_id),
            type=kind.type,
            primary_account_id=primary_id,
            requested_by=f"advisor_{kind.rng.randrange(1000):03d}",
            description=details.DESCRIPTIONS[kind.type],
            effective_days=kind.rng.choice((None, None, 1, 7, 30)),
            details=content,
            links=(AccountLink(primary_id, "PRIMARY", None), *linked),
            trades=trades,
            accounts=others if primary is None else (primary, *others),
            expected=_expected(kind.reason),
        )

    def _primary(self, kind: _Kind) -> tuple[UUID, Account | None]:
        own = f"own:{kind.index}"
        if kind.reason == "account_unknown":
            return self.accounts.place(kind.region, own), None
        account = self._known_primary(kind, own)
        return account.account_id, account

    def _known_primary(self, kind: _Kind, own: str) -> Account:
        if kind.shared is not None:
            return self.accounts.named(kind.region, f"group:{kind.shared}")
        if kind.reason == "account_closed":
            return self.accounts.closed(kind.region, kind.index)
        onboarding = kind.type is RequestType.ACCOUNT_ONBOARDING
        if kind.reason == "account_not_open" or (onboarding and kind.reason != "account_already_open"):
            return self.accounts.named(kind.region, own, status="PENDING")
        # An account that closes is its own: on a shared one it would spoil the requests that follow.
        if kind.type in (RequestType.ACCOUNT_CLOSE, RequestType.ACCOUNT_PERMISSION_CHANGE):
            return self.accounts.named(kind.region, own)
        return self.accounts.open(kind.region, self._popular(kind.rng))

    def _popular(self, rng: Random) -> int:
        drawn = rng.random() * self._popularity[-1]
        return bisect(self._popularity, drawn, hi=len(self._popularity) - 1)

    def _content(
        self, kind: _Kind, primary: Account | None
    ) -> tuple[dict[str, Any], tuple[AccountLink, ...], tuple[Account, ...]]:
        """Details, linked accounts, and the accounts that these links need."""
        match kind.type:
            case RequestType.ACCOUNT_ONBOARDING:
                content = details.onboarding(kind.index, kind.reason, kind.rng)
                if kind.rng.random() >= _HOUSEHOLDS:
                    return content, (), ()
                household = self.accounts.open(kind.region, self._popular(kind.rng))
                # An onboarding that names an open account may have drawn the very same one.
                if primary is not None and household.account_id == primary.account_id:
                    return content, (), ()
                return content, (AccountLink(household.account_id, "HOUSEHOLD", None),), (household,)
            case RequestType.ACCOUNT_PROFILE_UPDATE:
                return details.profile_update(kind.index, kind.reason, kind.new_strategy, kind.rng), (), ()
            case RequestType.ACCOUNT_PERMISSION_CHANGE:
                return details.permission_change(kind.index % GROUP, kind.reason), (), ()
            case RequestType.ACCOUNT_CLOSE:
                return {"reason": kind.rng.choice(("moved away", "costs", "service"))}, (), ()
            case RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT:
                partners = self._partners(kind, primary)
                links = details.allocated(partners, kind.reason, kind.rng)
                there = partners if kind.reason != "linked_account_unknown" else partners[:-1]
                return details.rebalance(kind.reason, kind.rng), links, there

    def _partners(self, kind: _Kind, primary: Account | None) -> tuple[Account, ...]:
        """One to three accounts of the primary's currency, some of another region; the last is wrong if need be."""
        rng, partners = kind.rng, dict[UUID, Account]()
        currency = primary.base_currency if primary is not None else "USD"
        size = rng.randint(1, 3)
        if kind.reason == "currency_mismatch":
            currency = "GBP" if currency != "GBP" else "EUR"
        while len(partners) < size:
            region = rng.choice(self._regions) if rng.random() < 0.15 else kind.region
            account = self.accounts.open(region, self._popular(rng))
            while account.base_currency != currency or account == primary or account.account_id in partners:
                account = self.accounts.open(region, rng.randrange(self._blueprint.accounts))
            partners[account.account_id] = account
        chosen = tuple(partners.values())
        if kind.reason == "linked_account_unknown":
            return (*chosen[:-1], self.accounts.named(kind.region, f"missing:{kind.index}"))
        if kind.reason == "linked_account_not_open":
            return (*chosen[:-1], self.accounts.closed(kind.region, kind.index))
        return chosen


def parse_mix(text: str) -> dict[RequestType, float]:
    """A mix such as "profile=4,close=1". Raises ValueError, which says what is expected."""
    mix: dict[RequestType, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, weight = part.partition("=")
        if name not in _SHORT_NAMES or not weight.replace(".", "", 1).isdigit():
            raise ValueError(f"{part!r}: expected TYPE=WEIGHT, where TYPE is one of {', '.join(_SHORT_NAMES)}")
        mix[_SHORT_NAMES[name]] = float(weight)
    if not any(mix.values()):
        raise ValueError("at least one type needs a weight above 0")
    return mix


def _replaced(kind: _Kind, reason: str | None, region: str, shared: int | None) -> _Kind:
    return _Kind(kind.index, kind.rng, kind.type, reason, kind.new_strategy, region, shared)


def _expected(reason: str | None) -> frozenset[str]:
    if reason == details.IN_USE:
        return frozenset({"open_requests", "open_positions", VALID})
    return frozenset({reason or VALID})
