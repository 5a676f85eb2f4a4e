"""How trading is wired into a worker: each of its roles, and what keeps the outbox in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from functools import partial

from streams_app.background import named, repeating
from streams_app.changefeed import RecordLike
from streams_app.databases import Databases
from streams_app.databases.slots import show_slots
from streams_app.delivery.batches import BatchProcessor
from streams_app.delivery.events import NoVersions
from streams_app.delivery.ports import DeadLetterSink, Handler
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.parking import TopicParkingLot
from streams_app.kafka.transactional_producer import Output
from streams_app.kafka.transactions import Cluster, KafkaCluster, TransactionalProcessor
from streams_app.kafka.untransacted import UntransactedCluster
from streams_app.settings import Settings
from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.exchange import HttpExchange
from streams_app.systems.trading.executor import OrderExecutor
from streams_app.systems.trading.messages import write_decision
from streams_app.systems.trading.order_manager import OrderManager
from streams_app.systems.trading.outbox import ensure_days
from streams_app.systems.trading.processor import step
from streams_app.systems.trading.store import OrderStore
from streams_app.topics import (
    DEAD_LETTERS,
    DECISIONS,
    ORDERS,
    SIGNAL_TOPICS,
    TopicSpec,
    parked_decisions_topic,
    parked_orders_topic,
    signals_changelog,
)

SIGNALS = "signals"
CLUSTERS: dict[str, Callable[[str], Cluster]] = {"exactly_once": KafkaCluster, "at_least_once": UntransactedCluster}
# Seconds between looks at the days ahead, and at the slots.
DAYS_INTERVAL = 3600.0
SLOTS_INTERVAL = 15.0
# Orders of one batch are written down together, when the exchange has answered for all of them.
EXECUTED_AT_ONCE = 200


def add_trading(app: StreamsApp, settings: Settings, databases: Databases, letters: DeadLetterSink) -> None:
    """Declare the agents of the roles that the settings name."""
    trading, store = settings.trading, OrderStore(databases)
    if "processor" in trading.roles:
        _add_processor(app, settings)
    if "order_manager" in trading.roles:
        manager = OrderManager(store, databases.regions, trading)
        _add_handler(app, settings, databases, letters, manager, DECISIONS, parked_decisions_topic)
        for region in databases.regions.names:
            days = named("days of the outbox", partial(ensure_days, databases, region, trading.outbox_days_ahead))
            slots = named("slots", partial(show_slots, databases, region, trading.slot_lag_alert))
            app.task(repeating(app, days, region, DAYS_INTERVAL))
            app.task(repeating(app, slots, region, SLOTS_INTERVAL))
    if "executor" in trading.roles:
        exchange = HttpExchange(trading)
        app.before_start.append(exchange.open)
        app.after_stop.append(exchange.close)
        executor = OrderExecutor(store, databases.regions, exchange)
        small = settings.model_copy(update={"batch_size": min(settings.batch_size, EXECUTED_AT_ONCE)})
        _add_handler(app, small, databases, letters, executor, ORDERS, parked_orders_topic, lambda: executor.is_waiting)


def _add_processor(app: StreamsApp, settings: Settings) -> None:
    trading = settings.trading
    processor = TransactionalProcessor(
        CLUSTERS[trading.guarantee](settings.broker_url),
        settings.app_id,
        SIGNALS,
        deciding(trading),
        changelog=signals_changelog(settings.app_id).name,
        dead_letters=DEAD_LETTERS.name,
    )
    (lane,) = app.batch_agent(SIGNALS, SIGNAL_TOPICS, processor.process, settings, together=True)
    lane.on_reset = processor.clear
    app.after_stop.append(processor.close)


def deciding(trading: TradingSettings) -> Callable[[RecordLike, MutableMapping[bytes, bytes]], Iterable[Output]]:
    """The signal processor's step, and where its decisions go."""

    def decide(record: RecordLike, state: MutableMapping[bytes, bytes]) -> list[Output]:
        decision = step(record, state, trading)
        if decision is None:
            return []
        return [Output(DECISIONS.name, decision.symbol.encode(), write_decision(decision))]

    return decide


def _add_handler(
    app: StreamsApp,
    settings: Settings,
    databases: Databases,
    letters: DeadLetterSink,
    handler: Handler,
    topic: TopicSpec,
    parked: Callable[[str], TopicSpec],
    waits: Callable[[], bool] = lambda: False,
) -> None:
    # What the database knows by its identity needs no order: a backlog need not go through the parking lot.
    parking = TopicParkingLot(app, {name: parked(name) for name in settings.regions}, databases.is_down, in_order=False)
    processors = [BatchProcessor(handler, NoVersions(), letters, parking) for _ in range(settings.lanes)]
    app.batch_agent(handler.system, [topic], processors, settings, waits=waits)
    parking.drain_into(lambda: BatchProcessor(handler, NoVersions(), letters), settings)
