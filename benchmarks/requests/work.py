"""The work: status changes as CockroachDB's `wrapped` envelopes, some of them sent twice, and what comes of them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

import orjson

PARTITIONS = 24
CHANGES_OF_A_KEY = 5
# One record in fifty is a change that was sent before, as changefeeds do.
REPEATS = 50
# A key's changes lie among those of so many others.
_SPREAD = 400

COLUMNS = (
    "locality",
    "request_id",
    "seq_num",
    "action_state_link_id",
    "status_id",
    "event_ts",
    "actor",
    "metadata",
    "idempotency_key",
)
Row = tuple[Any, ...]
#: The columns of a changed row, in the order of the tables.
row_of = itemgetter(*COLUMNS)


@dataclass(frozen=True, slots=True)
class Work:
    """So many records in the topic, the same for the same seed."""

    records: int
    seed: int

    @property
    def keys(self) -> int:
        """How many keys are changed."""
        return self.records * (REPEATS - 1) // (REPEATS * CHANGES_OF_A_KEY)

    @property
    def changes(self) -> int:
        """How many different changes there are: the rows of the log afterwards."""
        return self.keys * CHANGES_OF_A_KEY

    def rows(self) -> list[dict[str, Any]]:
        """Every change once, each key's in order and among those of other keys."""
        rng = random.Random(self.seed)  # noqa: S311
        placed = []
        for _ in range(self.keys):
            key = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            place = rng.uniform(0, self.changes)
            for number in range(1, CHANGES_OF_A_KEY + 1):
                place += rng.uniform(0, 2 * _SPREAD)
                placed.append((place, _row(key, number)))
        placed.sort(key=itemgetter(0))
        return [row for _, row in placed]

    def messages(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of every record, in order."""
        rng = random.Random(self.seed)  # noqa: S311
        rows = self.rows()
        again = set(rng.sample(range(len(rows)), self.records - len(rows)))
        for number, row in enumerate(rows):
            clock = f"{1_763_633_472_000_000_000 + number * 1_000_000}.0000000000"
            message = orjson.dumps([row["request_id"]]), orjson.dumps({"after": row, "updated": clock})
            yield message
            if number in again:
                yield message


def _row(key: str, number: int) -> dict[str, Any]:
    moment = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(minutes=number)
    values = (
        int(key[:4], 16) % 30,
        key,
        number,
        1000 + number,
        number,
        moment.isoformat(),
        "orchestrator",
        '{"step": %d}' % number,  # noqa: UP031 (braces)
        f"{key}-{number}",
    )
    return dict(zip(COLUMNS, values, strict=True))
