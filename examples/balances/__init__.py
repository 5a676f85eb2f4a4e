"""Account balances: every payment counts, each once, in order. Run: faust -A examples.balances worker."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from streams_app.changefeed import Change, FeedSpec, Record, RecordLike, Resolved, decode
from streams_app.databases import Databases, Statements
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.ports import Gap, Outcome
from streams_app.kafka.app import create_faust_app
from streams_app.kafka.dead_letters import TopicDeadLetterSink
from streams_app.kafka.versions import ChangelogVersionTable
from streams_app.settings import load_settings
from streams_app.topics import TopicSpec

SQL = Statements(Path(__file__).with_name("balances.sql"))
PAYMENTS, DEAD_LETTERS = TopicSpec("bank.payments", "account_id"), TopicSpec("bank.dead-letters", "account_id")
SPEC = FeedSpec(key_column="account_id", version_column="seq_num")


class Balances:
    def __init__(self, databases: Databases) -> None:
        self.system, self.history = "balances", self  # with a history: no payment may be missing
        self._databases = databases

    def decode(self, record: RecordLike) -> Change | None:
        return None if isinstance(change := decode(record, SPEC), Resolved) else change

    def route(self, change: Change) -> str:
        return self._databases.regions.of_account(UUID(change.key))

    def ended(self, change: Change) -> bool:
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        rows = orjson.dumps([change.after for change in changes]).decode()
        async with self._databases.transaction(route) as connection:  # with the fence of the batch's partitions
            moved = {key for (key,) in await (await connection.execute(SQL["apply"], {"rows": rows})).fetchall()}
        return Outcome(refused=[change for change in changes if change.key not in moved])

    async def heads(self, route: str, keys: Collection[str]) -> Mapping[str, int]:
        return dict(await self._read(route, "heads", {"keys": list(keys)}))

    async def between(self, route: str, gaps: Sequence[Gap]) -> Sequence[RecordLike]:
        at = {gap.key: (gap.waiting.topic, gap.waiting.partition) for gap in gaps}
        arguments = {name: [getattr(gap, name) for gap in gaps] for name in ("key", "after", "before")}
        rows = await self._read(route, "between", arguments)
        return [Record(*at[key], -seq, orjson.dumps([key]), orjson.dumps({"after": row})) for key, seq, row in rows]

    async def _read(self, route: str, name: str, arguments: dict[str, Any]) -> list[Any]:
        async with self._databases.connection(route) as connection:
            return await (await connection.execute(SQL[name], arguments)).fetchall()


settings = load_settings()
app, databases = create_faust_app(settings), Databases(settings)
versions = ChangelogVersionTable(app, "balances", settings)
processor = BatchProcessor(Balances(databases), versions, TopicDeadLetterSink(app, DEAD_LETTERS))
app.batch_agent("balances", [PAYMENTS], processor, settings)
app.before_start.append(databases.open)
app.after_stop.append(databases.close)
