"""Ours: a worker with a batch agent, the delivery core, and a version table that its changelog restores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.requests.rivals.job import Job, Measured, Stopwatch
from benchmarks.requests.rivals.worker import run_worker, stop_worker
from benchmarks.requests.ways import write_async
from benchmarks.requests.work import PARTITIONS, row_of
from streams_app.changefeed import Change, FeedSpec, RecordLike, Resolved, decode
from streams_app.databases import Databases
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.ports import DeadLetter, Outcome
from streams_app.kafka.app import create_faust_app
from streams_app.kafka.versions import ChangelogVersionTable
from streams_app.settings import DatabaseSettings, RegionSettings, Settings
from streams_app.topics import TopicSpec

REGION = "us-east"
TABLE = "versions"


class StatusLog:
    """Every change becomes a row of the log and moves its key's head."""

    system = "benchmark"
    history = None

    def __init__(self, databases: Databases, watch: Stopwatch) -> None:
        self._databases = databases
        self._watch = watch
        self._spec = FeedSpec(version_column="seq_num")

    def decode(self, record: RecordLike) -> Change | None:
        """The change, or None for a resolved timestamp."""
        self._watch.begin()
        change = decode(record, self._spec)
        return None if isinstance(change, Resolved) else change

    def route(self, change: Change) -> str:
        """There is one region."""
        return REGION

    def ended(self, change: Change) -> bool:
        """No key ends."""
        return False

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Write the rows in one transaction."""
        rows = [row_of(change.after or {}) for change in changes]
        async with self._databases.transaction(route) as connection:
            await write_async(connection, rows)
        if self._watch.committed(len(rows)):
            stop_worker()
        return Outcome()


class NoDeadLetters:
    """There are none in this work: one is an error of the benchmark."""

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Refuse them."""
        raise RuntimeError(f"{len(letters)} dead letters: {letters[0].reason} {letters[0].detail}")


def settings_of(job: Job) -> Settings:
    """The application's settings for the job; all others are its defaults."""
    database = job.database
    address = f"{database['host']}:{database['port']}"
    return Settings(
        app_id=job.group,
        broker_url=f"kafka://{job.broker}",
        topic_partitions=PARTITIONS,
        batch_size=job.batch,
        buffer_records=12 * job.batch,
        web_port=job.web_port,
        data_dir=Path(job.folder),
        database=DatabaseSettings(
            name=database["dbname"], app_user=database["user"], app_password=database["password"]
        ),
        regions={REGION: RegionSettings(pooler=address, server=address, localities=(0, 29))},
    )


def run(job: Job) -> Measured:
    """Run a worker until all changes are committed."""
    settings, watch = settings_of(job), Stopwatch(job.work.changes)
    app = create_faust_app(settings)
    databases = Databases(settings)
    versions = ChangelogVersionTable(app, TABLE, settings)
    handler = StatusLog(databases, watch)
    processors = [BatchProcessor(handler, versions, NoDeadLetters()) for _ in range(settings.lanes)]
    app.batch_agent("benchmark", [TopicSpec(job.topic, "request_id")], processors, settings)
    app.before_start.append(databases.open)
    app.after_stop.append(databases.close)
    run_worker(app)
    return watch.measured()
