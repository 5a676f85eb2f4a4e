"""Every metric, with its meaning. Names are part of the interface; labels are bounded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0)

RECORDS = Counter(
    "streams_records",
    "Records by what became of them: applied, duplicate (version seen before), stale (the database had it), ignored "
    "(asks for nothing), held (waits for an earlier version), dead (dead letter)",
    ["system", "topic", "outcome"],
)
EFFECTS = Counter(
    "streams_effects", "Effects committed, by kind: a transition, a trade, …", ["system", "region", "kind"]
)
TRANSITIONS = Counter(
    "streams_transitions", "Steps committed, by the status they lead to", ["system", "region", "request_type", "status"]
)
REFUSED = Counter("streams_refused", "Decisions refused by a guard, loaded and decided again", ["system", "region"])
BATCH_SIZE = Histogram(
    "streams_batch_size",
    "Records in one batch",
    ["system"],
    buckets=(1, 5, 10, 50, 100, 250, 500, 1000, 2000, 5000, 10000),
)
BATCH_SECONDS = Histogram(
    "streams_batch_seconds", "Seconds of one batch in one stage", ["system", "stage"], buckets=_SECONDS
)
END_TO_END = Histogram(
    "streams_end_to_end_seconds",
    "Seconds from the commit of a change at its source to the commit of its effect",
    ["system", "region"],
    # A takeover takes about the session timeout: finer there.
    buckets=(*_SECONDS[:-1], 12.5, 15.0, 20.0, 30.0, 60.0, 300.0),
)
LAG = Gauge("streams_lag_records", "Records of a partition that are not yet processed", ["topic", "partition"])
HIDDEN = Gauge(
    "streams_hidden_records", "Records behind a transaction that its writer has not ended", ["topic", "partition"]
)
GAPS = Counter("streams_gaps", "Versions that skipped ahead of the one expected", ["system"])
HELD = Gauge("streams_reorder_held", "Records that wait for an earlier version of their key", ["system"])
DEAD_LETTERS = Counter("streams_dead_letters", "Records set aside, by reason", ["system", "reason"])
REGION_UP = Gauge("streams_region_up", "1 when the last work in the region succeeded, 0 when it failed", ["region"])
RETRIES = Counter(
    "streams_retries",
    "Attempts that failed and were made again, by failure class: of a transaction serialization, deadlock, connection "
    "or ambiguous, of a batch transient or ambiguous",
    ["region", "class"],
)
TABLE_KEYS = Gauge("streams_table_keys", "Keys in a changelog-backed table of this worker", ["table"])
RECOVERY_SECONDS = Gauge("streams_recovery_seconds", "Seconds the last recovery of a table took", ["table"])
RECOVERY_REMAINING = Gauge(
    "streams_recovery_remaining", "Changelog records that a table still has to read before work goes on", ["table"]
)
CHANGELOG_SKIPPED = Counter("streams_changelog_skipped", "Changelog records that no worker wrote, skipped", ["table"])
BACKLOG = Gauge(
    "streams_backlog", "Rows that wait: requests past their deadline, by region", ["system", "kind", "region"]
)
LAST_PROGRESS = Gauge("streams_last_progress_timestamp_seconds", "When the last batch ended", ["system"])


PARKED = Counter("streams_parked", "Records set aside while their region is down", ["system", "region"])
POSTPONED = Counter(
    "streams_postponed",
    "Requests left to the sweeper, because another region that they need is down",
    ["system", "region"],
)
TRANSACTIONS = Counter(
    "streams_transactions",
    "Kafka transactions: committed, aborted (an error; what became of it is looked up), fenced (not ours any more)",
    ["system", "outcome"],
)
TRANSACTION_SECONDS = Histogram(
    "streams_transaction_seconds",
    "Seconds of a Kafka transaction, from its first record to its end",
    ["system"],
    buckets=_SECONDS,
)
EXCHANGE_REQUESTS = Counter(
    "streams_exchange_requests",
    "Requests to the exchange, by method and HTTP status; none: no answer came, and nobody knows what became of it",
    ["method", "status"],
)
EXCHANGE_SECONDS = Histogram("streams_exchange_seconds", "Seconds of a request to the exchange", buckets=_SECONDS)
# What the databases say, read by every worker: take the max over workers.
SLOT_LAG = Gauge(
    "streams_slot_lag_bytes", "Bytes of log that a logical replication slot holds back", ["region", "slot"]
)
SLOT_ACTIVE = Gauge("streams_slot_active", "1 while a connector reads the slot", ["region", "slot"])
SLOT_LOST = Gauge("streams_slot_lost", "1 when the server has removed log that the slot needs", ["region", "slot"])
SLOT_LIMIT = Gauge("streams_slot_lag_limit_bytes", "The limit of that alert, from the settings")

_TRACKED = ["service", "topic"]
TRACKING_PUBLISHED = Counter("streams_tracking_published", "Events that reached their topic", _TRACKED)
TRACKING_CONSUMED = Counter("streams_tracking_consumed", "Events that a consumer took, new ones only", _TRACKED)
TRACKING_PROCESSED = Counter("streams_tracking_processed", "Events whose effect is committed", _TRACKED)
TRACKING_FAILED = Counter(
    "streams_tracking_failed", "Events given up, by side: produced or consumed", ["side", *_TRACKED]
)
TRACKING_RETRIED = Counter("streams_tracking_retried", "Tries after the first one, by side", ["side", *_TRACKED])
TRACKING_PUBLISH_SECONDS = Histogram(
    "streams_tracking_publish_seconds",
    "Seconds from the commit of an event to its place in its topic",
    ["service"],
    buckets=(*_SECONDS, 60.0, 300.0),
)
TRACKING_PROCESSING_SECONDS = Histogram(
    "streams_tracking_processing_seconds", "Seconds that an event was processed", ["service"], buckets=_SECONDS
)
# What the databases say, read by every worker: take the max over workers.
TRACKING_BACKLOG = Gauge(
    "streams_tracking_backlog",
    "Events in a state that is not the last good one, by side: produced or consumed",
    ["region", "side", "status"],
)
TRACKING_OLDEST = Gauge(
    "streams_tracking_oldest_pending_seconds", "Seconds that the oldest event waits to be published", ["region"]
)
TRACKING_DAYS_AHEAD = Gauge(
    "streams_tracking_days_ahead", "Days after today, without a gap, that both logs have partitions for", ["region"]
)
TRACKING_ALERT = Gauge(
    "streams_tracking_alert", "1 while the databases alone say that this alert holds", ["region", "alert"]
)
TRACKING_LIMIT = Gauge("streams_tracking_limit", "The limit of an alert, from the settings", ["alert"])


@contextmanager
def stage(system: str, name: str) -> Iterator[None]:
    """Time one stage of a batch."""
    started = time.perf_counter()
    try:
        yield
    finally:
        BATCH_SECONDS.labels(system, name).observe(time.perf_counter() - started)
