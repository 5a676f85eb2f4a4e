"""Orders and their events on real databases: one transaction, once, whatever becomes of the commit; and the proof."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from deploy.local import Stack
from streams_app.databases import Databases
from streams_app.databases.slots import slots_of
from streams_app.settings import Settings
from streams_app.systems.trading.model import Execution, Order, OrderStatus, Side, named
from streams_app.systems.trading.outbox import ensure_days
from streams_app.systems.trading.store import OrderStore
from streams_app.systems.trading.verify import verify
from tests.fix_stack import administrator
from tests.integration.sql_proxy import FAULTS, Fault, Plan, behind_proxy

pytestmark = pytest.mark.stack

# Symbols, and where their orders live.
REGION, SYMBOL = "us-east", "NQ"


def order(**changed: Any) -> Order:
    """A new order."""
    decision = uuid4()
    name = f"ord-{decision.hex}"
    made = Order(
        named("order", name), name, decision, named("OrderCreated", name), SYMBOL, Side.SELL, 4,
        Decimal("4321.25"), Decimal("0.7812"),
    )  # fmt: skip
    return replace(made, **changed)


@pytest.fixture
def plan() -> Plan:
    """What the proxy will do."""
    return Plan()


@pytest.fixture
def proxied(fresh_settings: Settings, plan: Plan) -> Iterator[Settings]:
    """Settings that reach one region through the proxy."""
    with behind_proxy(fresh_settings, REGION, plan) as settings:
        yield settings


@pytest.fixture
async def store(proxied: Settings) -> AsyncIterator[OrderStore]:
    """The store, behind the proxy."""
    async with Databases(proxied) as databases:
        yield OrderStore(databases)


async def rows(databases: Databases, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async with databases.connection(REGION) as connection:
        return await (await connection.execute(sql.encode(), arguments)).fetchall()


async def test_an_order_and_its_event_are_written_together_and_once(
    fresh_databases: Databases, store: OrderStore
) -> None:
    made = [order() for _ in range(3)]
    assert await store.add(REGION, [*made, made[0]]) == {each.order_id for each in made}
    assert await store.add(REGION, made) == set()
    for each in made:
        sql = "SELECT qty, price, confidence, status FROM app.orders WHERE id = %s"
        assert await rows(fresh_databases, sql, each.order_id) == [(4, each.price, each.confidence, "NEW")]
        sql = """
            SELECT event_id, type, payload->>'client_order_id', occurred_at_ms, occurred_at_utc,
                   floor(extract(epoch FROM occurred_at) * 1000)::int8, (occurred_at AT TIME ZONE 'UTC')::timestamp(3)
              FROM app.outbox WHERE aggregate_id = %s
        """
        [(event_id, kind, name, *times)] = await rows(fresh_databases, sql, each.order_id)
        assert (event_id, kind, name) == (each.event_id, "OrderCreated", each.client_order_id)
        milliseconds, utc, expected, expected_utc = times
        assert abs(milliseconds - expected) <= 1
        assert utc == expected_utc


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_whatever_becomes_of_the_commit_an_order_is_there_once_and_goes_on(
    fresh_databases: Databases, store: OrderStore, plan: Plan, fault: Fault
) -> None:
    made = order()
    plan.faults = [fault, fault]
    await store.add(REGION, [made])
    assert plan.faults == []
    assert await rows(fresh_databases, "SELECT count(*) FROM app.orders WHERE id = %s", made.order_id) == [(1,)]
    assert await rows(fresh_databases, "SELECT count(*) FROM app.outbox WHERE event_id = %s", made.event_id) == [(1,)]
    plan.faults = [fault]
    taken = await store.take_up(REGION, {made.order_id: made.event_id})
    # Where the first commit was done, the order was SENT when it was looked at again: the exchange is asked first.
    assert taken[made.order_id].status in (OrderStatus.NEW, OrderStatus.SENT)
    plan.faults = [fault]
    filled = Execution(made.client_order_id, OrderStatus.FILLED, "x-1", 3, Decimal("4321.5"))
    await store.finish(REGION, {made.order_id: filled})
    await store.finish(REGION, {made.order_id: replace(filled, quantity=1)})
    sql = "SELECT status, exchange_order_id, filled_qty, filled_price FROM app.orders WHERE id = %s"
    assert await rows(fresh_databases, sql, made.order_id) == [("FILLED", "x-1", 3, filled.price)]


async def test_an_order_is_taken_up_for_one_event(fresh_databases: Databases, store: OrderStore) -> None:
    made, other = order(), uuid4()
    await store.add(REGION, [made])
    first = await store.take_up(REGION, {made.order_id: made.event_id})
    second = await store.take_up(REGION, {made.order_id: other, uuid4(): other})
    assert first[made.order_id].status is OrderStatus.NEW
    assert [(each.status, each.taken_up_by) for each in second.values()] == [(OrderStatus.SENT, made.event_id)]


async def test_a_rejected_order_keeps_its_reason(fresh_databases: Databases, store: OrderStore) -> None:
    made = order()
    await store.add(REGION, [made])
    await store.take_up(REGION, {made.order_id: made.event_id})
    rejected = Execution(made.client_order_id, OrderStatus.REJECTED, "x-2", reason="no margin")
    assert await store.finish(REGION, {made.order_id: rejected}) == {made.order_id}
    sql = "SELECT status, filled_qty, reject_reason FROM app.orders WHERE id = %s"
    assert await rows(fresh_databases, sql, made.order_id) == [("REJECTED", None, "no margin")]


async def test_days_ahead_are_made_once(fresh_databases: Databases) -> None:
    assert len(await ensure_days(fresh_databases, REGION, 16)) == 2
    assert await ensure_days(fresh_databases, REGION, 16) == []


async def test_slots_of_the_database_are_seen(databases: Databases) -> None:
    found = {slot.name: slot for slot in await slots_of(databases, REGION)}
    assert found["requests_us_east"].active
    assert not found["requests_us_east"].lost
    assert found["requests_us_east"].lag >= 0


async def offended(settings: Settings) -> set[str]:
    report = await verify(settings, grace=0, samples=3)
    return {finding.check.name for finding in report.findings if finding.violations}


PLANTS = {
    "orders_live_in_their_region": "UPDATE app.orders SET symbol = 'ES' WHERE id = %(id)s",
    "orders_have_events": "DELETE FROM app.outbox WHERE aggregate_id = %(id)s",
    "events_have_orders": "DELETE FROM app.orders WHERE id = %(id)s",
    "events_are_written_once": """
        INSERT INTO app.outbox (region, event_id, aggregate_type, aggregate_id, type, payload, occurred_at)
        SELECT region, event_id, aggregate_type, aggregate_id, type, payload, occurred_at - interval '1 ms'
          FROM app.outbox WHERE aggregate_id = %(id)s
    """,
    "orders_are_executed": """
        UPDATE app.orders SET status = 'SENT', exchange_order_id = NULL, filled_qty = NULL, filled_price = NULL
         WHERE id = %(id)s
    """,
}


async def test_each_thing_that_can_be_wrong_in_the_databases_is_found(
    stack: Stack, fresh_settings: Settings, fresh_databases: Databases, store: OrderStore
) -> None:
    with administrator(
        fresh_settings, stack, fresh_settings.regions[REGION].server, fresh_settings.database.name
    ) as connection:
        connection.execute("TRUNCATE app.orders, app.outbox")
        for check, plant in PLANTS.items():
            made = order()
            await store.add(REGION, [made])
            await store.take_up(REGION, {made.order_id: made.event_id})
            done = Execution(made.client_order_id, OrderStatus.FILLED, "x", 4, Decimal(1))
            await store.finish(REGION, {made.order_id: done})
            assert await offended(fresh_settings) == set()
            connection.execute(plant.encode(), {"id": made.order_id})
            assert await offended(fresh_settings) == {check}
            connection.execute("TRUNCATE app.orders, app.outbox")
