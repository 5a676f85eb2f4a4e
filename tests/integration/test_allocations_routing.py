"""From accounts to block orders at the market, on real databases: each step by hand, done again, and cancelled."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
import pytest
from click.testing import CliRunner

from streams_app.allocation_settings import DOMAINS
from streams_app.databases import Databases, Statements
from streams_app.databases.domains import domain_databases
from streams_app.delivery.events import Event
from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.allocations import commands, loading, messages, opening
from streams_app.systems.allocations.blocker import Blocker
from streams_app.systems.allocations.criteria import Criteria, read_criteria
from streams_app.systems.allocations.generate.accounts import Scale
from streams_app.systems.allocations.groups import put_groups
from streams_app.systems.allocations.messages import rebalance_cancelled
from streams_app.systems.allocations.oms import Oms
from streams_app.systems.allocations.planning import Rebalance, begin, cancel, progress_of
from streams_app.systems.allocations.quotes import Quotes, latest_day
from streams_app.systems.allocations.router import Router
from streams_app.systems.allocations.steps import Step
from streams_app.systems.tracking.publisher import TrackedPublisher
from tests.fix_stack import eventually

pytestmark = pytest.mark.stack

SMALL = Scale(accounts=60, securities=30, days=5, positions=10, models=3, buckets=4)
A_DAY, NO_DAY = date(2026, 1, 2), date(2020, 1, 1)
FILES = sorted((Path(__file__).parents[2] / "streams_app" / "systems" / "allocations").glob("*.sql"))


def nothing(*_: int) -> None:
    """Hears of progress."""


@pytest.fixture(scope="module")
def world(domain_settings: Settings) -> Settings:
    """The settings of domains that hold 60 accounts in slices of at most 10."""

    async def load() -> None:
        async with domain_databases(domain_settings) as databases:
            await loading.load(databases, SMALL, nothing)

    asyncio.run(load())
    small = domain_settings.allocations.model_copy(update={"slice_accounts": 10, "buckets": SMALL.buckets})
    return domain_settings.model_copy(update={"allocations": small})


async def ask(databases: Databases, domain: str, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async with databases.connection(domain) as connection:
        return await (await connection.execute(sql.encode(), arguments)).fetchall()


class World:
    """The steps of routing, and the events between them."""

    def __init__(self, databases: Databases, settings: Settings) -> None:
        self.databases = databases
        self.settings = settings
        quotes = Quotes(databases)
        self.publisher = TrackedPublisher("planner", settings)
        self.router, self.blocker, self.oms = Router(quotes, settings.allocations), Blocker(), Oms(quotes)

    async def begin(self, group: str = "all") -> Rebalance:
        day = await latest_day(self.databases)
        return await begin(self.databases, self.publisher, group, day, self.settings.allocations)

    async def planned(self, rebalance_id: UUID) -> list[Any]:
        """The payloads that the planner published of a rebalance, slices and cancel apart."""
        sql = "SELECT topic, payload FROM event_production_log WHERE correlation_id = %s ORDER BY id"
        return [payload for _, payload in await ask(self.databases, "holdings", sql, str(rebalance_id))]

    async def cancel(self, rebalance_id: UUID) -> Any:
        """Cancel a rebalance; returns the event's payload."""
        assert await cancel(self.databases, self.publisher, rebalance_id)
        return (await self.planned(rebalance_id))[-1]

    async def run(self, step: Step, payloads: Sequence[Any]) -> list[Event]:
        """One unit of work."""
        async with self.databases.transaction(step.domain) as connection:
            return list(await step.work(connection, payloads))

    async def routed(self, rebalance_id: UUID) -> list[Any]:
        """Route all slices; returns their payloads for the blocker."""
        return [e.payload for e in await self.run(self.router, await self.planned(rebalance_id))]

    async def statuses(self, rebalance_id: UUID) -> tuple[str, Counter[tuple[str, bool]]]:
        """The status of a rebalance in orders, and its block orders by status and whether they are cancelled."""
        sql = "SELECT status FROM orders.rebalance WHERE rebalance_id = %s"
        [(status,)] = await ask(self.databases, "orders", sql, rebalance_id)
        sql = "SELECT status, is_cancelled FROM orders.block_order WHERE rebalance_id = %s"
        return status, Counter(await ask(self.databases, "orders", sql, rebalance_id))


