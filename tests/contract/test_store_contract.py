"""What every store of the requests system does, in memory or in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from streams_app.databases import Regions, locality_of
from streams_app.databases.connecting import connect_arguments
from streams_app.settings import Settings
from streams_app.systems.requests.model import (
    Account,
    AccountChange,
    AccountLink,
    Decision,
    Head,
    Request,
    RequestType,
    Signal,
    SignalKind,
    Status,
    Trade,
    Transition,
)
from streams_app.systems.requests.orchestrator import Orchestrator
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.workflow import load_workflows
from tests.contract.memory_store import key_of
from tests.contract.stages import MemoryStage, PostgresStage, Stage, read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
REGION = "us-central"
LOCALITIES = {"us-east": (0, 9), "us-central": (10, 19), "us-west": (20, 29)}
TABLES = (
    "account_info, account_number_claim, request_info, request_account_link, trade_info, request_event_log, "
    "request_status_head, request_signal"
)
WORKFLOWS = Path(__file__).parents[2] / "config" / "workflows.toml"
VALIDATE, REVIEW, APPROVAL, UPDATE = 2001, 2002, 2003, 2004


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.stack)])
def stage(request: pytest.FixtureRequest) -> Stage:
    if request.param == "memory":
        return MemoryStage(Regions(LOCALITIES))
    settings: Settings = request.getfixturevalue("fresh_settings")
    for region in settings.regions.values():
        with psycopg.connect(**connect_arguments(settings.database, region.server, "owner")) as connection:
            connection.execute(f"TRUNCATE {TABLES}")
    return PostgresStage(request.getfixturevalue("fresh_databases"))


def account_id_in(region: str) -> UUID:
    regions = Regions(LOCALITIES)
    return next(i for i in iter(uuid4, None) if regions.of_account(i) == region)


def an_account(region: str = REGION, **values: Any) -> Account:
    account_id = account_id_in(region)
    plain = Account(
        account_id,
        locality_of(account_id),
        "ACCT-1",
        "An account",
        "Growth",
        "USD",
        "ACTIVE",
        "LOW",
        "a@example.com",
        "EMAIL",
        frozenset({"VIEW"}),
        1,
    )
    return replace(plain, **values)


def a_request(account: Account, type_id: int = RequestType.ACCOUNT_PROFILE_UPDATE, **values: Any) -> Request:
    plain = Request(
        uuid4(),
        account.locality,
        type_id,
        account.account_id,
        Status.PENDING,
        "someone",
        NOW,
        {"changes": {"a": [1, None]}},
    )
    return replace(plain, **values)


def a_trade(account: Account, quantity: str = "5", side: str = "BUY", status: Status = Status.PENDING) -> Trade:
    return Trade(uuid4(), account.account_id, "SYM1", side, Decimal(quantity), Decimal("1.5"), "USD", status)


def a_signal(kind: SignalKind, after: float = 0) -> Signal:
    return Signal(uuid4(), kind, "somebody", NOW + timedelta(seconds=after), {"reason": "why"})


def head_at(link_id: int, seq_num: int, status: Status = Status.IN_PROGRESS, event_ts: datetime = NOW) -> Head:
    return Head(link_id, status, seq_num, event_ts)


def a_step(request: Request, expected_seq: int, link_id: int = REVIEW, **values: Any) -> Transition:
    plain = Transition(
        request.request_id,
        request.locality,
        expected_seq,
        link_id,
        Status.IN_PROGRESS,
        NOW + timedelta(seconds=1),
        "orchestrator",
        f"step-{expected_seq}",
        {"from": "validate"},
    )
    return replace(plain, **values)


def a_change(account: Account, expected_version: int = 1, **values: Any) -> AccountChange:
    return AccountChange(account.account_id, account.locality, expected_version, values)


async def test_a_request_is_read_as_it_was_written(stage: Stage) -> None:
    account, other = an_account(), an_account("us-west", strategy=None, permissions=frozenset())
    request, head = a_request(account), head_at(VALIDATE, 1, Status.PENDING)
    link = AccountLink(other.account_id, "LINKED", Decimal("33.25"))
    trade, signal = a_trade(account, "12.3456"), a_signal(SignalKind.CANCEL)
    await stage.put(request, head, accounts=(account, other), links=(link,), trades=(trade,), signals=(signal,))
    context = await read(stage, request)
    assert (context.request, context.head, context.signals) == (request, head, (signal,))
    assert (context.links, context.trades) == ((link,), (trade,))
    # The linked account lives in another region.
    assert context.accounts == {account.account_id: account, other.account_id: other}


async def test_what_is_not_there_is_missing(stage: Stage) -> None:
    request = a_request(an_account())
    assert await stage.store.load(REGION, [key_of(request)]) == []
    await stage.put(request)
    assert await stage.store.load("us-east", [key_of(request)]) == []
    context = await read(stage, request)
    assert (context.head, context.accounts, context.signals, context.trades) == (None, {}, (), ())
    assert await stage.store.complete(REGION, []) == []
    assert await stage.store.apply(REGION, []) == set()


async def test_signals_wait_oldest_first_until_an_event_applies_them(stage: Stage) -> None:
    account = an_account()
    request = a_request(account)
    late, early = a_signal(SignalKind.CANCEL, 2), a_signal(SignalKind.APPROVE, 1)
    await stage.put(request, head_at(2003, 3), accounts=(account,), signals=(late, early))
    assert (await read(stage, request)).signals == (early, late)
    step = a_step(request, 3, UPDATE, idempotency_key=f"signal-{early.signal_id}")
    assert await stage.store.apply(REGION, [Decision(step)]) == {request.request_id}
    assert (await read(stage, request)).signals == (late,)


async def test_a_step_moves_head_log_and_request(stage: Stage) -> None:
    account = an_account()
    request = a_request(account)
    await stage.put(request, head_at(VALIDATE, 1), accounts=(account,))
    step = a_step(request, 1)
    assert await stage.store.apply(REGION, [Decision(step)]) == {request.request_id}
    context = await read(stage, request)
    assert context.head == Head(REVIEW, Status.IN_PROGRESS, 2, step.event_ts)
    assert context.request.status is Status.IN_PROGRESS
    assert await stage.events(key_of(request)) == [(2, "step-1")]


async def test_a_replayed_step_makes_no_new_row(stage: Stage) -> None:
    account = an_account()
    request, new = a_request(account), a_trade(account)
    await stage.put(request, head_at(VALIDATE, 1), accounts=(account,))
    decision = Decision(a_step(request, 1), a_change(account, strategy="Income"), (new,))
    assert await stage.store.apply(REGION, [decision]) == {request.request_id}
    before = await read(stage, request)
    assert await stage.store.apply(REGION, [decision]) == set()
    assert await read(stage, request) == before
    assert await stage.events(key_of(request)) == [(2, "step-1")]


@pytest.mark.parametrize("seq_num", [1, 3])
async def test_a_step_from_another_head_is_refused(stage: Stage, seq_num: int) -> None:
    account = an_account()
    request, trade = a_request(account), a_trade(account)
    await stage.put(request, head_at(VALIDATE, seq_num), accounts=(account,), trades=(trade,))
    before = await read(stage, request)
    decision = Decision(
        a_step(request, 2), a_change(account, strategy="Income"), (a_trade(account),), trades_status=Status.CANCELLED
    )
    assert await stage.store.apply(REGION, [decision]) == set()
    assert await read(stage, request) == before
    assert await stage.events(key_of(request)) == []


async def test_a_step_without_its_head_is_refused(stage: Stage) -> None:
    request = a_request(an_account())
    await stage.put(request)
    assert await stage.store.apply(REGION, [Decision(a_step(request, 1))]) == set()
    assert (await read(stage, request)).head is None


async def test_the_first_event_makes_the_head_once(stage: Stage) -> None:
    request = a_request(an_account())
    await stage.put(request)
    first = Decision(a_step(request, 0, VALIDATE, status=Status.PENDING, idempotency_key="create"))
    assert await stage.store.apply(REGION, [first]) == {request.request_id}
    assert await stage.store.apply(REGION, [first]) == set()
    assert (await read(stage, request)).head == Head(VALIDATE, Status.PENDING, 1, first.transition.event_ts)
    assert await stage.events(key_of(request)) == [(1, "create")]


async def test_an_account_change_raises_the_version_and_keeps_the_rest(stage: Stage) -> None:
    account = an_account()
    request = a_request(account)
    await stage.put(request, head_at(VALIDATE, 1), accounts=(account,))
    change = a_change(account, account_status="CLOSED", permissions=[], strategy=None, risk_profile="HIGH")
    await stage.store.apply(REGION, [Decision(a_step(request, 1), change)])
    changed = replace(account, status="CLOSED", permissions=frozenset(), strategy=None, risk_profile="HIGH", version=2)
    assert (await read(stage, request)).accounts == {account.account_id: changed}


@pytest.mark.parametrize("exists", [True, False], ids=["moved", "gone"])
async def test_a_step_made_from_another_account_is_refused_and_the_others_stay(stage: Stage, exists: bool) -> None:
    account, other = an_account(version=2), an_account()
    refused, applied = a_request(account), a_request(other)
    await stage.put(refused, head_at(VALIDATE, 1), accounts=(account,) if exists else ())
    await stage.put(applied, head_at(VALIDATE, 1), accounts=(other,))
    decisions = [
        Decision(a_step(refused, 1), a_change(account, 1, strategy="Income"), (a_trade(account),)),
        Decision(a_step(applied, 1), a_change(other, 1, strategy="Income")),
    ]
    before = await read(stage, refused)
    assert await stage.store.apply(REGION, decisions) == {applied.request_id}
    assert await read(stage, refused) == before
    assert await stage.events(key_of(refused)) == []
    after = await read(stage, applied)
    assert after.accounts == {other.account_id: replace(other, strategy="Income", version=2)}


async def test_a_refused_head_leaves_its_account_and_the_other_steps_alone(stage: Stage) -> None:
    account, other = an_account(), an_account()
    refused, applied = a_request(account), a_request(other)
    await stage.put(refused, head_at(VALIDATE, 4), accounts=(account,))
    await stage.put(applied, head_at(VALIDATE, 1), accounts=(other,))
    decisions = [Decision(a_step(refused, 1), a_change(account, strategy="Income")), Decision(a_step(applied, 1))]
    assert await stage.store.apply(REGION, decisions) == {applied.request_id}
    assert (await read(stage, refused)).accounts == {account.account_id: account}
    assert await stage.events(key_of(applied)) == [(2, "step-1")]


@pytest.mark.parametrize(
    ("follow", "stays"),
    [(Status.COMPLETE, {Status.COMPLETE, Status.FAILED, Status.CANCELLED}), (Status.CANCELLED, {Status.FAILED})],
)
async def test_open_trades_follow_their_request_and_settled_ones_are_cancelled_with_it(
    stage: Stage, follow: Status, stays: set[Status]
) -> None:
    account = an_account()
    request, other = a_request(account), a_request(account)
    trades = [a_trade(account, status=status) for status in Status]
    foreign = a_trade(account)
    await stage.put(request, head_at(VALIDATE, 1), accounts=(account,), trades=tuple(trades))
    await stage.put(other, head_at(VALIDATE, 1), trades=(foreign,))
    await stage.store.apply(REGION, [Decision(a_step(request, 1), trades_status=follow)])
    after = {trade.trade_id: trade.status for trade in (await read(stage, request)).trades}
    expected = {t.trade_id: t.status if t.status in stays else follow for t in trades}
    assert after == expected
    assert (await read(stage, other)).trades == (foreign,)


async def test_new_trades_are_there_after_the_step(stage: Stage) -> None:
    account = an_account()
    request, new = a_request(account), (a_trade(account, "0.0001"), a_trade(account, side="SELL"))
    await stage.put(request, head_at(VALIDATE, 1), accounts=(account,))
    await stage.store.apply(REGION, [Decision(a_step(request, 1), new_trades=new)])
    assert set((await read(stage, request)).trades) == set(new)


async def test_the_use_of_a_closing_account(stage: Stage) -> None:
    account = an_account()
    closing = a_request(account, RequestType.ACCOUNT_CLOSE)
    await stage.put(closing, head_at(4001, 1), accounts=(account,))
    assert (await read(stage, closing)).other_open_requests == 0
    bought, sold = (a_trade(account, "5", side, Status.COMPLETE) for side in ("BUY", "SELL"))
    other = an_account()
    linked = a_request(other, RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT)
    links = (AccountLink(account.account_id, "LINKED", Decimal(100)),)
    await stage.put(a_request(account), trades=(bought,))
    await stage.put(a_request(account, status=Status.COMPLETE), trades=(a_trade(account, "7"),))
    await stage.put(linked, accounts=(other,), links=links)
    context = await read(stage, closing)
    assert (context.other_open_requests, context.open_positions) == (2, 1)
    await stage.put(a_request(account, status=Status.FAILED), trades=(sold,))
    assert (await read(stage, closing)).open_positions == 0
    # Only a request that closes an account asks for its use.
    assert (await read(stage, linked)).other_open_requests == 0


async def overdue(stage: Stage, before: dict[int, datetime], headless: datetime, limit: int = 10) -> list[RequestKey]:
    return list(await stage.store.overdue(REGION, before, headless, limit))


async def test_overdue_requests_are_listed_by_their_own_step_oldest_first(stage: Stage) -> None:
    def ago(seconds: float) -> datetime:
        return NOW - timedelta(seconds=seconds)

    account, elsewhere = an_account(), an_account("us-east")
    older, late, in_time, review = (a_request(account) for _ in range(4))
    await stage.put(late, head_at(VALIDATE, 1, event_ts=ago(20)))
    await stage.put(older, head_at(VALIDATE, 1, event_ts=ago(30)))
    await stage.put(in_time, head_at(VALIDATE, 1, event_ts=ago(10)))
    await stage.put(review, head_at(REVIEW, 2, event_ts=ago(20)))
    await stage.put(a_request(account), head_at(VALIDATE, 9, Status.COMPLETE, ago(40)))
    await stage.put(a_request(elsewhere), head_at(VALIDATE, 1, event_ts=ago(40)))
    never = datetime(2000, 1, 1, tzinfo=UTC)
    assert await overdue(stage, {VALIDATE: ago(10)}, never) == [key_of(older), key_of(late)]
    assert await overdue(stage, {VALIDATE: ago(10)}, never, limit=1) == [key_of(older)]
    assert await overdue(stage, {VALIDATE: ago(25), REVIEW: ago(15)}, never) == [key_of(older), key_of(review)]
    assert await overdue(stage, {}, never) == []


async def test_requests_without_a_head_are_listed_when_old(stage: Stage) -> None:
    account = an_account()
    old, young = a_request(account, created_ts=NOW - timedelta(minutes=1)), a_request(account)
    begun = a_request(account, created_ts=NOW - timedelta(minutes=1))
    await stage.put(old)
    await stage.put(young)
    await stage.put(begun, head_at(VALIDATE, 1))
    assert await overdue(stage, {}, NOW - timedelta(seconds=30)) == [key_of(old)]


async def test_unheard_signals_are_listed_where_somebody_listens(stage: Stage) -> None:
    account = an_account()
    heard, early, other, applied = (a_request(account) for _ in range(4))
    approve = a_signal(SignalKind.APPROVE)
    await stage.put(heard, head_at(APPROVAL, 3), signals=(approve,))
    await stage.put(early, head_at(REVIEW, 2), signals=(a_signal(SignalKind.APPROVE),))
    await stage.put(other, head_at(APPROVAL, 3), signals=(a_signal(SignalKind.DOCUMENTS),))
    gone = a_signal(SignalKind.APPROVE)
    await stage.put(applied, head_at(APPROVAL, 3), signals=(gone,))
    key = f"signal-{gone.signal_id}"
    await stage.store.apply(REGION, [Decision(a_step(applied, 3, APPROVAL, idempotency_key=key))])
    listening = [(APPROVAL, "approve"), (APPROVAL, "cancel"), (REVIEW, "cancel")]
    assert await stage.store.unheard(REGION, listening, NOW + timedelta(minutes=1), 10) == [key_of(heard)]
    assert await stage.store.unheard(REGION, listening, NOW - timedelta(minutes=1), 10) == []


async def test_a_cancelled_request_undoes_what_it_did(stage: Stage) -> None:
    account = an_account()
    request = a_request(account, details={"changes": {"contact_email": "new@example.com"}})
    await stage.put(request, accounts=(account,), trades=(a_trade(account), a_trade(account, "7")))
    orchestrator = Orchestrator(stage.store, stage.regions, load_workflows(WORKFLOWS), lambda: NOW)
    for _ in range(5):
        await orchestrator.advance([key_of(request)])
    before = await read(stage, request)
    assert before.accounts[account.account_id].contact_email == "new@example.com"
    assert {trade.status for trade in before.trades} == {Status.COMPLETE}
    await stage.signal(request, a_signal(SignalKind.CANCEL))
    await orchestrator.advance([key_of(request)])
    after = await read(stage, request)
    assert after.request.status is Status.CANCELLED
    assert after.accounts[account.account_id].contact_email == account.contact_email
    assert after.accounts[account.account_id].version == account.version + 2
    assert {trade.status for trade in after.trades} == {Status.CANCELLED}


async def test_the_orchestrator_brings_a_request_to_its_end(stage: Stage) -> None:
    account, other = an_account(), an_account("us-east")
    details = {"side": "SELL", "symbol": "SYM1", "quantity": "10.5", "price": "2"}
    request = a_request(account, RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT, details=details)
    links = (AccountLink(account.account_id, "PRIMARY", None), AccountLink(other.account_id, "LINKED", Decimal(100)))
    await stage.put(request, accounts=(account, other), links=links)
    orchestrator = Orchestrator(stage.store, stage.regions, load_workflows(WORKFLOWS), lambda: NOW)
    for _ in range(10):
        await orchestrator.advance([key_of(request)])
    context = await read(stage, request)
    assert context.request.status is Status.COMPLETE
    assert await stage.events(key_of(request)) == [(1, "create"), *((n + 1, f"step-{n}") for n in range(1, 6))]
    assert {(t.account_id, t.side, t.quantity, t.status) for t in context.trades} == {
        (account.account_id, "SELL", Decimal("10.5"), Status.COMPLETE),
        (other.account_id, "BUY", Decimal("10.5"), Status.COMPLETE),
    }
