"""Planned requests: repeatable, in the right place, mixed as asked, and wrong for the reasons they should be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams_app.databases import locality_of
from streams_app.systems.requests.checks import refusal
from streams_app.systems.requests.generate.details import IN_USE, REASONS
from streams_app.systems.requests.generate.generator import (
    DEFAULT_MIX,
    GROUP,
    VALID,
    Blueprint,
    Generator,
    Plan,
    parse_mix,
)
from streams_app.systems.requests.generate.histories import request_of
from streams_app.systems.requests.model import AccountChange, Context, Head, RequestType
from streams_app.systems.requests.rules import decide

from .contexts import BOOK, NOW, REGIONS

MANY = 6_000
PLANS = list(Generator(Blueprint("unit"), REGIONS).plans(REGIONS.names, MANY))


def as_planned(plan: Plan) -> Context:
    """The plan's request, with its accounts as they are at first."""
    accounts = {account.account_id: account for account in plan.accounts}
    return Context(request_of(plan, NOW), None, accounts=accounts, links=plan.links, trades=plan.trades)


def test_the_same_seed_makes_the_same_plans_in_any_order() -> None:
    again = Generator(Blueprint("unit"), REGIONS)
    assert [again.plan(index) for index in range(500, -1, -1)] == PLANS[500::-1]
    assert Generator(Blueprint("other"), REGIONS).plan(0).request_id != PLANS[0].request_id


def test_the_same_seed_makes_the_same_plans_in_another_process() -> None:
    program = (
        "from streams_app.databases import Regions\n"
        "from streams_app.systems.requests.generate.generator import *\n"
        "regions = Regions({'one': (0, 9), 'other': (10, 29)})\n"
        "for p in Generator(Blueprint('unit'), regions).plans(regions.names, 300):\n"
        "    print(p.request_id, p.details, p.links, p.trades, [(a.account_number, a.strategy) for a in p.accounts])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert [text.count("\n") for text in outputs] == [300]


def test_leaving_a_region_out_changes_no_plan() -> None:
    some = Generator(Blueprint("unit"), REGIONS).plans(["us-west", "us-east"], 300)
    assert list(some) == [plan for plan in PLANS if plan.region != "us-central"][:300]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=5), st.integers(0, 10**9), st.floats(0, 3), st.booleans())
def test_everything_is_in_its_place(seed: str, index: int, skew: float, trades: bool) -> None:
    plan = Generator(Blueprint(seed, skew=skew, accounts=50, trades=trades), REGIONS).plan(index)
    assert plan.locality == locality_of(plan.primary_account_id)
    assert plan.region == REGIONS.of(plan.locality)
    assert all(account.locality == locality_of(account.account_id) for account in plan.accounts)
    linked = [link.account_id for link in plan.links]
    assert linked[0] == plan.primary_account_id
    assert len(set(linked)) == len(linked)
    assert len({account.account_id for account in plan.accounts}) == len(plan.accounts)
    assert {trade.account_id for trade in plan.trades} <= {plan.primary_account_id}
    assert trades or not plan.trades


def test_every_plan_is_refused_for_the_reason_it_was_made_for() -> None:
    in_use = {"open_requests", "open_positions", VALID}
    for plan in PLANS:
        found = refusal(as_planned(plan)) or VALID
        assert found in plan.expected, plan
        assert len(plan.expected) == 1 or plan.expected == in_use
    expected = Counter(reason for plan in PLANS for reason in plan.expected)
    reasons = {reason for reasons in REASONS.values() for reason in reasons} - {IN_USE} | in_use
    assert set(expected) == reasons
    assert 0.88 < sum(plan.expected == {VALID} for plan in PLANS) / MANY < 0.94


def test_a_close_of_an_account_in_use_follows_what_uses_it() -> None:
    users = defaultdict(list)
    for plan in PLANS:
        if len(plan.expected) > 1:
            assert users[plan.primary_account_id], plan
        users[plan.primary_account_id].append(plan.index)


def test_the_mix_is_respected() -> None:
    counts, weight = Counter(plan.type for plan in PLANS), sum(DEFAULT_MIX.values())
    for type_ in RequestType:
        assert counts[type_] / MANY == pytest.approx(DEFAULT_MIX[type_] / weight, rel=0.15)
    only = Generator(Blueprint("unit", mix=parse_mix("close=1,profile=0")), REGIONS).plans(REGIONS.names, 200)
    assert {plan.type for plan in only} == {RequestType.ACCOUNT_CLOSE}


def test_some_accounts_are_far_busier_than_others() -> None:
    def busiest(skew: float) -> float:
        plans = Generator(Blueprint("unit", skew=skew, invalid=0), REGIONS).plans(REGIONS.names, 2_000)
        counts = Counter(p.primary_account_id for p in plans if p.type is RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT)
        return counts.most_common(1)[0][1] / counts.total()

    assert busiest(0) < 0.01
    assert 0.02 < busiest(1) < 0.1
    assert busiest(2) > 0.15


def test_linked_accounts_are_mostly_of_the_same_region() -> None:
    regions = Counter(
        REGIONS.of_account(link.account_id) == plan.region
        for plan in PLANS
        for link in plan.links
        if link.role == "LINKED"
    )
    assert 0.05 < regions[False] / regions.total() < 0.2


def test_requests_of_one_group_can_be_done_in_any_order() -> None:
    groups = defaultdict(list)
    for plan in PLANS[:400]:
        if plan.type is RequestType.ACCOUNT_PERMISSION_CHANGE and plan.expected == {VALID}:
            groups[plan.index // GROUP].append(plan)
    assert any(len(plans) > 2 for plans in groups.values())
    for plans in groups.values():
        assert len({plan.primary_account_id for plan in plans}) == 1
        results = {done_in_turn(order) for order in permutations(plans)}
        assert len(results) == 1


def done_in_turn(plans: tuple[Plan, ...]) -> frozenset[str]:
    """The permissions of the account after these changes."""
    account = plans[0].accounts[0]
    for plan in plans:
        node = BOOK.by_type[plan.type].node("update")
        context = replace(as_planned(plan), head=Head(node.link_id, node.status, 3, NOW))
        decision = decide(replace(context, accounts={account.account_id: account}), BOOK, NOW)
        assert decision is not None
        change = decision.account_change
        assert isinstance(change, AccountChange)
        account = replace(account, permissions=frozenset(change.values["permissions"]))
    return account.permissions


def test_trades_come_with_changes_of_strategy_alone() -> None:
    with_trades = [plan for plan in PLANS if plan.trades]
    assert with_trades
    assert all("strategy" in plan.details["changes"] for plan in with_trades)
    assert len({t.trade_id for plan in with_trades for t in plan.trades}) == sum(len(p.trades) for p in with_trades)


def test_a_mix_is_read_or_refused() -> None:
    assert parse_mix("profile=2, close=0.5") == {
        RequestType.ACCOUNT_PROFILE_UPDATE: 2,
        RequestType.ACCOUNT_CLOSE: 0.5,
    }
    for text in ("", "profile", "profile=", "profile=-1", "profile=x", "profil=1", "profile=0"):
        with pytest.raises(ValueError, match=r"expected|needs a weight"):
            parse_mix(text)