@pytest.fixture
def steps(world: Settings, domains: Databases) -> World:
    """The steps, on loaded domains."""
    return World(domains, world)


def of_topic(events: Sequence[Event], topic: str) -> list[Any]:
    return [event.payload for event in events if event.topic == topic]


def placed(events: Sequence[Event]) -> list[int]:
    """What the events say of how many block orders there are."""
    return [p["blocks"] for p in of_topic(events, messages.CLOSINGS) if p["type"] == messages.BLOCKS_PLACED]


async def test_a_second_load_says_how_to_go_on(steps: World) -> None:
    with pytest.raises(StartError, match="--reset"):
        await loading.load(steps.databases, SMALL, nothing)
    assert await ask(steps.databases, "holdings", "SELECT count(*), min(account_id) FROM holdings.account") == [(60, 1)]
    sql = "SELECT count(*) FROM holdings.model_target GROUP BY model_id HAVING sum(weight) = 1"
    assert await ask(steps.databases, "holdings", sql) == [(10,)] * 3


async def test_accounts_become_block_orders_at_the_market_and_all_sums_agree(steps: World) -> None:
    begun = await steps.begin()
    assert (begun.accounts, begun.slices) == (60, 8)  # 15 accounts in each of 4 buckets
    routed = await steps.routed(begun.rebalance_id)
    made = await steps.run(steps.blocker, routed)
    blocks = of_topic(made, messages.BLOCK_ORDERS)
    sent = await steps.run(steps.oms, blocks)

    sql = """
        SELECT block_order_id, security_id, side, sum(quantity)::int8, count(*)
          FROM holdings.customer_order WHERE rebalance_id = %s GROUP BY 1, 2, 3 ORDER BY 1
    """
    wanted = await ask(steps.databases, "holdings", sql, begun.rebalance_id)
    sql = """
        SELECT block_order_id, security_id, side, quantity, accounts
          FROM orders.block_order WHERE rebalance_id = %s AND status = 'SENT' ORDER BY 1
    """
    assert wanted == await ask(steps.databases, "orders", sql, begun.rebalance_id) != []
    assert placed(made) == [len(wanted)] == [len(blocks)]
    prices = dict(await ask(steps.databases, "market", "SELECT security_id, open_price FROM market.daily_price "
                            "WHERE trading_day = %s", await latest_day(steps.databases)))  # fmt: skip
    for topic in messages.MARKET_ORDERS, messages.OPENINGS:
        told = {UUID(p["block_order_id"]): p for p in of_topic(sent, topic)}
        assert {(key, p["security_id"], p["side"], p["quantity"], p["market_price"]) for key, p in told.items()} == {
            (key, security, side, shares, str(prices[security])) for key, security, side, shares, _ in wanted
        }
    [progress] = await progress_of(steps.databases, 1, begun.rebalance_id)
    assert (progress.routed, progress.orders, progress.status) == (8, sum(row[4] for row in wanted), "RUNNING")


async def test_nobody_sells_what_he_has_not_and_orders_are_whole_lots(steps: World) -> None:
    begun = await steps.begin()
    await steps.routed(begun.rebalance_id)
    sql = """
        SELECT o.quantity - p.quantity
          FROM holdings.customer_order o
          LEFT JOIN holdings.position p USING (bucket, account_id, security_id)
         WHERE o.rebalance_id = %s AND o.side = 'SELL'
    """
    assert all(more <= 0 for (more,) in await ask(steps.databases, "holdings", sql, begun.rebalance_id))
    lots = dict(await ask(steps.databases, "reference", "SELECT security_id, lot_size FROM reference.security"))
    sql = "SELECT security_id, quantity FROM holdings.customer_order WHERE rebalance_id = %s"
    assert all(q % lots[key] == 0 for key, q in await ask(steps.databases, "holdings", sql, begun.rebalance_id))


