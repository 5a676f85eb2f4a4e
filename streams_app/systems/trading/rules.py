"""What a signal leads to: a window moves, a decision is made, an order is sized. Pure, in whole numbers and decimals.

Equal input gives equal output on every machine, so that a decision can be worked out again and compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from hashlib import blake2b
from typing import Final, Protocol
from uuid import UUID

from streams_app.delivery.ports import Rejected
from streams_app.systems.trading.model import TIMEFRAMES, Decision, Order, Reading, Side, Signal, named
from streams_app.systems.trading.windows import Known, Window

#: How much a timeframe weighs in a decision: what has just happened more than what happened before.
WEIGHTS: Final = {"1m": 5, "5m": 3, "15m": 2}
#: Signals of a symbol and timeframe that may come within the time in which their ids are remembered.
MOST_KNOWN: Final = 2000


class Watching(Protocol):
    """The settings that decide about signals and decisions."""

    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def clock_tolerance(self) -> float: ...
    @property
    def window(self) -> int: ...
    @property
    def stale_after(self) -> int: ...


class Sizing(Protocol):
    """The settings that decide about orders."""

    @property
    def confidence_threshold(self) -> Decimal: ...
    @property
    def base_quantity(self) -> int: ...
    @property
    def max_quantity(self) -> int: ...


def take(window: Window, known: Known, signal: Signal, size: int, stale_after: int) -> bool:
    """Let a signal into the window of its symbol and timeframe; False when it is there already, and nothing changes.

    Ids are known for `stale_after` bars behind the newest signal, and what is older is refused: so no signal counts
    twice, however late it is repeated. Raises Rejected: stale_signal, id_conflict, too_many_signals.
    """
    at, name, digest = int(signal.time.timestamp()), str(signal.signal_id), _digest(signal)
    span = stale_after * TIMEFRAMES[signal.timeframe]
    if at < known.newest - span:
        bars = (known.newest - at) // TIMEFRAMES[signal.timeframe]
        raise Rejected("stale_signal", f"{bars} bars of {signal.timeframe} behind the newest, at most {stale_after}")
    before = known.find(name, known.newest - span)
    if before is not None:
        if before != digest:
            raise Rejected("id_conflict", f"signal {name} came before with another content")
        return False
    newest = max(known.newest, at)
    if known.count(newest - span, MOST_KNOWN) >= MOST_KNOWN:
        raise Rejected("too_many_signals", f"more than {MOST_KNOWN} signals within {stale_after} bars")
    known.newest, known.ids[name] = newest, (at, digest)
    window.add(signal.price, size)
    return True


def decide(signal: Signal, windows: Mapping[str, Window], size: int) -> Decision:
    """The decision that a new signal leads to; `windows` are those of its symbol, the signal in them.

    A timeframe's reading is the moves up less the moves down of its window; the weighted sum of all says which side,
    and its share of what it could be at most how sure: from 0.5 (nothing moves) to 1 (all moves of all windows agree).
    """
    readings = {name: Reading(window.seen, sum(window.moves)) for name, window in windows.items()}
    score = sum(WEIGHTS[name] * reading.net for name, reading in readings.items())
    side = Side.BUY if score > 0 else Side.SELL if score < 0 else Side.HOLD
    return Decision(
        decision_id=decision_id(signal),
        # Every signal that counts leads to one decision.
        sequence=sum(reading.seen for reading in readings.values()),
        signal_id=signal.signal_id,
        symbol=signal.symbol,
        timeframe=signal.timeframe,
        time=signal.time,
        price=signal.price,
        side=side,
        confidence=confidence(score, size),
        windows=readings,
    )


def decision_id(signal: Signal) -> UUID:
    """The id of the decision that follows from a signal.

    A signal's id that is used again for another time, when the first one is forgotten, is another signal.
    """
    return named("decision", signal.symbol, signal.timeframe, str(signal.signal_id), signal.time.isoformat())


def confidence(score: int, size: int) -> str:
    """Half of one, and half of the score's share of the greatest one, with four decimals, halves away from zero."""
    greatest = sum(WEIGHTS.values()) * (size - 1)
    ten_thousandths = (2 * 10_000 * (greatest + abs(score)) + 2 * greatest) // (4 * greatest)
    return f"{ten_thousandths // 10_000}.{ten_thousandths % 10_000:04d}"


def order_of(decision: Decision, sizing: Sizing) -> Order | None:
    """The order that a decision leads to; None below the threshold, and when there is nothing to do."""
    sure = Decimal(decision.confidence)
    if decision.side is Side.HOLD or sure < sizing.confidence_threshold:
        return None
    # At most 36 characters, as exchanges ask for.
    client_order_id = f"ord-{decision.decision_id.hex}"
    return Order(
        order_id=named("order", client_order_id),
        client_order_id=client_order_id,
        decision_id=decision.decision_id,
        event_id=named("OrderCreated", client_order_id),
        symbol=decision.symbol,
        side=decision.side,
        quantity=quantity(sure, sizing),
        price=Decimal(decision.price),
        confidence=sure,
    )


def quantity(sure: Decimal, sizing: Sizing) -> int:
    """Contracts: base_quantity at the threshold, max_quantity at full confidence, in whole numbers in between."""
    span = 1 - sizing.confidence_threshold
    share = (sure - sizing.confidence_threshold) / span if span else Decimal(1)
    more = (sizing.max_quantity - sizing.base_quantity) * share
    return sizing.base_quantity + int(more.to_integral_value(ROUND_FLOOR))


def _digest(signal: Signal) -> str:
    said = f"{signal.time.isoformat()}/{Decimal(signal.price).normalize():f}"
    return blake2b(said.encode(), digest_size=8).hexdigest()
