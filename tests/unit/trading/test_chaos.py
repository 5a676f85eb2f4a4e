"""The plan and the judgement of the kill test of trading."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest

from deploy.trading_chaos.bad_signals import HEADER, MAKERS, bad_signal
from deploy.trading_chaos.faults import Fault, draw
from deploy.trading_chaos.plan import FULL, SESSION, SHORT, Kind, Size
from deploy.trading_chaos.processes import worker_names
from deploy.trading_chaos.proof import Result
from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.messages import write_signal
from streams_app.systems.trading.recompute import Signals
from tests.unit.trading.made import record, signal

TOPIC = "trading.signal.1m"
REPORT: dict[str, Any] = {
    "verdict": "ok",
    "recomputed": True,
    "signals": 130,
    "repeated": 20,
    "refused": 10,
    "decisions": 100,
    "wanted": 30,
    "orders": 30,
    "outbox": 30,
    "published": 30,
    "executions": 30,
    "totals": {"lost": 0, "duplicated": 0, "out_of_order": 0, "wrong": 0},
}
RESULT = Result(
    REPORT,
    {"committed": 40, "aborted": 3},
    bad=10,
    done=Counter({Kind.BROKER_KILLED: 2, Kind.PROCESSOR_PAUSED: 1}),
    seconds=7.4,
)


def test_a_seed_decides_the_faults() -> None:
    assert draw(1, SHORT, 15.0) == draw(1, SHORT, 15.0)
    assert draw(1, SHORT, 15.0) != draw(2, SHORT, 15.0)


@pytest.mark.parametrize("size", [SHORT, FULL])
def test_everything_happens_as_often_as_planned_while_signals_come(size: Size) -> None:
    faults = draw(3, size, 100.0)
    assert Counter(fault.kind for fault in faults) == size.faults
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert 0 < faults[0].at < faults[-1].at < 90.0
    assert all(fault.seconds > SESSION for fault in faults if fault.kind is Kind.PROCESSOR_PAUSED)


def test_the_full_run_is_large_and_leaves_nothing_out() -> None:
    assert FULL.signals >= 100_000
    assert FULL.kills >= 30
    assert set(FULL.faults) == set(Kind)


def test_the_victim_is_one_of_the_candidates() -> None:
    victims = {Fault(0, Kind.BROKER_KILLED, choice / 100, 0).victim("abc") for choice in range(100)}
    assert victims == {"a", "b", "c"}


def test_there_are_two_signal_processors_whatever_the_size() -> None:
    assert [name for name in worker_names(SHORT) if name.startswith("signal-processor")] == [
        "signal-processor-1",
        "signal-processor-2",
    ]
    assert len(worker_names(FULL)) == 6


@pytest.mark.parametrize("what", MAKERS)
def test_every_bad_signal_is_refused_behind_the_good_one_that_it_is_made_of(what: str) -> None:
    signals, good = Signals(TradingSettings()), signal(0)
    there = record(good)
    signals.take(there)
    bad = bad_signal(there.topic, good.symbol.encode(), write_signal(good), what)
    assert bad.headers == (HEADER,)
    signals.take(record(good, offset=1, value=bad.value))
    assert list(signals.refused) == [(TOPIC, 0, 1)]
    assert signals.repeated == 0


def test_the_signals_are_bad_in_different_ways() -> None:
    values = {what: bad_signal(TOPIC, b"ES", write_signal(signal(0)), what).value for what in MAKERS}
    assert len(set(values.values())) == len(MAKERS)
    assert orjson.loads(values["id_conflict"])["signal_id"] == str(signal(0).signal_id)


def test_the_last_line() -> None:
    assert RESULT.proved
    assert RESULT.line() == (
        "TRADING CHAOS OK signals=130 repeated=20 decisions=100 orders=30 executions=30 kills=2 stops=1 aborted=3 "
        "lost=0 duplicated=0 wrong=0 seconds=7"
    )


@pytest.mark.parametrize(
    "name", ["repeated", "refused", "decisions", "wanted", "orders", "outbox", "published", "executions"]
)
def test_a_number_that_is_not_what_the_others_say_fails_the_run(name: str) -> None:
    found = replace(RESULT, report=REPORT | {name: REPORT[name] + 1})
    assert found.unequal
    assert not found.proved
    assert found.line().startswith("TRADING CHAOS FAILED ")
    assert "wrong=0" not in found.line()


@pytest.mark.parametrize(
    "changed",
    [
        {"verdict": "violated"},
        {"recomputed": False},
        {"totals": REPORT["totals"] | {"duplicated": 1}},
        {"totals": REPORT["totals"] | {"out_of_order": 1}},
    ],
)
def test_what_the_verification_finds_fails_the_run(changed: dict[str, Any]) -> None:
    assert not replace(RESULT, report=REPORT | changed).proved


def test_a_run_that_executed_nothing_proves_nothing() -> None:
    nothing = dict.fromkeys(("wanted", "orders", "outbox", "published", "executions"), 0)
    found = replace(RESULT, report=REPORT | nothing)
    assert found.unequal == []
    assert not found.proved


def test_bad_signals_that_were_not_refused_fail_the_run() -> None:
    assert replace(RESULT, bad=11).unequal == ["10 refused, but 11 bad"]