async def test_a_step_that_is_done_again_after_a_crash_says_the_same_and_then_nothing_more(
    steps: World,
) -> None:
    begun = await steps.begin()
    payloads = await steps.planned(begun.rebalance_id)
    for step in steps.router, steps.blocker, steps.oms:
        before: list[Event] = []
        async with steps.databases.transaction(step.domain) as connection:
            before += await step.work(connection, payloads)
            raise psycopg.Rollback
        events = await steps.run(step, payloads)
        assert events == before != []
        assert await steps.run(step, payloads) == []
        payloads = [e.payload for e in events if e.topic in (messages.ROUTED, messages.BLOCK_ORDERS)]
    assert (await steps.statuses(begun.rebalance_id))[0] == "PLACED"


async def test_slices_one_by_one_make_the_same_block_orders_as_all_at_once(steps: World) -> None:
    quantities = []
    for size in 1, 100:
        begun = await steps.begin()
        slices = await steps.planned(begun.rebalance_id)
        routed = []
        for start in range(0, len(slices), size):
            routed += [e.payload for e in await steps.run(steps.router, slices[start : start + size])]
        answers = [
            placed(await steps.run(steps.blocker, routed[start : start + size]))
            for start in reversed(range(0, len(routed), size))
        ]
        assert [bool(answer) for answer in answers] == [False] * (len(answers) - 1) + [True]
        sql = (
            "SELECT security_id, side, quantity, accounts FROM orders.block_order WHERE rebalance_id = %s ORDER BY 1, 2"
        )
        quantities.append(await ask(steps.databases, "orders", sql, begun.rebalance_id))
    assert quantities[0] == quantities[1] != []


async def test_a_cancelled_rebalance_routes_nothing_more(steps: World) -> None:
    begun = await steps.begin()
    first, *others = await steps.planned(begun.rebalance_id)
    [early] = await steps.run(steps.router, [first])
    cancelled = await steps.cancel(begun.rebalance_id)
    assert await steps.run(steps.router, others) == []
    events = await steps.run(steps.blocker, [cancelled])
    assert placed(events) == [0]
    assert len(events) == 1
    assert await steps.run(steps.blocker, [early.payload]) == []
    assert await steps.statuses(begun.rebalance_id) == ("CANCELLED", Counter())
    [progress] = await progress_of(steps.databases, 1, begun.rebalance_id)
    assert (progress.status, progress.routed) == ("CANCELLING", begun.slices)


Order = Callable[[list[Any], Any], list[list[Any]]]
BEFORE: dict[str, Order] = {
    "first of all": lambda slices, cancelled: [[cancelled], slices],
    "between slices": lambda slices, cancelled: [slices[:3], [cancelled], slices[3:]],
    "in one call, first": lambda slices, cancelled: [[cancelled, *slices]],
    "in one call, last": lambda slices, cancelled: [[*slices, cancelled]],
}


@pytest.mark.parametrize("order", BEFORE.values(), ids=list(BEFORE))
async def test_a_cancel_before_the_last_slice_ends_it_without_block_orders(steps: World, order: Order) -> None:
    begun = await steps.begin()
    slices = await steps.routed(begun.rebalance_id)
    cancelled = await steps.cancel(begun.rebalance_id)
    events = [event for call in order(slices, cancelled) for event in await steps.run(steps.blocker, call)]
    assert placed(events) == [0]
    assert len(events) == 1
    assert await steps.statuses(begun.rebalance_id) == ("CANCELLED", Counter())


