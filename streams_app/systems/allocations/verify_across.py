"""What must hold between domains, over plain data: no statement asks two domains, so their answers meet here. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from streams_app.systems.allocations.verify_checks import (
    ARE_BOOKED,
    ARE_CLOSED,
    ARE_SENT,
    BOOKED_AS_FILLED,
    CAPTURED,
    CAPTURED_AS_MADE,
    CLOSED_AS_STANDS,
    IN_SEQUENCE,
    ORDERED,
    SAME_CUSTOMERS,
    SAME_ORDER,
    SETTLED_AS_FILLED,
    STANDS,
)
from streams_app.systems.allocations.verify_rows import (
    NOTHING,
    Allocated,
    AllocationOrder,
    BlockOrder,
    BucketKey,
    Course,
    Customers,
    ExecutionRow,
    MarketOrder,
    PartKey,
    Sum,
)
from streams_app.verification import Check, Violation

Found: TypeAlias = tuple[Check, Violation]

_OPEN = ("NEW", "SENT")


def check_executions(
    block: UUID, made: Sequence[ExecutionRow], captured: Sequence[ExecutionRow], applied_seq: int, until: datetime
) -> Iterator[Found]:
    """Executions of one block order, as the market wrote them and as they came, both by their numbers.

    `applied_seq`: up to which of them they have had their effect.
    """
    if [row.seq for row in made] != list(range(1, len(made) + 1)):
        yield IN_SEQUENCE, Violation("trades", f"executions of block order {block}")
    by_seq = {row.seq: row for row in made}
    wrong = [row.seq for row in captured if by_seq.get(row.seq) != row]
    if wrong:
        yield CAPTURED_AS_MADE, Violation("allocations", f"execution {block}/{wrong[0]}")
    seqs = {row.seq for row in captured}
    whole = next(seq for seq in range(1, len(seqs) + 2) if seq not in seqs) - 1
    if applied_seq > whole:
        yield (
            IN_SEQUENCE,
            Violation("allocations", f"block order {block} has applied {applied_seq}, and not {whole + 1}"),
        )
    late = [row.seq for row in made if row.executed_at < until and (row.seq not in seqs or row.seq > applied_seq)]
    if late:
        yield CAPTURED, Violation("allocations", f"execution {block}/{late[0]}")


def check_orders(
    orders: Mapping[UUID, BlockOrder],
    customers: Iterable[Customers],
    placed: set[UUID],
) -> Iterator[Found]:
    """Block orders against the customer orders that they are sums of. `placed`: rebalances that have all of theirs."""
    seen = set()
    for sums in customers:
        order = orders.get(sums.block_order_id)
        if order is None:
            if sums.rebalance_id in placed:
                yield ORDERED, Violation("orders", f"no block order {sums.block_order_id}")
            continue
        said = order.rebalance_id, order.security_id, order.side, order.accounts, order.quantity
        if said != (sums.rebalance_id, sums.security_id, sums.side, sums.accounts, sums.quantity):
            yield ORDERED, Violation("orders", f"block order {sums.block_order_id}: {order.quantity} shares")
        seen.add(sums.block_order_id)
    for block in orders.keys() - seen:
        yield ORDERED, Violation("orders", f"block order {block} of nobody")


def check_sent(
    orders: Mapping[UUID, BlockOrder],
    market: Mapping[UUID, MarketOrder],
    allocations: Mapping[UUID, AllocationOrder],
    until: datetime,
) -> Iterator[Found]:
    """The block orders of market and allocations against those that were sent."""
    for block, made in market.items():
        order = orders.get(block)
        sent = order and (order.security_id, order.side, order.quantity)
        # The cancel of an order may come before it.
        if order is None or (made.quantity is not None and sent != (made.security_id, made.side, made.quantity)):
            yield SAME_ORDER, Violation("trades", f"block order {block}")
    for block, opened in allocations.items():
        order = orders.get(block)
        if order is None or (order.security_id, order.side, order.quantity) != (
            *(opened.security_id, opened.side, opened.ordered),
        ):
            yield SAME_ORDER, Violation("allocations", f"block order {block}")
    for block, order in orders.items():
        if order.status == "NEW" and order.updated_at < until:
            yield ARE_SENT, Violation("orders", f"block order {block} is NEW")
        if order.status != "SENT" or order.updated_at >= until:
            continue
        at_market = market.get(block)
        if at_market is None or (at_market.status == "WORKING" and at_market.updated_at < until):
            yield ARE_SENT, Violation("trades", f"block order {block}")
        if block not in allocations:
            yield ARE_SENT, Violation("allocations", f"block order {block}")


def check_customers(customers: Iterable[Customers], allocated: Mapping[BucketKey, Allocated]) -> Iterator[Found]:
    """Allocations against the customer orders that they are of."""
    sums: dict[UUID, tuple[int, int, Decimal]] = defaultdict(lambda: (0, 0, Decimal(0)))
    for (block, _), one in allocated.items():
        accounts, ordered, weighed = sums[block]
        sums[block] = accounts + one.accounts, ordered + one.ordered, weighed + one.weighed
    wanted = {one.block_order_id: (one.accounts, one.quantity, one.weighed) for one in customers}
    for block, found in sums.items():
        if found != wanted.get(block):
            yield (
                SAME_CUSTOMERS,
                Violation("allocations", f"block order {block}: {found[1]} shares of {found[0]} accounts"),
            )


def check_standing(allocations: Mapping[UUID, AllocationOrder], courses: Mapping[UUID, Course]) -> Iterator[Found]:
    """What stands of block orders against what their executions lead to."""
    for block, order in allocations.items():
        course = courses.get(block)
        stands = course.at(order.applied_seq) if course is not None else NOTHING
        if (order.executed, order.amount) != stands:
            offender = f"block order {block} says {order.executed} for {order.amount} at {order.applied_seq}"
            yield STANDS, Violation("allocations", offender)


def check_closings(
    orders: Mapping[UUID, BlockOrder],
    closings: Mapping[UUID, tuple[int, Decimal, int]],
    allocations: Mapping[UUID, AllocationOrder],
    courses: Mapping[UUID, Course],
    until: datetime,
) -> Iterator[Found]:
    """What orders and holdings say of the end of block orders, each up to a version, against what stood then."""
    said = {("holdings", block): closing for block, closing in closings.items()}
    ended = {block: order for block, order in orders.items() if order.status not in _OPEN}
    said |= {("orders", block): (order.executed, order.amount, order.version) for block, order in ended.items()}
    for (domain, block), (executed, amount, version) in said.items():
        stands = courses[block].at(version) if block in courses else NOTHING
        if (executed, amount) != stands:
            yield CLOSED_AS_STANDS, Violation(domain, f"block order {block} says {executed} for {amount} at {version}")
    for block, one in allocations.items():
        if not one.is_done or one.updated_at >= until:
            continue
        for domain in ("holdings", "orders"):
            last = said.get((domain, block))
            if last is None or last[:2] != (one.executed, one.amount):
                yield ARE_CLOSED, Violation(domain, f"block order {block} at {one.applied_seq}")


def check_booked(
    filled: Mapping[PartKey, tuple[int, Decimal, datetime]], booked: Mapping[PartKey, Sum], until: datetime
) -> Iterator[Found]:
    """Bookings against the fills of each part of each snapshot."""
    for (block, part, snapshot), said in booked.items():
        fills = filled.get((block, part, snapshot))
        if fills is None or fills[:2] != said:
            yield BOOKED_AS_FILLED, Violation("holdings", f"part {block}/{part}, snapshot {snapshot}")
    for block, part, snapshot in filled.keys() - booked.keys():
        if filled[block, part, snapshot][2] < until:
            yield ARE_BOOKED, Violation("holdings", f"part {block}/{part}, snapshot {snapshot}")


def check_settled(
    allocated: Mapping[BucketKey, Allocated],
    settled: Mapping[BucketKey, tuple[int, Decimal, Decimal, Decimal]],
    on_their_way: set[UUID],
) -> Iterator[Found]:
    """Settlements against allocations, by block order and bucket.

    `on_their_way`: block orders with fills that are not booked yet.
    """
    nothing = 0, Decimal(0), Decimal(0), Decimal(0)
    for block, bucket in allocated.keys() | settled.keys():
        if block in on_their_way:
            continue
        one = allocated.get((block, bucket))
        fills = (one.filled, one.amount, one.weighed_filled, one.weighed_amount) if one is not None else nothing
        if fills != settled.get((block, bucket), nothing):
            yield SETTLED_AS_FILLED, Violation("holdings", f"block order {block}, bucket {bucket}")
