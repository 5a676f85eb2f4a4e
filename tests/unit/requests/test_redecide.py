"""Recorded steps decided again: the same rules decide the same, other rules are told apart."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from streams_app.systems.requests import checks, rules
from streams_app.systems.requests.generate.histories import History, request_of
from streams_app.systems.requests.generate.sample import sample
from streams_app.systems.requests.model import RequestType, Signal, SignalKind, Status
from streams_app.systems.requests.recorded import AccountChangeEvent, Recorded, Timeline, timeline
from streams_app.systems.requests.redecide import Redecided, redecide

from .contexts import BOOK, NOW, REGIONS, account

SAMPLE = sample(BOOK, REGIONS, accounts=600, requests=300, trades=1_000, now=NOW)


def timelines() -> dict[UUID, Timeline]:
    """The states of the sample's accounts, as the events tell them. The sample's times are invented: the versions
    alone say what came first."""
    changes: dict[UUID, list[AccountChangeEvent]] = defaultdict(list)
    for history in SAMPLE.histories:
        for event in history.events:
            if "changed" in event.metadata:
                before = {name: old for name, (old, _) in event.metadata["changed"].items()}
                change = AccountChangeEvent(event.metadata["account_version"], event.event_ts, before)
                changes[history.plan.primary_account_id].append(change)
    return {row.account_id: timeline(row, changes[row.account_id]) for row in SAMPLE.accounts}


LINES = timelines()


def recorded(history: History) -> Recorded:
    """A history as the database has it."""
    return Recorded(
        request=replace(request_of(history.plan, history.created_ts), status=history.events[-1].status),
        events=history.events,
        signals=history.signals,
        links=history.plan.links,
        trades=history.trades,
        moved_trades=frozenset(trade.trade_id for trade in history.trades if trade.status is not Status.PENDING),
        accounts=LINES,
    )


def all_again() -> list[Redecided]:
    return [redecide(recorded(history), BOOK, len(history.events)) for history in SAMPLE.histories]


def test_the_same_rules_decide_the_same() -> None:
    found = all_again()
    assert [difference for one in found for difference in one.differences] == []
    steps = sum(len(history.events) for history in SAMPLE.histories)
    assert sum(one.same + one.not_comparable for one in found) == steps
    # Of accounts that changed the sample's times are in no order: few steps hang on it.
    assert sum(one.same for one in found) > 0.97 * steps


def test_another_limit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "APPROVAL_LIMIT", -1)
    found = [difference for one in all_again() for difference in one.differences]
    assert found
    assert {difference.step for difference in found} == {"review"}
    assert all("clear" in difference.recorded for difference in found)
    assert "escalate" in found[0].decided


def test_another_check_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checks.CHECKS, RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT, lambda context, account: "too_late")
    found = [difference for one in all_again() for difference in one.differences]
    assert {difference.step for difference in found} == {"validate", "instruct"}
    assert all("too_late" in difference.decided for difference in found)


def test_a_rule_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(context: object) -> rules.Outcome:
        raise KeyError("quantity")

    monkeypatch.setitem(rules.STEPS, "notify", broken)
    found = [difference for one in all_again() for difference in one.differences]
    assert {(difference.step, difference.decided) for difference in found} == {
        ("notify", "fails: KeyError: 'quantity'")
    }


def finished() -> Recorded:
    """A request that went through review to its end."""
    kind = RequestType.ACCOUNT_PERMISSION_CHANGE
    chosen = [recorded(h) for h in SAMPLE.histories if h.plan.type is kind and h.events[-1].status is Status.COMPLETE]
    return chosen[0]


def test_a_step_that_was_not_made_is_told() -> None:
    whole = finished()
    seq = next(n for n, event in enumerate(whole.events) if BOOK.by_link[event.link_id][1].run == "notify")
    cut = replace(whole, events=whole.events[: seq + 1])
    [missing] = redecide(cut, BOOK, seq + 1).differences
    assert (missing.seq_num, missing.step, missing.recorded) == (seq + 2, "notify", "nothing")
    assert missing.decided.startswith("completed, COMPLETE")
    assert redecide(cut, BOOK, seq).differences == (), "its record is not processed yet"
    assert redecide(cut, BOOK, None).differences == ()


def test_a_request_without_its_first_event_is_told() -> None:
    alone = replace(finished(), events=())
    [missing] = redecide(alone, BOOK, 0).differences
    assert (missing.seq_num, missing.step, missing.recorded) == (1, "first event", "nothing")
    assert redecide(alone, BOOK, None).differences == ()


def test_a_waiting_step_is_not_missed() -> None:
    whole = finished()
    waits = next((n for n, event in enumerate(whole.events) if BOOK.by_link[event.link_id][1].waits), None)
    assert waits is not None
    assert redecide(replace(whole, events=whole.events[: waits + 1]), BOOK, waits + 1).differences == ()


def test_a_cancellation_that_came_too_late_to_be_read_is_no_difference() -> None:
    whole = finished()
    last = whole.events[-1]

    def said(before: timedelta) -> Recorded:
        late = Signal(uuid4(), SignalKind.CANCEL, "client", last.event_ts - before)
        return replace(whole, signals=(*whole.signals, late))

    assert redecide(said(timedelta(seconds=1)), BOOK, None).differences == ()
    before_all = last.event_ts - whole.events[0].event_ts + timedelta(hours=1)
    assert {d.decided.split(",")[0] for d in redecide(said(before_all), BOOK, None).differences} == {"cancelled"}


def test_steps_on_accounts_whose_history_is_not_known_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = finished()
    row = LINES[whole.request.primary_account_id].states[-1][1]
    unsure = replace(whole, accounts={row.account_id: timeline(replace(row, version=9), [])})
    monkeypatch.setitem(rules.STEPS, "validate", lambda context: rules.Outcome("invalid", "no"))
    found = redecide(unsure, BOOK, None)
    assert (found.not_comparable > 0, found.differences) == (True, ())


def event(version: int, minutes: int, **before: object) -> AccountChangeEvent:
    return AccountChangeEvent(version, NOW + timedelta(minutes=minutes), before)


def test_an_account_is_known_at_every_time() -> None:
    now = account(strategy="C", status="CLOSED", permissions=frozenset(), version=3)
    line = timeline(now, [event(2, 0, strategy="A"), event(3, 5, account_status="ACTIVE", permissions=["VIEW"])])
    assert line.sure
    first, second, third = (line.at(NOW + timedelta(minutes=m)) for m in (-1, 1, 5))
    assert (first.strategy, first.status, first.version) == ("A", "ACTIVE", 1)
    assert (second.strategy, second.permissions, second.version) == ("C", frozenset({"VIEW"}), 2)
    assert third == now
    assert line.version(2) == second
    assert line.version(7) is None


def test_an_account_with_a_missing_version_is_not_sure() -> None:
    line = timeline(account(version=4), [event(2, 0, strategy="A"), event(4, 5, strategy="B")])
    assert not line.sure
    assert [row.version for _, row in line.states] == [3, 4]


def test_times_against_the_order_of_versions_are_not_sure() -> None:
    assert not timeline(account(version=3), [event(2, 9, strategy="A"), event(3, 5, strategy="B")]).sure
