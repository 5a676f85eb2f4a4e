"""What fills mean for accounts: signs, sums and days, whatever fills they are."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.allocations.booking import business_day, net
from streams_app.systems.allocations.closings import closings_of
from streams_app.systems.allocations.messages import Payload, block_closed, part_filled
from streams_app.systems.allocations.model import Share, Side, named

FRIDAY = date(2026, 11, 20)
REBALANCE = named("rebalance")


def block(security: int, side: Side) -> UUID:
    """A block order, which has one security and one side."""
    return named("block", security, side)


def filled(
    security: int, side: Side, fills: dict[int, Share], *, bucket: int = 0, part: int = 0, snapshot: int = 1
) -> Payload:
    """The payload of a filled part."""
    order = block(security, side)
    payload: Payload = part_filled(order, REBALANCE, security, side, FRIDAY, (bucket, part, snapshot), fills).payload
    return payload


shares = st.builds(Share, st.integers(-50, 50).filter(bool), st.decimals(-9999, 9999, places=4))
payloads = st.builds(
    filled,
    st.integers(1, 3),
    st.sampled_from(Side),
    st.dictionaries(st.integers(1, 4), shares, min_size=1),
    bucket=st.integers(0, 1),
    part=st.integers(0, 3),
    snapshot=st.integers(1, 3),
)


@given(st.lists(payloads, max_size=6))
def test_shares_and_money_are_conserved(given_payloads: list[Payload]) -> None:
    bookings = net(given_payloads, 1)
    signed = [(part, 1 if part.side is Side.BUY else -1) for part in bookings.parts]
    assert sum(bookings.positions.values()) == sum(sign * part.quantity for part, sign in signed)
    assert sum(bookings.cash.values()) == -sum(sign * part.amount for part, sign in signed)
    by_order = bookings.settlements.values()
    assert sum(quantity for _, quantity, _ in by_order) == sum(part.quantity for part in bookings.parts)
    assert sum(amount for _, _, amount in by_order) == sum(part.amount for part in bookings.parts)
    for (order, bucket, _), (index, _, _) in bookings.settlements.items():
        assert (bookings.parts[index].block_order_id, bookings.parts[index].bucket) == (order, bucket)


@given(st.lists(payloads, max_size=6))
def test_the_order_of_parts_means_nothing(given_payloads: list[Payload]) -> None:
    one, other = net(given_payloads, 1), net(given_payloads[::-1], 1)
    assert (one.positions, one.cash) == (other.positions, other.cash)
    assert {order: sums[1:] for order, sums in one.settlements.items()} == {
        order: sums[1:] for order, sums in other.settlements.items()
    }


def test_a_buy_adds_shares_and_takes_money_and_a_sell_does_the_reverse() -> None:
    share = Share(10, Decimal("101.5"))
    bookings = net([filled(1, Side.BUY, {7: share}), filled(2, Side.SELL, {7: share, 8: share})], 1)
    assert bookings.positions == {(0, 7, 1): 10, (0, 7, 2): -10, (0, 8, 2): -10}
    assert bookings.cash == {(0, 7): Decimal(0), (0, 8): Decimal("101.5")}


def test_a_reversal_takes_back_what_was_booked() -> None:
    share, back = Share(10, Decimal("101.5")), Share(-10, Decimal("-101.5"))
    bookings = net([filled(1, Side.SELL, {7: share}), filled(1, Side.SELL, {7: back}, snapshot=2)], 1)
    assert (set(bookings.positions.values()), set(bookings.cash.values())) == ({0}, {Decimal(0)})
    assert list(bookings.settlements.values()) == [(1, 0, Decimal(0))]


@pytest.mark.parametrize(
    ("day", "days", "expected"),
    [
        (FRIDAY, 0, FRIDAY),
        (FRIDAY, 1, date(2026, 11, 23)),
        (FRIDAY, 2, date(2026, 11, 24)),
        (FRIDAY - timedelta(days=1), 1, FRIDAY),
        (date(2026, 11, 21), 1, date(2026, 11, 23)),
        (FRIDAY, 10, date(2026, 12, 4)),
    ],
)
def test_business_days(day: date, days: int, expected: date) -> None:
    assert business_day(day, days) == expected


def test_of_several_closings_the_newest_counts() -> None:
    order, other = block(1, Side.BUY), block(2, Side.BUY)
    events = [
        block_closed(order, REBALANCE, 10, Decimal(100), 7)[0],
        block_closed(order, REBALANCE, 9, Decimal(90), 9)[0],
        block_closed(order, REBALANCE, 10, Decimal(100), 7)[0],
        block_closed(other, REBALANCE, 0, Decimal(0), 0)[0],
    ]
    found = {
        closing.block_order_id: (closing.executed, closing.version)
        for closing in closings_of(e.payload for e in events)
    }
    assert found == {order: (9, 9), other: (0, 0)}
