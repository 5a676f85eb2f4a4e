"""What reference and market know of securities: two domains, asked one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from streams_app.databases import Databases, Statements
from streams_app.errors import StartError
from streams_app.systems.allocations.model import Quote

SQL = Statements(Path(__file__).with_name("quotes.sql"))

# Days that are kept; the oldest question goes first.
_MOST_DAYS: Final = 16


class Quotes:
    """Quotes by day. They are asked for once: a price that was published stays."""

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._days: dict[date, Mapping[int, Quote]] = {}

    async def of(self, day: date) -> Mapping[int, Quote]:
        """The quotes of a day by security. Raises StartError when it has none, and what `Databases.connection` does."""
        found = self._days.get(day)
        if found is None:
            found = await self._ask(day)
            if len(self._days) >= _MOST_DAYS:
                del self._days[next(iter(self._days))]
            self._days[day] = found
        return found

    async def _ask(self, day: date) -> Mapping[int, Quote]:
        async with self._databases.connection("market") as connection:
            prices = await (await connection.execute(SQL["prices"], {"day": day})).fetchall()
        if not prices:
            raise StartError(f"the market has no prices of {day}: choose a day that has, or run `allocations load`")
        async with self._databases.connection("reference") as connection:
            rows = await (await connection.execute(SQL["lots"])).fetchall()
        lots: dict[int, int] = dict(rows)
        return {key: Quote(lots[key], *of_day) for key, *of_day in prices if key in lots}


async def latest_day(databases: Databases) -> date:
    """The last day that has prices. Raises StartError when there is none."""
    async with databases.connection("market") as connection:
        [(day,)] = await (await connection.execute(SQL["latest_day"])).fetchall()
    if day is None:
        raise StartError("the market has no prices: run `allocations load`")
    found: date = day
    return found


async def securities_named(databases: Databases, symbols: Iterable[str]) -> dict[str, int]:
    """The ids of securities by symbol. Raises StartError, naming those that do not exist."""
    wanted = set(symbols)
    if not wanted:
        return {}
    async with databases.connection("reference") as connection:
        rows = await (await connection.execute(SQL["symbols"], {"symbols": list(wanted)})).fetchall()
    found = dict(rows)
    if missing := sorted(wanted - found.keys()):
        raise StartError(f"{', '.join(missing)}: no such security; the reference domain has others")
    return found
