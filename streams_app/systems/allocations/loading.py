"""Fills reference, market and holdings with what `generate` makes up, and empties the domains again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import numbers, texts
from streams_app.databases.connecting import Connection, connect_arguments
from streams_app.databases.domains import domain_names, place_of
from streams_app.databases.transactions import in_transaction
from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.allocations.generate.accounts import Accounts, Holder, Model, Scale, models
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
    await _add_securities(databases, listed)
    last: list[DailyPrice] = []
    for last in daily_prices(listed, days, scale.seed):
        await _add_prices(databases, last)
    await _add_models(databases, models(scale))
    accounts = Accounts(scale, listed, {price.security_id: price.close for price in last})
    positions, step = 0, max(_CHUNK // scale.positions, 1)
    for first in range(1, scale.accounts + 1, step):
        chunk = [accounts.account(number) for number in range(first, min(first + step, scale.accounts + 1))]
        positions += await _add_accounts(databases, chunk)
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


async def _add_securities(databases: Databases, listed: Sequence[Security]) -> None:
    arguments = {
        "ids": [security.security_id for security in listed],
        "symbols": [security.symbol for security in listed],
        "names": [company(security) for security in listed],
        "sectors": [security.sector for security in listed],
        "lots": [security.lot_size for security in listed],
    }
    await _add(databases, "reference", {"add_securities": arguments})


async def _add_prices(databases: Databases, prices: Sequence[DailyPrice]) -> None:
    arguments = {
        "day": prices[0].trading_day,
        "ids": [price.security_id for price in prices],
        "opens": [price.open for price in prices],
        "highs": [price.high for price in prices],
        "lows": [price.low for price in prices],
        "closes": [price.close for price in prices],
        "volumes": [price.volume for price in prices],
    }
    await _add(databases, "market", {"add_prices": arguments})


async def _add_models(databases: Databases, made: Sequence[Model]) -> None:
    names = {"ids": [model.model_id for model in made], "names": [model.name for model in made]}
    targets = {
        "models": [model.model_id for model in made for _ in model.weights],
        "securities": [security_id for model in made for security_id in model.weights],
        "weights": [weight for model in made for weight in model.weights.values()],
    }
    await _add(databases, "holdings", {"add_models": names, "add_targets": targets})
    await in_transaction(databases, "holdings", add_everybody)


async def _add_accounts(databases: Databases, chunk: Sequence[Holder]) -> int:
    """Write accounts with their positions; returns how many positions."""
    accounts = {
        "buckets": numbers(holder.bucket for holder in chunk),
        "ids": numbers(holder.account_id for holder in chunk),
        "segments": texts([holder.segment for holder in chunk]),
        "risks": numbers(holder.risk for holder in chunk),
        "models": numbers(holder.model_id for holder in chunk),
        "cash": numbers(holder.cash for holder in chunk),
    }
    positions = {
        "buckets": numbers(holder.bucket for holder in chunk for _ in holder.positions),
        "accounts": numbers(holder.account_id for holder in chunk for _ in holder.positions),
        "securities": numbers(key for holder in chunk for key, _ in holder.positions),
        "quantities": numbers(quantity for holder in chunk for _, quantity in holder.positions),
    }
    await _add(databases, "holdings", {"add_accounts": accounts, "add_positions": positions})
    return sum(len(holder.positions) for holder in chunk)


async def _add(databases: Databases, domain: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Write rows, arguments by the statement that takes them, in one transaction."""

    async def write(connection: Connection) -> None:
        for name, arguments in rows.items():
            await connection.execute(SQL[name], arguments)

    await in_transaction(databases, domain, write)
