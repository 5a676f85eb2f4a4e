"""Requests of every type, what people say of them and when, and how each may end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from streams_app.databases import locality_of
from streams_app.systems.requests.model import Account, AccountLink, RequestType, SignalKind, Trade

APPROVE, REJECT, DOCUMENTS, CANCEL = SignalKind.APPROVE, SignalKind.REJECT, SignalKind.DOCUMENTS, SignalKind.CANCEL


# How a request goes that is not disturbed: its signals, and the nodes it may end at.
Way = tuple[Iterable[SignalKind], Iterable[str]]
AT_ONCE: Way = ((), {"completed"})


@dataclass(frozen=True, slots=True)
class Wish:
    """A request that somebody will make, the signals it will get, and the nodes it may end at."""

    request_id: UUID
    type_id: RequestType
    account: Account
    details: dict[str, Any]
    signals: tuple[SignalKind, ...]
    ends: frozenset[str]
    links: tuple[AccountLink, ...] = ()
    trades: tuple[Trade, ...] = ()

    def concerns(self, account: Account) -> bool:
        """Whether the account is its primary or a linked one."""
        return self.account == account or any(link.account_id == account.account_id for link in self.links)


class Customers:
    """Accounts and wishes by seed."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.accounts: list[Account] = []
        # A few accounts for many requests, so that requests meet on them.
        self._shared = [self._account("ACTIVE") for _ in range(3)]
        #: All of them come at one moment, most to one account.
        self.crowded = rng.random() < 0.3

    def _account(self, status: str) -> Account:
        account_id = self.new_id()
        account = Account(
            account_id=account_id,
            locality=locality_of(account_id),
            account_number=f"A-{account_id.hex[:6]}",
            account_name="An account",
            strategy="Income",
            base_currency="USD",
            status=status,
            risk_profile="MEDIUM",
            contact_email="old@example.com",
            mailing_preference="EMAIL",
            permissions=frozenset({"VIEW", "TRADE"}),
            version=1,
        )
        self.accounts.append(account)
        return account

    def _any_account(self) -> Account:
        return self._shared[0] if self.crowded else self._rng.choice(self._shared)

    def new_id(self) -> UUID:
        """An id of this seed."""
        return UUID(int=self._rng.getrandbits(128), version=4)

    def wishes(self) -> list[Wish]:
        """A handful of requests."""
        makers = (
            self._onboarding,
            self._email,
            self._email,
            self._strategy,
            self._permission,
            self._close,
            self._rebalance,
            self._rebalance,
            self._refused,
        )
        if self.crowded:
            makers = (self._email, self._email, self._email, self._strategy, self._rebalance)
        count = self._rng.randint(5, 8) if self.crowded else self._rng.randint(3, 6)
        made = [self._rng.choice(makers)() for _ in range(count)]
        return [self._in_company(wish, [other for other in made if other is not wish]) for wish in made]

    def _in_company(self, wish: Wish, others: list[Wish]) -> Wish:
        """The wish, with what others can do to it: a closed account, or a permission that is there already."""
        refusable = any(self._refuses(wish, other) or self._refuses(other, wish) for other in others)
        return replace(wish, ends=wish.ends | {"rejected"}) if refusable else wish

    @staticmethod
    def _refuses(wish: Wish, other: Wish) -> bool:
        if wish.type_id is RequestType.ACCOUNT_CLOSE:
            return other.concerns(wish.account)
        grant = wish.details.get("grant")
        return grant is not None and other.details.get("grant") == grant and wish.account == other.account

    def _wish(self, type_id: RequestType, details: dict[str, Any], way: Way, **values: Any) -> Wish:
        rng, signals, ends = self._rng, list(way[0]), set(way[1])
        if rng.random() < 0.15:
            signals.insert(rng.randint(0, len(signals)), CANCEL)
            # A cancellation always finds a request that would wait until its deadline.
            ends = {"cancelled"} if ends == {"timed_out"} else ends | {"cancelled"}
        if signals and rng.random() < 0.2:
            signals.append(rng.choice(signals))
        account = values.pop("account", None) or self._any_account()
        return Wish(self.new_id(), type_id, account, details, tuple(signals), frozenset(ends), **values)

    def _approval(self, *before: SignalKind) -> Way:
        """Signals at nodes that wait for `before` and then for an approval, in any order, and where they lead."""
        rng, wanted = self._rng, [*before, APPROVE]
        match rng.randrange(6):
            case 0:
                return [*before, REJECT], {"rejected"}
            case 1:
                return wanted[: rng.randrange(len(wanted))], {"timed_out"}
            case 2:
                return [*wanted, REJECT], {"completed", "rejected"}
            case _:
                rng.shuffle(wanted)
                return wanted, {"completed"}

    def _onboarding(self) -> Wish:
        details = {"strategy": "Growth", "base_currency": "EUR", "risk_profile": "LOW"}
        account = self._account("PENDING")
        return self._wish(RequestType.ACCOUNT_ONBOARDING, details, self._approval(DOCUMENTS), account=account)

    def _new_email(self) -> str:
        return f"{self._rng.getrandbits(64):x}@example.com"

    def _email(self) -> Wish:
        changes = {"contact_email": self._new_email()}
        account, trades = self._any_account(), []
        if self._rng.random() < 0.3:
            trades = [Trade(self.new_id(), account.account_id, "SYM2", "BUY", Decimal(5), Decimal(2), "USD")]
        values = {"account": account, "trades": tuple(trades)}
        return self._wish(RequestType.ACCOUNT_PROFILE_UPDATE, {"changes": changes}, AT_ONCE, **values)

    def _strategy(self) -> Wish:
        changes = {"strategy": self._rng.choice(("Growth", "Balanced")), "contact_email": self._new_email()}
        return self._wish(RequestType.ACCOUNT_PROFILE_UPDATE, {"changes": changes}, self._approval())

    def _permission(self) -> Wish:
        details = {"grant": [self._rng.choice(("API", "WITHDRAW", "MARGIN"))]}
        return self._wish(RequestType.ACCOUNT_PERMISSION_CHANGE, details, self._approval())

    def _close(self) -> Wish:
        account = None if self._rng.random() < 0.3 else self._account("ACTIVE")
        return self._wish(RequestType.ACCOUNT_CLOSE, {}, self._approval(DOCUMENTS), account=account)

    def _rebalance(self) -> Wish:
        rng, (primary, *others) = self._rng, self._rng.sample(self._shared, 3)
        large = rng.random() < 0.3
        details = {"symbol": "SYM1", "side": rng.choice(("BUY", "SELL")), "price": "10.5"}
        details["quantity"] = "100000" if large else f"{rng.randint(1, 99)}.{rng.randint(1, 9999):04d}"
        share = Decimal(rng.randint(1, 99))
        shares = zip(others, (share, 100 - share), strict=True)
        links = [AccountLink(account.account_id, "LINKED", part) for account, part in shares]
        way = self._approval() if large else AT_ONCE
        type_id = RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT
        return self._wish(type_id, details, way, account=primary, links=tuple(links))

    def _refused(self) -> Wish:
        details = {"changes": {"risk_profile": "UNHEARD_OF"}}
        return self._wish(RequestType.ACCOUNT_PROFILE_UPDATE, details, ((), {"rejected"}))
