"""Every violation that is planted for `verify --system tracking`, as SQL on the tables without their constraints."""

from __future__ import annotations

from tests.integration.plants import Plant

ONE = "event_id = 'us-east-us-east-1-2'"
KEYLESS = "event_id = 'us-east-keyless'"
POISON = "event_id = 'us-east-us-east-0-3'"
LOST = "event_id = 'us-east-nowhere'"
BILLING = f"{ONE} AND consumer_group = 'billing'"

PRODUCTION_COLUMNS = (
    "region, event_id, service_name, topic, event_key, event_type, payload, status, partition_number, "
    '"offset", published_at, created_at, shard'
)
CONSUMPTION_COLUMNS = (
    'region, event_id, service_name, topic, partition_number, "offset", consumer_group, event_type, payload, status, '
    "received_at, processed_at, processing_time_ms, created_at"
)


def produced(change: str, where: str = ONE) -> str:
    """A change of produced events."""
    return f"UPDATE event_production_log SET {change} WHERE {where}"


def consumed(change: str, where: str = BILLING) -> str:
    """A change of consumed events."""
    return f"UPDATE event_consumption_log SET {change} WHERE {where}"


def again(table: str, columns: str, where: str, **changed: str) -> str:
    """A row that stands there once more, in part changed."""
    values = ", ".join(changed.get(name.strip().strip('"'), name.strip()) for name in columns.split(","))
    return f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {where}"


OTHER_PAYLOAD = consumed("payload = '[]'")

PLANTS = [
    *(
        Plant("events_live_in_their_region", f"another region in {table}", f"UPDATE {table} SET region = 'nowhere'")
        for table in (
            "event_production_key",
            "event_production_log",
            "event_consumption_key",
            "event_consumption_log",
        )
    ),
    Plant("produced_events_have_keys", "key gone", f"DELETE FROM event_production_key WHERE {ONE}"),
    Plant("production_keys_have_events", "event gone", f"DELETE FROM event_production_log WHERE {ONE}"),
    Plant("produced_digests_agree", "another payload", produced("payload = payload || '{\"number\": 99}'")),
    Plant("published_events_have_places", "no offset", produced('"offset" = NULL')),
    Plant("published_events_have_places", "no partition", produced("partition_number = NULL")),
    Plant("published_events_have_places", "no time", produced("published_at = NULL")),
    Plant("published_in_order", "behind the next one", produced('"offset" = 1000')),
    Plant("published_in_order", "retries are no excuse", produced('"offset" = 1000, retry_count = 2')),
    Plant("no_event_waits_too_long", "waits", produced("status = 'PENDING', created_at = now() - interval '1 h'")),
    Plant("no_event_waits_too_long", "taken", produced("status = 'PUBLISHING', created_at = now() - interval '1 h'")),
    Plant("failed_events_have_reasons", "none", produced("error_message = NULL", LOST)),
    Plant("failed_events_have_reasons", "empty", produced("error_message = ''", LOST)),
    Plant("events_are_in_their_shard", "of a key", produced("shard = (shard + 1) % 16")),
    Plant("events_are_in_their_shard", "without a key", produced("shard = (shard + 1) % 16", KEYLESS)),
    Plant("consumed_events_have_keys", "key gone", f"DELETE FROM event_consumption_key WHERE {BILLING}"),
    Plant("consumption_keys_have_events", "event gone", f"DELETE FROM event_consumption_log WHERE {BILLING}"),
    Plant(
        "processed_events_are_guarded",
        "guard gone",
        f"UPDATE event_consumption_key SET processed_at = NULL WHERE {BILLING}",
    ),
    *(
        Plant("guarded_events_are_processed", status, consumed(f"status = '{status}', error_message = 'x'"))
        for status in ("RECEIVED", "PROCESSING", "FAILED")
    ),
    *(
        Plant(
            "no_consumption_hangs",
            status,
            consumed(f"status = '{status}', received_at = now() - interval '1 h', updated_at = NULL"),
        )
        for status in ("RECEIVED", "PROCESSING")
    ),
    Plant("failed_consumptions_have_reasons", "none", consumed("error_message = NULL", POISON)),
    Plant("events_are_unique", "on another day", again("event_production_log", PRODUCTION_COLUMNS, ONE)),
    Plant(
        "places_hold_one_event",
        "two keys",
        'UPDATE event_production_log p SET "offset" = o."offset", partition_number = o.partition_number '
        f"FROM event_production_log o WHERE p.{ONE} AND o.{KEYLESS}",
    ),
    Plant("events_are_consumed_once", "two rows", again("event_consumption_log", CONSUMPTION_COLUMNS, BILLING)),
    Plant(
        "published_events_are_consumed",
        "row gone",
        f"WITH k AS (DELETE FROM event_consumption_key WHERE {BILLING}) "
        f"DELETE FROM event_consumption_log WHERE {BILLING}",
    ),
    Plant("published_events_are_consumed", "not processed", consumed("status = 'RECEIVED'")),
    Plant(
        "payloads_agree",
        "another payload",
        f"WITH k AS (UPDATE event_consumption_key SET digest = md5('[]') WHERE {BILLING}) {OTHER_PAYLOAD}",
    ),
]

# What the topics alone show.
PLANTS_OF_TOPICS = [
    Plant("events_are_on_their_topic", "the place of another", produced('"offset" = "offset" - 1')),
    Plant("events_are_on_their_topic", "behind the end", produced('"offset" = 1000')),
    Plant("events_are_on_their_topic", "no such partition", produced("partition_number = 77")),
    Plant("events_are_on_their_topic", "no such topic", produced("topic = 'test.not-there'")),
    Plant("topics_are_in_order", "a younger id", produced("id = 1000000")),
    Plant(
        "topics_are_in_order",
        "not yet said to be published",
        produced("id = 1000000, status = 'PENDING', created_at = now()"),
    ),
    Plant(
        "records_have_rows",
        "row and key gone",
        f"WITH k AS (DELETE FROM event_production_key WHERE {ONE}) DELETE FROM event_production_log WHERE {ONE}",
    ),
]
