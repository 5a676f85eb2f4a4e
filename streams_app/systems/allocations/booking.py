"""What fills mean for accounts: positions, cash, and what is to change hands on which day. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeAlias

from streams_app.systems.allocations.messages import Payload
from streams_app.systems.allocations.model import Side

#: Block order, bucket, account.
Order: TypeAlias = tuple[str, int, int]

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Part:
    """What a snapshot gave to one part of a block order's accounts, all of one bucket.

    `quantity` and `amount` are the sums of its fills, negative when executions were taken back.
    """

    block_order_id: str
    part_no: int
    snapshot_no: int
    rebalance_id: str
    security_id: int
    side: Side
    bucket: int
    trade_date: date
    settle_date: date
    quantity: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bookings:
    """What parts add up to: shares by bucket, account and security, and money by bucket and account, both signed; by
    customer order the shares and the money of its fills, behind the index of a part that it is in."""

    parts: list[Part]
    positions: dict[tuple[int, int, int], int]
    cash: dict[tuple[int, int], Decimal]
    settlements: dict[Order, tuple[int, int, Decimal]]


def business_day(day: date, days: int) -> date:
    """The day so many business days after `day`: Saturdays and Sundays are none."""
    while days:
        day += timedelta(days=1)
        days -= day.weekday() < _SATURDAY
    return day


def net(payloads: Sequence[Payload], settlement_days: int) -> Bookings:
    """What is to be booked of filled parts. A buy adds shares and takes money, a sell does the reverse.

    Raises KeyError and ValueError for a payload that is not one of `part_filled`.
    """
    positions: dict[tuple[int, int, int], int] = defaultdict(int)
    cash: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    settlements: dict[Order, tuple[int, int, Decimal]] = {}
    parts = list[Part]()
    for index, payload in enumerate(payloads):
        fills = [(account, quantity, Decimal(amount)) for account, quantity, amount in payload["fills"]]
        part = _part(payload, fills, settlement_days)
        parts.append(part)
        sign = 1 if part.side is Side.BUY else -1
        for account, quantity, amount in fills:
            positions[part.bucket, account, part.security_id] += sign * quantity
            cash[part.bucket, account] -= sign * amount
            order = part.block_order_id, part.bucket, account
            _, before, paid = settlements.get(order, (index, 0, Decimal(0)))
            settlements[order] = index, before + quantity, paid + amount
    return Bookings(parts, dict(positions), dict(cash), settlements)


def _part(payload: Payload, fills: Sequence[tuple[int, int, Decimal]], settlement_days: int) -> Part:
    day = date.fromisoformat(payload["trading_day"])
    return Part(
        block_order_id=payload["block_order_id"],
        part_no=payload["part_no"],
        snapshot_no=payload["snapshot_no"],
        rebalance_id=payload["rebalance_id"],
        security_id=payload["security_id"],
        side=Side(payload["side"]),
        bucket=payload["bucket"],
        trade_date=day,
        settle_date=business_day(day, settlement_days),
        quantity=sum(quantity for _, quantity, _ in fills),
        amount=sum((amount for _, _, amount in fills), Decimal(0)),
    )
