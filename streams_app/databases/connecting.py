"""How a connection to a region is opened, and why one could not be."""

from __future__ import annotations

from typing import Any, TypeAlias

import orjson
import psycopg
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_dumps, set_json_loads

from streams_app.settings import DatabaseSettings, Role

Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]

# Transaction pooling gives every transaction another server connection: a statement prepared on one is unknown to
# the next, so prepare_threshold is None. PgBouncer refuses startup options, so time-outs are set per transaction.
_CONNECT = {
    "autocommit": True,
    "prepare_threshold": None,
    "connect_timeout": 5,
    "application_name": "streams_app",
}
_FILES = {"sslrootcert": "sslrootcert_file", "sslcert": "sslcert_file", "sslkey": "sslkey_file"}


def connect_arguments(database: DatabaseSettings, address: str, role: Role, name: str | None = None) -> dict[str, Any]:
    """Arguments of psycopg.connect for `role` at `address` (host:port), without any password in a string.

    `name` is the database's, when it is called otherwise there. Raises SettingsError when a password file cannot be
    read.
    """
    host, _, port = address.rpartition(":")
    files = {key: getattr(database, setting) for key, setting in _FILES.items()}
    return {
        "host": host,
        "port": int(port),
        "dbname": name or database.name,
        "sslmode": database.sslmode,
        **{key: str(path) for key, path in files.items() if path is not None},
        **database.credentials(role),
        **_CONNECT,
    }


class Attempts:
    """What became of the last attempt to connect to one region: a pool itself tells only that none came in time."""

    def __init__(self) -> None:
        self.failure: psycopg.Error | None = None

    def connection_class(self) -> type[Connection]:
        """A class of connections whose failures to connect are noted here."""
        attempts = self

        class Noted(psycopg.AsyncConnection[TupleRow]):
            @classmethod
            async def connect(cls, *arguments: Any, **options: Any) -> Any:
                try:
                    connection = await super().connect(*arguments, **options)
                except psycopg.Error as error:
                    attempts.failure = error
                    raise
                attempts.failure = None
                return connection

        return Noted


async def configure(connection: Connection) -> None:
    """JSON by orjson, both ways."""
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)
