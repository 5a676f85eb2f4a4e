"""Every topic: its name, its key, its partitions and clean-up. Created by `topics --create`, checked at start."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from streams_app.systems.allocations import messages
from streams_app.systems.trace_store.schemas import KINDS
from streams_app.systems.trading.model import TIMEFRAMES

KEYED = 0  # stands for Settings.topic_partitions

# Long enough for a replay of a week; the databases keep the truth for ever.
_WEEK_MS = "604800000"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it must be. `partitions` 0 means Settings.topic_partitions."""

    name: str
    key: str
    partitions: int = KEYED
    config: dict[str, str] = field(default_factory=lambda: {"retention.ms": _WEEK_MS})


NEW_REQUESTS = TopicSpec("acct-mgmt.new-request-events", "request_id")
REQUEST_STATUS = TopicSpec("acct-mgmt.request-status-events", "request_id")
REQUEST_SIGNALS = TopicSpec("acct-mgmt.request-signals", "request_id")
#: How requests ended: events of ours, in place of changes.
REQUEST_OUTCOMES = TopicSpec("acct-mgmt.request-outcomes", "request_id")
# A dead letter holds the raw message and headers about it: it must fit where the original fitted.
DEAD_LETTERS = TopicSpec(
    "acct-mgmt.dead-letters", "the key of the original", config={"retention.ms": "-1", "max.message.bytes": "9437184"}
)
# What people did with dead letters: never removed, in one order. A corrected value is a third longer in here.
DEAD_LETTER_AUDIT = TopicSpec(
    "acct-mgmt.dead-letter-audit", "the id of the letter", 1, {"retention.ms": "-1", "max.message.bytes": "13631488"}
)

REQUEST_TOPICS = (NEW_REQUESTS, REQUEST_STATUS, REQUEST_SIGNALS, REQUEST_OUTCOMES)
#: Topics that the tracked publisher fills.
EVENT_TOPICS = (REQUEST_OUTCOMES,)

# Fewer than those of the requests: there are thirteen of them.
_TRACE_PARTITIONS = 6
#: The events of code generation (seed 002). What a session has to say may be long.
TRACE_TOPICS = tuple(
    TopicSpec(name, "session_id", _TRACE_PARTITIONS, {"retention.ms": _WEEK_MS, "max.message.bytes": "8388608"})
    for name in KINDS
)

# As many as the seed has; a symbol's signals of all timeframes lie on one partition number.
_TRADING_PARTITIONS = 3
#: Signals of each timeframe, in the order of the timeframes (seed 004).
SIGNAL_TOPICS = tuple(
    TopicSpec(f"trading.signal.{timeframe}", "symbol", _TRADING_PARTITIONS) for timeframe in TIMEFRAMES
)
#: Read it read_committed: it is written in transactions.
DECISIONS = TopicSpec("trading.decisions", "symbol", _TRADING_PARTITIONS)
#: Events of the outbox, published by a connector.
ORDERS = TopicSpec("trading.orders", "aggregate_id, the order", _TRADING_PARTITIONS)
TRADING_TOPICS = (*SIGNAL_TOPICS, DECISIONS, ORDERS)


#: The steps of allocations (seed 003), each with what one transaction of the step before has said. Their partitions are
#: `allocations.partitions`.
ALLOCATION_TOPICS = (
    TopicSpec(messages.SLICES, "rebalance and slice"),
    TopicSpec(messages.ROUTED, "rebalance_id"),
    TopicSpec(messages.BLOCK_ORDERS, "block_order_id"),
    TopicSpec(messages.MARKET_ORDERS, "block_order_id"),
    TopicSpec(messages.OPENINGS, "block_order_id"),
    TopicSpec(messages.EXECUTIONS, "block_order_id"),
    TopicSpec(messages.PARTS, "block order and part"),
    TopicSpec(messages.BOOKINGS, "bucket"),
    TopicSpec(messages.CLOSED, "rebalance_id"),
    TopicSpec(messages.CLOSINGS, "rebalance_id"),
)


def allocation_topics(partitions: int) -> list[TopicSpec]:
    """The topics of allocations, with so many partitions each."""
    return [replace(topic, partitions=partitions) for topic in ALLOCATION_TOPICS]


def domain_heartbeat_topic(domain: str) -> TopicSpec:
    """Where the connector of a domain says that it lives."""
    return heartbeat_topic(f"{'executions' if domain == 'trades' else 'steps'}-{domain}")


def signals_changelog(app_id: str) -> TopicSpec:
    """The windows of the signal processor, and how far it has come."""
    return TopicSpec(f"{app_id}-signals-changelog", "symbol", _TRADING_PARTITIONS, {"cleanup.policy": "compact"})


def parked_decisions_topic(region: str) -> TopicSpec:
    """Where decisions wait while the region of their symbol is down."""
    return TopicSpec(f"trading.parked-decisions.{region}", "symbol", _TRADING_PARTITIONS)


def parked_orders_topic(region: str) -> TopicSpec:
    """Where events of orders wait while their region is down."""
    return TopicSpec(f"trading.parked-orders.{region}", "aggregate_id, the order", _TRADING_PARTITIONS)


def orders_heartbeat_topic(region: str) -> TopicSpec:
    """Where the connector of the region's outbox says that it lives."""
    return heartbeat_topic(f"orders-{region}")


def parked_traces_topic(region: str) -> TopicSpec:
    """Where the events of code generation wait while their region is down."""
    config = {"retention.ms": _WEEK_MS, "max.message.bytes": "9437184"}
    return TopicSpec(f"omninode_codegen_parked.{region}", "session_id", _TRACE_PARTITIONS, config)


def heartbeat_topic(region: str) -> TopicSpec:
    """Where the region's connector says that it lives."""
    return TopicSpec(f"__debezium-heartbeat.{region}", "the connector", 1, {"retention.ms": "3600000"})


def parked_topic(region: str) -> TopicSpec:
    """Where records of requests wait while their region is down."""
    return TopicSpec(f"acct-mgmt.parked.{region}", "request_id")


def parked_notices_topic(region: str) -> TopicSpec:
    """Where the events that notices are made of wait while their region is down."""
    return TopicSpec(f"acct-mgmt.parked-notices.{region}", "request_id")


def changelog_topic(app_id: str, table: str) -> TopicSpec:
    """The changelog of a table: co-partitioned with the topics that feed it, and compacted."""
    return TopicSpec(f"{app_id}-{table}-changelog", "request_id", KEYED, {"cleanup.policy": "compact"})
