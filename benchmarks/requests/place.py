"""Where the benchmark runs: a stack of its own with one broker and one database, the topics, and the proof of a run."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import psycopg
from confluent_kafka import Producer

from benchmarks.requests.rivals.job import Job
from benchmarks.requests.ways import STATEMENTS
from benchmarks.requests.work import CHANGES_OF_A_KEY, PARTITIONS, Work
from deploy.local import Stack
from deploy.local.layout import APP, OWNER
from deploy.local.ports import choose
from streams_app.commands.schema import TABLES_SQL
from streams_app.databases.dialect import DIALECTS
from streams_app.databases.migrations import find_migrations, migrate
from streams_app.kafka.admin import TopicAdmin
from streams_app.topics import TopicSpec, changelog_topic

DATABASE: Final = "benchmark"
_REGION: Final = "us-east"
_SERVER: Final = f"postgres-{_REGION}"
_POOLER: Final = f"pgbouncer-{_REGION}"
_NEEDED: Final = ("kafka", _SERVER, _POOLER)


class WrongResultError(RuntimeError):
    """A run left other rows than it should have."""


class Place(AbstractContextManager["Place"]):
    """A running stack; on exit it is gone. All rivals reach the database as the application does, through PgBouncer."""

    def __init__(self, root: Path) -> None:
        """`root` is the folder that everything lies in."""
        self._stack = Stack(root)
        self._topics: dict[Work, str] = {}

    def __enter__(self) -> Place:
        self._stack.clean()
        try:
            self._stack.up()
            # What takes no part takes no processor time either; Connect would decode every row that is written.
            for part in set(self._stack.parts) - set(_NEEDED):
                self._stack.kill(part)
            self._make_database()
        except BaseException:
            self._stack.clean()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.clean()

    @property
    def logs(self) -> Path:
        """A folder for the logs of the rivals."""
        return self._stack.layout.root / "logs"

    def job(self, work: Work, batch: int, table: str) -> Job:
        """A new job: an empty database, a group of its own, and an empty changelog for a table of that name."""
        group = f"benchmark-{secrets.token_hex(4)}"
        self._create_topic(changelog_topic(group, table))
        with self._connect(OWNER, _SERVER) as connection:
            connection.execute(STATEMENTS["empty"])
            # Every run begins with the same debts: none.
            connection.execute(b"VACUUM (ANALYZE) status_log, status_head")
        with self._stack.databases[_REGION].connect(DATABASE) as connection:
            connection.execute(b"CHECKPOINT")
        database = {**self._address(APP, _POOLER), "prepare_threshold": None, "autocommit": True}
        broker = self._stack.kafka.address
        port = choose(["web"], {}, [])["web"]
        folder = self._stack.layout.root / "workers" / group
        folder.mkdir(parents=True)
        return Job(work, broker, self._topic(work), group, database, batch, port, str(folder))

    def check(self, work: Work) -> None:
        """Raises WrongResultError unless every change of the work is in the log, and every head is its key's last."""
        expected = {"changes": work.changes, "keys": work.keys, "last": CHANGES_OF_A_KEY}
        with self._connect(OWNER, _SERVER) as connection:
            found = connection.execute(STATEMENTS["wrong"], expected).fetchone()
        if found != (0, 0, 0):
            raise WrongResultError(f"rows of the log, heads, wrong heads: off by {found}")

    def _topic(self, work: Work) -> str:
        """The topic that holds the work; filled once."""
        if work not in self._topics:
            name = self._topics[work] = f"status-changes-{work.records}-{work.seed}"
            self._create_topic(TopicSpec(name, "request_id"))
            # Kafka's Java partitioner, as Debezium and the changefeeds' readers know it.
            producer = Producer(
                {
                    "bootstrap.servers": self._stack.kafka.address,
                    "partitioner": "murmur2_random",
                    "queue.buffering.max.messages": 2 * work.records,
                    "linger.ms": 20,
                }
            )
            for key, value in work.messages():
                producer.produce(name, value=value, key=key)
                producer.poll(0)
            if left := producer.flush(60):
                raise RuntimeError(f"{left} records could not be written to {name}")
        return self._topics[work]

    def _create_topic(self, spec: TopicSpec) -> None:
        async def create() -> None:
            async with TopicAdmin(f"kafka://{self._stack.kafka.address}", PARTITIONS, 1) as admin:
                await admin.create_missing([spec])

        asyncio.run(create())

    def _make_database(self) -> None:
        with self._stack.databases[_REGION].connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}".encode())
        with self._connect(OWNER, _SERVER) as connection:
            connection.execute(Path(__file__).with_name("tables.sql").read_bytes())
            migrate(connection, list(find_migrations(TABLES_SQL / "postgres", ["delivery"])), DIALECTS["postgres"])

    def _connect(self, role: str, part: str) -> psycopg.Connection[Any]:
        return psycopg.connect(**self._address(role, part), autocommit=True)

    def _address(self, role: str, part: str) -> dict[str, Any]:
        host, _, port = self._stack.part(part).address.rpartition(":")
        return {
            "host": host,
            "port": int(port),
            "dbname": DATABASE,
            "user": role,
            "password": self._stack.site.secret(role),
        }
