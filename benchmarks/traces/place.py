"""Where the benchmark runs: a stack of its own, and the stores of its three regions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from deploy.local import Stack
from deploy.local.settings_files import VARIABLE
from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings, load_settings

SQL = Statements(Path(__file__).with_name("work.sql"))
# What takes no part takes no processor time either.
_NEEDED = ("kafka", "postgres-", "pgbouncer-")


class Place:
    """A running stack and its settings."""

    def __init__(self, stack: Stack, settings: Settings) -> None:
        self.stack = stack
        self.settings = settings
        self.regions = Databases(settings).regions

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to find the stack and its databases."""
        return {VARIABLE: str(self.stack.config_path), "STREAMS_DATABASE__NAME": self.settings.database.name}

    def only_needed(self) -> None:
        """Stop every part that the benchmark does without."""
        for part in self.stack.parts:
            if not part.startswith(_NEEDED):
                self.stack.kill(part)

    def owner(self, region: str) -> psycopg.Connection:
        """A connection as the owner of the tables, past the pooler; each statement is a transaction."""
        server = self.settings.regions[region].server
        return psycopg.connect(**connect_arguments(self.settings.database, server, "owner"))

    def execute(self, region: str, *names: str) -> list[Any]:
        """Run statements of work.sql in one region; returns the rows of the last."""
        with self.owner(region) as connection:
            for name in names:
                cursor = connection.execute(SQL[name])
            return cursor.fetchall() if cursor.description else []

    def everywhere(self, *names: str) -> dict[str, list[Any]]:
        """The same in all regions, side by side; by region."""
        names_of = self.regions.names
        with ThreadPoolExecutor(len(names_of)) as pool:
            return dict(zip(names_of, pool.map(lambda region: self.execute(region, *names), names_of), strict=True))

    def stored(self) -> int:
        """How many events the stores have."""
        return sum(int(rows[0][0]) for rows in self.everywhere("count").values())


@contextmanager
def opened(root: Path) -> Iterator[Place]:
    """A stack in `root`, gone afterwards."""
    stack = Stack(root)
    stack.clean()
    try:
        stack.up()
        os.environ[VARIABLE] = str(stack.config_path)
        yield Place(stack, load_settings())
    finally:
        stack.clean()
