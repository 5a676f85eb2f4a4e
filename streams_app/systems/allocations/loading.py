"""Fills reference, market and holdings with what `generate` makes up, and empties the domains again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection, connect_arguments
from streams_app.databases.domains import domain_names, place_of
from streams_app.databases.transactions import in_transaction
from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.allocations.generate.accounts import Accounts, Holder, Scale, models, weight
from streams_app.systems.allocations.generate.securities import (
    DailyPrice,
    business_days,
    company,
    daily_prices,
    securities,
)
from streams_app.systems.allocations.groups import add_everybody
from streams_app.systems.allocations.model import Security

SQL = Statements(Path(__file__).with_name("loading.sql"))

# Rows of positions, about, in one transaction.
_CHUNK: Final = 25_000
# Domains in which steps work, and the logs of events in them.
_STEP_DOMAINS: Final = ("holdings", "orders", "trades", "allocations")
_EVENT_LOGS: Final = (
    "reset_production_keys",
    "reset_production_log",
    "reset_consumption_keys",
    "reset_consumption_log",
    "reset_fences",
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows were written, and the day that accounts are rebalanced on by default."""

    securities: int
    prices: int
    accounts: int
    positions: int
    last_day: date


async def load(databases: Databases, scale: Scale, on_progress: Callable[[int, int], None]) -> Loaded:
    """Write securities, prices, models and accounts, some hundred accounts in each transaction.

    `on_progress` hears of every account: how many more, of how many. Raises StartError when a domain holds data
    already, also of a load that was ended; and what psycopg raises.
    """
    await _refuse_data(databases)
    listed = securities(scale.securities, scale.seed)
    days = business_days(scale.until or datetime.now(UTC).date() - timedelta(days=1), scale.days)
    # First of all: whoever is ended after this is told to say --reset.
    await _copy(databases, "reference", {"copy_securities": map(_security_line, listed)})
    last: list[DailyPrice] = []
    for last in daily_prices(listed, days, scale.seed):
        await _copy(databases, "market", {"copy_prices": map(_price_line, last)})
    await _load_models(databases, scale)
    accounts = Accounts(scale, listed, {price.security_id: price.close for price in last})
    positions, step = 0, max(_CHUNK // scale.positions, 1)
    for first in range(1, scale.accounts + 1, step):
        chunk = [accounts.account(number) for number in range(first, min(first + step, scale.accounts + 1))]
        await _copy(
            databases,
            "holdings",
            {"copy_accounts": map(_account_line, chunk), "copy_positions": map(_position_lines, chunk)},
        )
        positions += sum(len(holder.positions) for holder in chunk)
        on_progress(len(chunk), scale.accounts)
    return Loaded(len(listed), len(days) * len(listed), scale.accounts, positions, days[-1])


def reset(settings: Settings) -> None:
    """Empty the tables of all domains, and their logs of events, as their owner; groups stay.

    No worker may run meanwhile: what is on its way would be found again by nobody. Raises what psycopg raises.
    """
    for domain in domain_names(settings):
        place = place_of(settings, domain, "owner")
        with psycopg.connect(**connect_arguments(place.login, place.address, "owner", place.database)) as connection:
            connection.execute(SQL["lock_timeout"])
            with connection.transaction():
                for name in (f"reset_{domain}", *(_EVENT_LOGS if domain in _STEP_DOMAINS else ())):
                    connection.execute(SQL[name])


async def _refuse_data(databases: Databases) -> None:
    async with databases.connection("reference") as connection:
        [(is_there,)] = await (await connection.execute(SQL["anything"])).fetchall()
    if is_there:
        raise StartError("the domains hold data: add --reset to empty them first, or leave them as they are")


async def _load_models(databases: Databases, scale: Scale) -> None:
    made = models(scale)
    targets = (f"{m.model_id}\t{key}\t{weight(value)}\n" for m in made for key, value in m.weights.items())
    names = (f"{m.model_id}\t{m.name}\n" for m in made)
    await _copy(databases, "holdings", {"copy_models": names, "copy_targets": targets})
    await in_transaction(databases, "holdings", add_everybody)


async def _copy(databases: Databases, domain: str, lines: Mapping[str, Iterable[str]]) -> None:
    """Write rows, by the statement that takes them, in one transaction."""
    texts = {name: "".join(rows) for name, rows in lines.items()}

    async def write(connection: Connection) -> None:
        for name, text in texts.items():
            async with connection.cursor() as cursor, cursor.copy(SQL[name]) as copy:
                await copy.write(text)

    await in_transaction(databases, domain, write)


def _security_line(security: Security) -> str:
    return f"{security.security_id}\t{security.symbol}\t{company(security)}\t{security.sector}\t{security.lot_size}\n"


def _price_line(price: DailyPrice) -> str:
    money = "\t".join(_money(cents) for cents in (price.open, price.high, price.low, price.close))
    return f"{price.trading_day}\t{price.security_id}\t{money}\t{price.volume}\n"


def _account_line(holder: Holder) -> str:
    cash = _money(holder.cash)
    return f"{holder.bucket}\t{holder.account_id}\t{holder.segment}\t{holder.risk}\t{holder.model_id}\t{cash}\t{cash}\n"


def _position_lines(holder: Holder) -> str:
    account = f"{holder.bucket}\t{holder.account_id}"
    return "".join([f"{account}\t{key}\t{quantity}\t{quantity}\n" for key, quantity in holder.positions])


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