async def test_a_cancel_after_the_last_slice_reaches_every_block_order_where_it_is(steps: World) -> None:
    begun = await steps.begin()
    made = await steps.run(steps.blocker, await steps.routed(begun.rebalance_id))
    blocks = of_topic(made, messages.BLOCK_ORDERS)
    await steps.run(steps.oms, blocks[:5])
    events = await steps.run(steps.blocker, [await steps.cancel(begun.rebalance_id)])

    at_market = {p["block_order_id"] for p in of_topic(events, messages.MARKET_ORDERS)}
    assert at_market == {p["block_order_id"] for p in blocks[:5]}
    ended = {p["block_order_id"]: (p["executed"], p["amount"], p["version"]) for p in of_topic(events, messages.CLOSED)}
    assert ended == {p["block_order_id"]: (0, "0", 0) for p in blocks[5:]}
    assert {p["block_order_id"] for p in of_topic(events, messages.CLOSINGS)} == set(ended)
    assert await steps.run(steps.oms, blocks) == []
    assert await steps.run(steps.blocker, [rebalance_cancelled(begun.rebalance_id, begun.slices, A_DAY).payload]) == []
    counts = Counter({("SENT", True): 5, ("CANCELLED", True): len(blocks) - 5})
    assert await steps.statuses(begun.rebalance_id) == ("PLACED", counts)


@pytest.mark.parametrize("cancel_first", [True, False], ids=["the cancel is first", "the oms is first"])
async def test_a_block_order_is_sent_or_ended_never_both_when_its_cancel_comes_meanwhile(
    steps: World, cancel_first: bool
) -> None:
    begun = await steps.begin()
    made = await steps.run(steps.blocker, await steps.routed(begun.rebalance_id))
    blocks = of_topic(made, messages.BLOCK_ORDERS)
    units: list[tuple[Step, list[Any]]] = [
        (steps.blocker, [await steps.cancel(begun.rebalance_id)]),
        (steps.oms, blocks),
    ]
    (first, of_first), (second, of_second) = units if cancel_first else reversed(units)
    async with steps.databases.transaction("orders") as connection:
        events = list(await first.work(connection, of_first))
        later = asyncio.create_task(steps.run(second, of_second))
        await eventually(lambda: somebody_waits(steps.databases))
    events += await later
    at_market = of_topic(events, messages.MARKET_ORDERS)
    assert len(at_market) == (0 if cancel_first else 2 * len(blocks))  # an order, and its cancel
    assert len(of_topic(events, messages.CLOSED)) == (len(blocks) if cancel_first else 0)
    counts = Counter({("CANCELLED" if cancel_first else "SENT", True): len(blocks)})
    assert await steps.statuses(begun.rebalance_id) == ("PLACED", counts)


async def somebody_waits(databases: Databases) -> bool:
    """Somebody waits for a row of orders."""
    sql = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(await ask(databases, "orders", sql))


async def test_a_rebalance_in_which_nobody_has_drifted_is_over_at_once(steps: World) -> None:
    await put_groups(steps.databases, {"patient": read_criteria({"drift": "0.99"})})
    begun = await steps.begin("patient")
    events = await steps.run(steps.blocker, await steps.routed(begun.rebalance_id))
    assert placed(events) == [0]
    assert len(events) == 1
    assert await steps.statuses(begun.rebalance_id) == ("CLOSED", Counter())


GROUPS: dict[str, tuple[dict[str, Any], str]] = {
    "segments": ({"segments": ["private", "institutional"]}, "segment IN ('private', 'institutional')"),
    "risk": ({"risk": [2, 3]}, "risk IN (2, 3)"),
    "models": ({"models": [1, 3]}, "model_id <> 2"),
    "buckets": ({"buckets": [0]}, "mod(account_id, 4) = 0"),
    "cash": ({"min_cash": 3000, "max_cash": "9000.50"}, "cash BETWEEN 3000 AND 9000.50"),
    "all of them": ({"risk": [1, 4], "models": [2], "min_cash": 1}, "risk < 5 AND model_id = 2"),
}


@pytest.mark.parametrize(("data", "condition"), GROUPS.values(), ids=list(GROUPS))
async def test_a_group_takes_the_accounts_that_fit(steps: World, data: dict[str, Any], condition: str) -> None:
    await put_groups(steps.databases, {"some": read_criteria(data | {"drift": 0})})
    begun = await steps.begin("some")
    [(expected,)] = await ask(steps.databases, "holdings", f"SELECT count(*) FROM holdings.account WHERE {condition}")
    assert 0 < begun.accounts == expected < 60
    await steps.routed(begun.rebalance_id)
    sql = f"""
        SELECT count(DISTINCT account_id), count(DISTINCT account_id) FILTER (WHERE {condition})
          FROM holdings.customer_order JOIN holdings.account USING (bucket, account_id) WHERE rebalance_id = %s
    """
    assert await ask(steps.databases, "holdings", sql, begun.rebalance_id) == [(expected, expected)]


