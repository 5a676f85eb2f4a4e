"""The rivals, one file each: `run(job)` does the job in a process of its own and says how fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rival:
    """`module` lies in this package. `target` is the ratio that ours must reach against it; None is ours.

    `records` bounds the work of a slow one: its rate is what counts.
    """

    name: str
    module: str
    says: str
    target: float | None = None
    records: int | None = None


OURS = Rival("ours", "ours", "worker: batch agent, version table with a changelog")
RIVALS = (
    OURS,
    Rival("take", "stock_batches", "stock Faust agent, take(1000), same SQL, no table", 4.0),
    Rival("single", "stock_single", "stock Faust agent, a transaction per change", 50.0, records=3000),
    Rival("sql", "sql_only", "same SQL without Kafka: rows in memory, same batches", 0.85),
    Rival("plain", "plain_loop", "confluent-kafka and psycopg in a loop: no guarantees", 1.0),
)
