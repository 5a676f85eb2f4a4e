"""The regions' servers, read past poolers and proxies, so that reading goes on while those are broken."""

from __future__ import annotations

from typing import Any

import psycopg

from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings


class Servers:
    """Connections that are opened anew when they break. For one thread: each reader makes its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connections: dict[str, psycopg.Connection] = {}

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def read(self, region: str, statement: bytes, values: dict[str, Any] | None = None) -> list[Any] | None:
        """The rows that a region answers with; None while it does not answer."""
        try:
            if region not in self._connections:
                address = self._settings.regions[region].server
                arguments = connect_arguments(self._settings.database, address, "readonly")
                self._connections[region] = psycopg.connect(**arguments)
            return self._connections[region].execute(statement, values).fetchall()
        except psycopg.OperationalError:
            if (broken := self._connections.pop(region, None)) is not None:
                broken.close()
            return None
