"""Windows, decisions and orders: counted once, exact, and the same when worked out again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.changefeed import Record
from streams_app.delivery.ports import Rejected
from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.model import TIMEFRAMES, Decision, Side, Signal
from streams_app.systems.trading.processor import step
from streams_app.systems.trading.recompute import Expected, Signals
from streams_app.systems.trading.rules import confidence, order_of, quantity, take
from streams_app.systems.trading.windows import Known, Window, read_known, read_window, write_known, write_window
from tests.unit.trading.made import record, signal

SETTINGS = TradingSettings()


def decisions(records: list[Record], settings: TradingSettings = SETTINGS) -> list[Decision | str]:
    """What each record leads to; the reason where it is refused. Repetitions are left out."""
    state: dict[bytes, bytes] = {}
    found: list[Decision | str] = []
    for each in records:
        try:
            decision = step(each, state, settings)
        except Rejected as error:
            found.append(error.reason)
            continue
        if decision is not None:
            found.append(decision)
    return found


def only(records: list[Record]) -> Decision:
    [decision] = decisions(records)
    assert isinstance(decision, Decision)
    return decision


def test_identical_signals_lead_to_one_decision() -> None:
    assert only([record(signal(0), n) for n in range(5)]).signal_id == signal(0).signal_id


def test_a_window_holds_twenty_signals() -> None:
    # Falls for 30 signals, then rises for 19: the fall has left the window.
    prices = [*range(200, 170, -1), *range(172, 191)]
    last = decisions([record(signal(n, str(price)), n) for n, price in enumerate(prices)])[-1]
    assert isinstance(last, Decision)
    assert (last.side, last.windows["1m"].net, last.windows["1m"].seen) == (Side.BUY, 19, 49)


def test_timeframes_weigh_five_three_two() -> None:
    rising = [record(signal(n, str(100 + n), timeframe="5m"), n) for n in range(20)]
    falling = [record(signal(n + 100, str(100 - n)), n) for n in range(20)]
    last = decisions(rising + falling)[-1]
    assert isinstance(last, Decision)
    assert {name: reading.net for name, reading in last.windows.items()} == {"1m": -19, "5m": 19, "15m": 0}
    # (5 - 3) × 19 of 10 × 19 at most.
    assert (last.side, last.confidence, last.sequence) == (Side.SELL, "0.6000", 40)


def test_nothing_that_moves_is_no_side() -> None:
    decision = only([record(signal(0), 0)])
    assert (decision.side, decision.confidence) == (Side.HOLD, "0.5000")


@pytest.mark.parametrize(("score", "expected"), [(0, "0.5000"), (190, "1.0000"), (-190, "1.0000"), (57, "0.6500")])
def test_confidence_is_half_and_half_of_the_share(score: int, expected: str) -> None:
    assert confidence(score, 20) == expected


@given(st.integers(-190, 190))
def test_confidence_is_rounded_as_decimals_are(score: int) -> None:
    exact = Decimal("0.5") + Decimal(abs(score)) / 380
    assert abs(Decimal(confidence(score, 20)) - exact) <= Decimal("0.00005")


def test_what_is_behind_the_horizon_is_stale_and_what_is_before_it_is_known() -> None:
    first, newest = signal(0), signal(100)
    again, late = record(first, 2), record(signal(-1), 3)
    assert [type(each) for each in decisions([record(first, 0), record(newest, 1), again])] == [Decision, Decision]
    assert decisions([record(first, 0), record(newest, 1), late])[2] == "stale_signal"


def test_an_id_with_another_content_is_refused() -> None:
    assert decisions([record(signal(0), 0), record(signal(0, "101"), 1)])[1] == "id_conflict"


def test_the_same_price_written_otherwise_is_the_same_signal() -> None:
    only([record(signal(0, "100.10"), 0), record(signal(0, "100.1"), 1)])


def test_what_is_remembered_is_bounded() -> None:
    window, known = Window(), Known()
    for n in range(2000):
        take(window, known, signal(0, signal_id=signal(n).signal_id), 20, 100)
    with pytest.raises(Rejected, match="too_many_signals"):
        take(window, known, signal(0, signal_id=signal(2001).signal_id), 20, 100)
    assert len(write_known(known)) < 200_000
    assert take(window, known, signal(2001, time=signal(101).time), 20, 100)
    assert len(known.ids) == 1


def test_ids_are_forgotten_when_nobody_needs_them() -> None:
    window, known = Window(), Known()
    for n in range(1000):
        assert take(window, known, signal(n), 20, 100)
    assert 100 <= len(known.ids) <= 165


def test_a_refused_signal_leaves_no_trace() -> None:
    state: dict[bytes, bytes] = {}
    step(record(signal(200)), state, SETTINGS)
    before = dict(state)
    with pytest.raises(Rejected):
        step(record(signal(0)), state, SETTINGS)
    assert state == before


def test_a_window_is_what_it_was_after_the_changelog() -> None:
    window, known = Window(), Known()
    for n in range(30):
        take(window, known, signal(n, str(100 + n % 7)), 20, 100)
    assert read_window(write_window(window)) == window
    again = read_known(write_known(known))
    assert not take(window, again, signal(3, "103"), 20, 100)
    with pytest.raises(Rejected, match="id_conflict"):
        take(window, again, signal(3, "104"), 20, 100)


def decided(side: Side, sure: str, price: str = "10.5") -> Decision:
    base = only([record(signal(0, price), 0)])
    return Decision(**{**{name: getattr(base, name) for name in base.__slots__}, "side": side, "confidence": sure})


@pytest.mark.parametrize(
    ("sure", "expected"), [("0.6499", None), ("0.6500", 1), ("0.7000", 2), ("0.9999", 9), ("1.0000", 10)]
)
def test_quantity_grows_with_confidence(sure: str, expected: int | None) -> None:
    order = order_of(decided(Side.BUY, sure), SETTINGS)
    assert (order and order.quantity) == expected


def test_nothing_to_do_is_no_order() -> None:
    assert order_of(decided(Side.HOLD, "0.9000"), SETTINGS) is None


def test_a_threshold_of_one_asks_for_everything() -> None:
    assert quantity(Decimal(1), TradingSettings(confidence_threshold=Decimal(1), base_quantity=3)) == 10


def test_the_ids_of_an_order_follow_from_its_decision() -> None:
    one, other = (order_of(decided(Side.SELL, "0.8000"), SETTINGS) for _ in range(2))
    assert one is not None
    assert one == other
    assert len(one.client_order_id) == 36
    assert len({one.order_id, one.event_id, one.decision_id}) == 3


@st.composite
def streams(draw: st.DrawFn) -> list[Record]:
    """Records of two symbols and all timeframes, some of them repeated, late, in conflict or unreadable."""
    made: list[Record] = []
    for offset in range(draw(st.integers(1, 60))):
        symbol, timeframe = draw(st.sampled_from(["ES", "NQ"])), draw(st.sampled_from(list(TIMEFRAMES)))
        fields: dict[str, Any] = {"symbol": symbol, "timeframe": timeframe}
        number, price = draw(st.integers(0, 12)), draw(st.sampled_from(["1", "2.50", "2.5", "3"]))
        each: Signal = signal(number, price, **fields)
        made.append(record(each, offset, **draw(st.sampled_from([{}, {}, {}, {"price": "NaN"}]))))
    return made


@given(streams())
def test_every_decision_can_be_worked_out_again(records: list[Record]) -> None:
    settings = TradingSettings(window=4, stale_after=5)
    made = decisions(records, settings)
    signals = Signals(settings)
    for each in records:
        signals.take(each)
    expected = Expected(signals, settings.window)
    for decision in made:
        if isinstance(decision, Decision):
            assert expected.next(decision.symbol, decision.timeframe) == decision
    assert list(expected.rest()) == []
    assert list(signals.refused.values()) == [each for each in made if isinstance(each, str)]
