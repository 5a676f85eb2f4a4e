"""What must hold of tracked events: each is the statement of its name in verify.sql, or one of ACROSS or ON_TOPICS."""

from __future__ import annotations

from streams_app.verification import Check, Harm

EVENTS_ARE_UNIQUE = Check(
    "events_are_unique", Harm.DUPLICATED, "No event stands twice in the production logs, in one region or in two."
)
PLACES_HOLD_ONE_EVENT = Check(
    "places_hold_one_event", Harm.LOST, "No two published events claim the same offset of a partition."
)
EVENTS_ARE_CONSUMED_ONCE = Check(
    "events_are_consumed_once", Harm.DUPLICATED, "A consumer group has one row of an event, over all regions."
)
PUBLISHED_EVENTS_ARE_CONSUMED = Check(
    "published_events_are_consumed",
    Harm.LOST,
    "Every group that consumes a topic has processed each event of it, or says why it could not.",
)
PAYLOADS_AGREE = Check("payloads_agree", Harm.WRONG, "What was consumed of an event is what was published.")
EVENTS_ARE_IN_THEIR_SHARD = Check(
    "events_are_in_their_shard",
    Harm.OUT_OF_ORDER,
    "The shard of an event is that of its key, so that one relay has all of a key.",
)
# What is found while the rows of all regions are compared; the other checks of the databases are one statement each.
ACROSS = (
    EVENTS_ARE_UNIQUE,
    PLACES_HOLD_ONE_EVENT,
    EVENTS_ARE_CONSUMED_ONCE,
    PUBLISHED_EVENTS_ARE_CONSUMED,
    PAYLOADS_AGREE,
    EVENTS_ARE_IN_THEIR_SHARD,
)

EVENTS_ARE_ON_THEIR_TOPIC = Check(
    "events_are_on_their_topic", Harm.LOST, "Every published event is the record at its place, unless that was removed."
)
TOPICS_ARE_IN_ORDER = Check(
    "topics_are_in_order", Harm.OUT_OF_ORDER, "The events of a key come first on their topic in the order of their ids."
)
RECORDS_HAVE_ROWS = Check(
    "records_have_rows", Harm.LOST, "Every event that a topic holds is in a production log: none was undone or lost."
)
ON_TOPICS = (EVENTS_ARE_ON_THEIR_TOPIC, TOPICS_ARE_IN_ORDER, RECORDS_HAVE_ROWS)

REGIONAL: tuple[Check, ...] = (
    Check("events_live_in_their_region", Harm.WRONG, "Every row lies in the database of the region that it names."),
    Check("produced_events_have_keys", Harm.DUPLICATED, "Every produced event has its unique key."),
    Check("production_keys_have_events", Harm.LOST, "Every unique key of a kept day has its event."),
    Check("produced_digests_agree", Harm.WRONG, "A produced event has the payload that its key was written with."),
    Check("published_events_have_places", Harm.LOST, "A published event says when it was, and at which offset."),
    Check(
        "published_in_order",
        Harm.OUT_OF_ORDER,
        "Along their ids the published events of a key have rising offsets, but for those that were redriven.",
    ),
    Check("no_event_waits_too_long", Harm.LOST, "No event waits longer to be published than it may."),
    Check("failed_events_have_reasons", Harm.WRONG, "An event that was given up says why."),
    Check("consumed_events_have_keys", Harm.DUPLICATED, "Every consumed event has its unique key."),
    Check("consumption_keys_have_events", Harm.LOST, "Every unique key of a kept day has its consumed event."),
    Check("processed_events_are_guarded", Harm.DUPLICATED, "The key of a processed event keeps it from a second time."),
    Check("guarded_events_are_processed", Harm.WRONG, "An event whose key says that it was processed is PROCESSED."),
    Check("no_consumption_hangs", Harm.LOST, "No received event waits longer for its end than it may."),
    Check("failed_consumptions_have_reasons", Harm.WRONG, "An event that a consumer gave up says why."),
)

CHECKS = (*REGIONAL, *ACROSS)