async def test_a_group_may_take_those_who_hold_a_security(steps: World) -> None:
    [(symbol,)] = await ask(steps.databases, "reference", "SELECT symbol FROM reference.security WHERE security_id = 7")
    await put_groups(steps.databases, {"holders": Criteria(holds=(symbol,))})
    sql = "SELECT count(*) FROM holdings.position WHERE security_id = 7"
    assert [((await steps.begin("holders")).accounts,)] == await ask(steps.databases, "holdings", sql)


async def test_what_cannot_begin_says_why(steps: World) -> None:
    await put_groups(
        steps.databases, {"rich": read_criteria({"min_cash": 10**12}), "odd": read_criteria({"holds": ["QQQ"]})}
    )
    for group, words in ("rich", "no account fits"), ("odd", "QQQ: no such security"), ("none", "no group 'none'"):
        with pytest.raises(StartError, match=words):
            await steps.begin(group)
    with pytest.raises(StartError, match="no prices of 2020-01-01"):
        await begin(steps.databases, steps.publisher, "all", NO_DAY, steps.settings.allocations)
    assert not await cancel(steps.databases, steps.publisher, uuid4())


@pytest.fixture
def command(world: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command of the group."""
    monkeypatch.setattr(opening, "load_settings", lambda: world)
    monkeypatch.setattr(commands, "publisher_factory", lambda settings: TrackedPublisher("planner", settings))

    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(commands.allocations_group, arguments)
        assert result.exit_code == status, result.output
        return result.output

    return run


def test_groups_and_rebalances_are_managed_by_commands(command: Callable[..., str]) -> None:
    assert "risk" in command("groups", "add", "bold", "--risk", "4-5", "--model", "1", "--model", "2", "--drift", "0")
    assert "expected two numbers from 1 to 5" in command("groups", "add", "bold", "--risk", "4-9", status=2)
    assert "conservative" in command("groups", "load")
    found = orjson.loads(command("groups", "--json"))
    assert found["bold"] == {"risk": [4, 5], "models": [1, 2], "drift": "0"}
    assert found["all"] == {}
    begun = orjson.loads(command("rebalance", "--group", "bold", "--json"))
    assert begun["rebalance_id"] in command("rebalances")
    assert "is being cancelled" in command("cancel", begun["rebalance_id"])
    [newest] = orjson.loads(command("rebalances", "--limit", "1", "--json"))
    assert (newest["group"], newest["status"], newest["accounts"]) == ("bold", "CANCELLING", begun["accounts"])
    command("groups", "remove", "bold")
    assert "no group 'bold'" in command("rebalance", "--group", "bold", status=1)
    assert "no group 'bold'" in command("groups", "remove", "bold", status=1)


def test_a_reset_load_leaves_new_data_and_the_groups(command: Callable[..., str]) -> None:
    command("groups", "add", "kept", "--bucket", "1")
    command("rebalance")
    arguments = "--accounts", "5", "--securities", "4", "--positions", "2", "--days", "2", "--models", "1"
    assert "--reset" in command("load", *arguments, status=1)
    loaded = orjson.loads(command("load", *arguments, "--reset", "--json"))
    assert (loaded["accounts"], loaded["prices"]) == (5, 8)
    assert command("rebalances", "--json").strip() == "[]"
    assert "kept" in command("groups")


def test_no_statement_crosses_domains() -> None:
    for path in FILES:
        statements = Statements(path)
        for name in statements.names():
            domains = set(re.findall(rf"\b({'|'.join(DOMAINS)})\.\w", statements[name].decode()))
            assert len(domains) <= 1, f"{path.name}: {name}: {domains}"
