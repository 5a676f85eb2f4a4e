"""What Debezium carried to its topic is PUBLISHED when it is seen there: the log learns it from the topic itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from streams_app import metrics
from streams_app.changefeed import RecordLike
from streams_app.databases import Databases, Statements
from streams_app.databases.connecting import Connection
from streams_app.databases.transactions import in_transaction
from streams_app.delivery.events import EVENT_ID, SERVICE

SQL = Statements(Path(__file__).with_name("confirmation.sql"))


async def confirm(databases: Databases, records: Iterable[RecordLike]) -> int:
    """Note where events stand; returns how many were not known to stand anywhere. Raises what the databases raise."""
    by_region: dict[str, dict[str, RecordLike]] = defaultdict(dict)
    for record in records:
        headers = {name: (value or b"").decode("utf-8", "replace").strip('"') for name, value in record.headers}
        region = headers.get("region", "")
        if headers.get(EVENT_ID) and region in databases.regions.names:
            # Of two records with one id the first one counts.
            by_region[region].setdefault(headers[EVENT_ID], record)
            metrics.TRACKING_PUBLISHED.labels(headers.get(SERVICE, ""), record.topic).inc()
    return sum([await _confirm(databases, region, found) for region, found in by_region.items()])


async def _confirm(databases: Databases, region: str, found: dict[str, RecordLike]) -> int:
    async def write(connection: Connection) -> int:
        arguments = {"region": region, "event_ids": list(found)}
        rows = await (await connection.execute(SQL["find"], arguments)).fetchall()
        if not rows:
            return 0
        created = [created_at for _, created_at in rows]
        places = {
            "region": region,
            "event_ids": [event_id for event_id, _ in rows],
            "created": created,
            "oldest": min(created),
            "newest": max(created),
            "partitions": [found[event_id].partition for event_id, _ in rows],
            "offsets": [found[event_id].offset for event_id, _ in rows],
        }
        return len(await (await connection.execute(SQL["confirm"], places)).fetchall())

    return await in_transaction(databases, region, write)
