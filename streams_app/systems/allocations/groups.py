"""Groups of accounts by criteria, as people define them: stored in holdings, or written in a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from streams_app.databases import Databases, Statements
from streams_app.databases.arrays import texts
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.errors import SettingsError, StartError
from streams_app.systems.allocations.criteria import Criteria, CriteriaError, read_criteria

SQL = Statements(Path(__file__).with_name("groups.sql"))
#: The group of all accounts, which is there from the beginning.
EVERYBODY = "all"


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it is stored."""

    name: str
    criteria: Criteria
    updated_at: datetime


async def stored_groups(databases: Databases) -> list[Group]:
    """All groups, by name."""
    async with databases.connection("holdings") as connection:
        rows = await (await connection.execute(SQL["groups"])).fetchall()
    return [Group(name, read_criteria(criteria), updated_at) for name, criteria, updated_at in rows]


async def criteria_of(databases: Databases, name: str) -> Criteria:
    """The criteria of a group. Raises StartError when there is none of that name."""
    async with databases.connection("holdings") as connection:
        rows = await (await connection.execute(SQL["group"], {"name": name})).fetchall()
    if not rows:
        raise StartError(f"no group {name!r}: `allocations groups` lists them, `allocations groups add` makes one")
    return read_criteria(rows[0][0])


async def put_groups(databases: Databases, groups: Mapping[str, Criteria]) -> None:
    """Write groups; one of the same name is replaced. A rebalance that has begun keeps its criteria."""
    arguments = {"names": texts(list(groups)), "criteria": texts([_text(criteria) for criteria in groups.values()])}

    async def write(connection: Connection) -> None:
        await connection.execute(SQL["put"], arguments)

    await in_transaction(databases, "holdings", write)


async def remove_group(databases: Databases, name: str) -> bool:
    """Forget a group; whether it was there."""

    async def remove(connection: Connection) -> bool:
        return bool(await (await connection.execute(SQL["remove"], {"name": name})).fetchall())

    return await in_transaction(databases, "holdings", remove)


def read_groups(path: Path) -> dict[str, Criteria]:
    """The groups of a TOML file: a table of criteria for each. Raises SettingsError, naming the file and the group."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from None
    if long := [name for name in data if not 0 < len(name) <= 60]:
        raise SettingsError(f"{path}: group {long[0]!r}: expected a name of 1 to 60 letters")
    found = {}
    for name, criteria in data.items():
        try:
            found[name] = read_criteria(criteria)
        except CriteriaError as error:
            raise SettingsError(f"{path}: group {name}: {error}") from None
    return found


async def add_everybody(connection: Connection) -> None:
    """Write the group of all accounts, if it is not there."""
    await connection.execute(SQL["put_first"], {"name": EVERYBODY, "criteria": _text(Criteria())})


def _text(criteria: Criteria) -> str:
    return orjson.dumps(criteria.as_json()).decode()
