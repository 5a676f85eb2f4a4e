"""What must hold of trading, each check with the sentence that it proves."""

from __future__ import annotations

from typing import Final

from streams_app.verification import Check, Harm

ORDERS_LIVE_IN_THEIR_REGION: Final = Check(
    "orders_live_in_their_region", Harm.WRONG, "Every order is in the region that its symbol belongs to."
)
# Each is the statement of its name.
STATEMENTS: Final = (
    Check("orders_have_events", Harm.LOST, "Every order has its event in the outbox, as long as that day is kept."),
    Check("events_have_orders", Harm.WRONG, "Every event of the outbox tells of an order."),
    Check("events_are_written_once", Harm.DUPLICATED, "No event stands in the outbox twice."),
    Check("orders_are_executed", Harm.LOST, "The exchange has answered for every order."),
)

REFUSED_ARE_LETTERS: Final = Check(
    "refused_are_dead_letters", Harm.LOST, "Signals that cannot be used, and no others, are dead letters."
)
SIGNALS_ARE_DECIDED: Final = Check(
    "signals_are_decided", Harm.LOST, "Every signal that counts has led to a decision, and identical ones count once."
)
DECIDED_ONCE: Final = Check("decisions_are_made_once", Harm.DUPLICATED, "No decision is on its topic twice.")
DECISIONS_FOLLOW: Final = Check(
    "decisions_follow_from_signals",
    Harm.WRONG,
    "Every number of every decision is what the signals lead to, worked out again from the topics.",
)
DECISIONS_ARE_ORDERED: Final = Check(
    "decisions_lead_to_orders", Harm.LOST, "Every decision that is sure enough has its order."
)
ORDERS_FOLLOW: Final = Check(
    "orders_follow_from_decisions", Harm.WRONG, "Every order is what its decision asks for, and there are no others."
)
EVENTS_ARE_PUBLISHED: Final = Check(
    "events_are_published", Harm.LOST, "Every event of the outbox is on trading.orders."
)
PUBLISHED_ONCE: Final = Check("events_are_published_once", Harm.DUPLICATED, "No event is on trading.orders twice.")
PUBLISHED_ARE_OURS: Final = Check(
    "published_events_have_orders", Harm.WRONG, "Every event on trading.orders tells of an order."
)
TOPIC_CHECKS: Final = (
    REFUSED_ARE_LETTERS,
    SIGNALS_ARE_DECIDED,
    DECIDED_ONCE,
    DECISIONS_FOLLOW,
    DECISIONS_ARE_ORDERED,
    ORDERS_FOLLOW,
    EVENTS_ARE_PUBLISHED,
    PUBLISHED_ONCE,
    PUBLISHED_ARE_OURS,
)

AT_THE_EXCHANGE: Final = Check(
    "executions_are_the_exchanges", Harm.WRONG, "What orders say of their execution is what the exchange says."
)
EXECUTED_ONCE: Final = Check("orders_are_executed_once", Harm.DUPLICATED, "The exchange has every order once.")
EXCHANGE_IS_OURS: Final = Check(
    "exchange_orders_are_ours", Harm.WRONG, "The exchange has no order that is not in a database."
)
