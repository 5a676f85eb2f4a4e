"""The example of docs/delivery.md among duplicates, disorder, missing records, a bad one and a killed worker."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import orjson
import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.ports import HOST, choose
from streams_app.databases import Databases, Regions
from streams_app.databases.connecting import connect_arguments
from streams_app.kafka.admin import TopicAdmin, bootstrap_servers
from streams_app.settings import Settings
from streams_app.topics import TopicSpec, changelog_topic
from tests.fix_stack import eventually

pytestmark = pytest.mark.stack

TABLES = PROJECT / "examples" / "balances" / "tables.sql"
PAYMENTS, DEAD = TopicSpec("bank.payments", "account_id"), TopicSpec("bank.dead-letters", "account_id")
ACCOUNTS, EACH = 30, 40


class Bank:
    """Workers of the example as processes."""

    def __init__(self, settings: Settings, stack: Stack, folder: Path) -> None:
        self._log = folder / "bank.log"
        self._environment = {
            **os.environ,
            "STREAMS_CONFIG": str(stack.config_path),
            "STREAMS_APP_ID": settings.app_id,
            "STREAMS_DATABASE__NAME": settings.database.name,
            "STREAMS_SESSION_TIMEOUT": "6",
            "STREAMS_BATCH_SIZE": "100",
            "STREAMS_DATA_DIR": str(folder),
            "STREAMS_WEB_PORT": str(choose(["bank"], {}, [])["bank"]),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "faust", "-A", "examples.balances", "worker", "--loglevel", "info"]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, "--web-host", HOST], cwd=PROJECT, env=self._environment, stdout=output, stderr=output
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def bank(fresh_settings: Settings, stack: Stack, tmp_path: Path) -> Iterator[Bank]:
    settings = fresh_settings.model_copy(update={"app_id": f"bank-{secrets.token_hex(4)}"})
    for region in settings.regions.values():
        with psycopg.connect(**connect_arguments(settings.database, region.server, "owner")) as connection:
            connection.execute(TABLES.read_bytes())
    made = Bank(settings, stack, tmp_path)
    asyncio.run(make_topics(settings))
    yield made
    made.kill()


async def make_topics(settings: Settings) -> None:
    async with TopicAdmin(settings.broker_url, settings.topic_partitions, settings.topic_replication) as admin:
        await admin.create_missing([PAYMENTS, DEAD, changelog_topic(settings.app_id, "balances")])


def message(account: UUID, number: int, amount: str) -> tuple[bytes, bytes]:
    row = {"account_id": str(account), "seq_num": number, "amount": amount}
    return orjson.dumps([str(account)]), orjson.dumps({"after": row})


async def test_every_payment_counts_once(fresh_settings: Settings, fresh_databases: Databases, bank: Bank) -> None:
    rng = random.Random(4)
    accounts = [UUID(int=rng.getrandbits(128), version=4) for _ in range(ACCOUNTS)]
    payments = {a: [f"{rng.randint(-5000, 9000) / 100:.2f}" for _ in range(EACH)] for a in accounts}
    await write_log(fresh_settings, fresh_databases.regions, payments)
    missing, lost = accounts[0], accounts[1]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers(fresh_settings.broker_url)) as producer:
        bank.start()
        for row in disordered(payments, rng):
            account, number = row
            # One payment never comes, but is in the log; one never comes, and is taken out of the log.
            if row not in ((missing, 7), (lost, 9)):
                key, value = message(account, number, payments[account][number - 1])
                await producer.send(PAYMENTS.name, value, key)
            if number == EACH // 2 and account == accounts[-1]:
                await producer.flush()
                bank.kill()
                bank.start()
        await producer.send(PAYMENTS.name, b'{"after": {"account_id"', orjson.dumps([str(accounts[2])]))
        await producer.flush()

    async def all_paid() -> bool:
        """every account has all its payments, the one with the hole all before the hole"""
        found = await balances(fresh_databases)
        return found == {
            a: (n, sum(map(Decimal, payments[a][:n]), Decimal(0)))
            for a, n in {a: 8 if a == lost else EACH for a in accounts}.items()
        }

    await eventually(all_paid, 60)


async def write_log(settings: Settings, regions: Regions, payments: dict[UUID, list[str]]) -> None:
    for account, amounts in payments.items():
        server = settings.regions[regions.of_account(account)].server
        rows = [(account, number, amount) for number, amount in enumerate(amounts, 1)]
        async with await psycopg.AsyncConnection.connect(
            **connect_arguments(settings.database, server, "owner")
        ) as connection:
            async with connection.cursor() as cursor:
                await cursor.executemany("INSERT INTO payment VALUES (%s, %s, %s)", rows)
            await connection.execute("DELETE FROM payment WHERE account_id = %s AND seq_num = 9", (list(payments)[1],))


def disordered(payments: dict[UUID, list[str]], rng: random.Random) -> list[tuple[UUID, int]]:
    """Each payment once or more, some before their forerunners, some long after they were sent first."""
    rows = [(account, number) for number in range(1, EACH + 1) for account in payments]
    rows += rng.sample(rows, len(rows) // 5)
    for i in range(0, len(rows) - ACCOUNTS, 7):
        rows[i], rows[i + ACCOUNTS] = rows[i + ACCOUNTS], rows[i]
    return rows


async def balances(databases: Databases) -> dict[UUID, tuple[int, Decimal]]:
    found = {}
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            cursor = await connection.execute("SELECT account_id, seq_num, amount FROM balance")
            found |= {row[0]: (row[1], row[2]) for row in await cursor.fetchall()}
    return found
