"""Sample data: as many rows as asked for, made by the rules, and nothing overdue."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from streams_app.systems.requests.generate.sample import SampleError, outcomes, sample
from streams_app.systems.requests.model import RequestType, Status

from .contexts import BOOK, NOW, REGIONS

NUMBERS = {"accounts": 1_000, "requests": 400, "trades": 2_000}
SAMPLE = sample(BOOK, REGIONS, **NUMBERS, now=NOW)


def test_the_numbers_are_exact() -> None:
    assert len({account.account_id for account in SAMPLE.accounts}) == len(SAMPLE.accounts) == 1_000
    assert len({history.plan.request_id for history in SAMPLE.histories}) == len(SAMPLE.histories) == 400
    trades = [trade.trade_id for history in SAMPLE.histories for trade in history.trades]
    assert len(set(trades)) == len(trades) == 2_000
    assert sample(BOOK, REGIONS, accounts=0, requests=0, trades=0, now=NOW).accounts == []


def test_every_history_is_a_walk_along_the_rules() -> None:
    edges = {edge for workflow in BOOK.by_type.values() for edge in workflow.edges()}
    for history in SAMPLE.histories:
        links = [step.link_id for step in history.events]
        assert links[0] == BOOK.by_type[history.plan.type].initial.link_id
        assert set(pairwise(links)) <= edges
        assert [step.expected_seq for step in history.events] == list(range(len(links)))
        times = [history.created_ts, *(step.event_ts for step in history.events)]
        assert times == sorted(times)
        assert times[-1] <= NOW


def test_there_is_something_in_every_state_and_nothing_overdue() -> None:
    assert {"COMPLETE", "FAILED", "CANCELLED", "IN_PROGRESS"} == set(outcomes(SAMPLE.histories))
    for history in SAMPLE.histories:
        last = history.events[-1]
        node = BOOK.by_link[last.link_id][1]
        assert node.is_terminal or (node.waits and last.event_ts > NOW - timedelta(seconds=node.deadline / 2 + 1))


def test_trades_follow_their_request() -> None:
    for history in SAMPLE.histories:
        statuses = {trade.status for trade in history.trades}
        match history.events[-1].status:
            case Status.COMPLETE:
                assert statuses <= {Status.COMPLETE}
            case Status.FAILED | Status.CANCELLED:
                assert statuses <= {Status.CANCELLED, Status.COMPLETE}
            case _:
                assert statuses <= {Status.PENDING}


def test_accounts_show_what_completed_requests_did() -> None:
    accounts = {account.account_id: account for account in SAMPLE.accounts}
    wanted = {RequestType.ACCOUNT_CLOSE: "CLOSED", RequestType.ACCOUNT_ONBOARDING: "ACTIVE"}
    done = [h.plan for h in SAMPLE.histories if h.events[-1].status is Status.COMPLETE and h.plan.type in wanted]
    assert done
    assert all(accounts[plan.primary_account_id].status == wanted[plan.type] for plan in done)


def test_only_the_times_depend_on_the_moment() -> None:
    later = sample(BOOK, REGIONS, **NUMBERS, now=NOW + timedelta(days=1))
    assert later.accounts == SAMPLE.accounts
    for one, other in zip(SAMPLE.histories, later.histories, strict=True):
        assert other.created_ts - one.created_ts == timedelta(days=1)
        assert (one.plan, one.trades) == (other.plan, other.trades)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"trades": 3}, "at least"), ({"accounts": 10}, "at least"), ({"requests": 0}, "at most 0 trades")],
)
def test_numbers_that_do_not_fit_together(changed: dict[str, int], message: str) -> None:
    with pytest.raises(SampleError, match=message):
        sample(BOOK, REGIONS, **(NUMBERS | changed), now=NOW)
