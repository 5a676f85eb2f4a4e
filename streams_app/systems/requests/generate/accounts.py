"""The accounts that generated requests are about: the same seed, region and name always give the same account."""

from __future__ import annotations

from itertools import count
from random import Random
from uuid import NAMESPACE_OID, UUID, uuid5

from streams_app.databases import Regions, locality_of
from streams_app.systems.requests.checks import MAILING_PREFERENCES, RISK_PROFILES, STRATEGIES
from streams_app.systems.requests.localities import locality_of_number
from streams_app.systems.requests.model import Account

# Out of ten open accounts: the currency of a number is that of its last digit, so that partners are easily found.
CURRENCY_OF_DIGIT = ("USD", "USD", "USD", "USD", "USD", "USD", "USD", "EUR", "EUR", "GBP")
CLOSED_ACCOUNTS = 5
FIRST_PERMISSIONS = frozenset({"VIEW", "TRADE", "WITHDRAW"})

_NAMES = (
    "Ashford", "Bergstrom", "Castellan", "Delacroix", "Eastwick", "Fairburn", "Grantham", "Hollis", "Ingram",
    "Jansson", "Kestrel", "Lindqvist", "Marlowe", "Norwood", "Okafor", "Pemberton", "Quillan", "Rosales",
)  # fmt: skip
_KINDS = ("Family", "Growth", "Household", "Pension", "Trust")
# Sorted, because the order of a set differs from process to process.
_STRATEGIES, _RISKS, _MAILINGS = (sorted(values) for values in (STRATEGIES, RISK_PROFILES, MAILING_PREFERENCES))


class GeneratedAccounts:
    """Accounts by region and name. Nothing is written here: these are the rows as they should be at first."""

    def __init__(self, seed: str, regions: Regions) -> None:
        self._seed = seed
        self._regions = regions
        self._open: dict[tuple[str, int], Account] = {}

    def place(self, region: str, name: str) -> UUID:
        """An account id whose locality lies in `region`."""
        attempt = 0
        while True:
            account_id = uuid5(NAMESPACE_OID, f"account:{self._seed}:{region}:{name}:{attempt}")
            if self._regions.of_account(account_id) == region:
                return account_id
            attempt += 1

    def _number(self, region: str, account_id: UUID) -> str:
        """A number that is claimed in the account's own region: no other one must be up to make the account."""
        numbers = (f"ACCT-{account_id.hex[:12].upper()}-{digit}" for digit in count())
        return next(n for n in numbers if self._regions.of(locality_of_number(n)) == region)

    def open(self, region: str, number: int) -> Account:
        """The open account of that number, shared by many requests."""
        found = self._open.get((region, number))
        if found is None:
            found = self.named(region, f"open:{number}", currency=CURRENCY_OF_DIGIT[number % 10])
            self._open[region, number] = found
        return found

    def closed(self, region: str, number: int) -> Account:
        """An account that was closed long ago."""
        return self.named(region, f"closed:{number % CLOSED_ACCOUNTS}", status="CLOSED")

    def named(self, region: str, name: str, *, status: str = "ACTIVE", currency: str | None = None) -> Account:
        """The account `name` of `region`; a PENDING one has a number and a name, and no details yet."""
        account_id = self.place(region, name)
        rng = Random(f"{self._seed}:{account_id}")  # noqa: S311 (repeatable on purpose)
        pending = status == "PENDING"
        return Account(
            account_id=account_id,
            locality=locality_of(account_id),
            account_number=self._number(region, account_id),
            account_name=f"{rng.choice(_NAMES)} {rng.choice(_KINDS)} {rng.randrange(1, 100):02d}",
            strategy=None if pending else rng.choice(_STRATEGIES),
            base_currency=None if pending else currency or rng.choice(CURRENCY_OF_DIGIT),
            status=status,
            risk_profile=None if pending else rng.choice(_RISKS),
            contact_email=None if pending else f"client.{account_id.hex[:12]}@example.com",
            mailing_preference=None if pending else rng.choice(_MAILINGS),
            permissions=FIRST_PERMISSIONS if status == "ACTIVE" else frozenset(),
            version=1,
        )
