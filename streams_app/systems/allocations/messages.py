"""What the steps say to each other: the events, each made and read here. Decimals, dates and ids are text in JSON.

Every step's event has an identity that is made of what it tells of: a step that is done again says the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeAlias
from uuid import UUID

from streams_app.delivery.events import Event
from streams_app.systems.allocations.model import Share, Side

Payload: TypeAlias = Mapping[str, Any]

SLICES: Final = "allocations.slices"
ROUTED: Final = "allocations.routed"
BLOCK_ORDERS: Final = "allocations.block-orders"
MARKET_ORDERS: Final = "allocations.market-orders"
OPENINGS: Final = "allocations.openings"
EXECUTIONS: Final = "allocations.executions"
PARTS: Final = "allocations.parts"
BOOKINGS: Final = "allocations.bookings"
CLOSED: Final = "allocations.closed"
CLOSINGS: Final = "allocations.closings"

#: Types of events, where a topic has more than one.
SLICE_ROUTED: Final = "SliceRouted"
REBALANCE_CANCELLED: Final = "RebalanceCancelled"
ORDER_SENT: Final = "OrderSent"
CANCEL_SENT: Final = "CancelSent"
BLOCK_CLOSED: Final = "BlockClosed"
BLOCKS_PLACED: Final = "BlocksPlaced"


def slice_planned(rebalance_id: UUID, slice_no: int) -> Event:
    """Accounts are to be routed; which, the rebalance's slice says. holdings → router (holdings)."""
    name = f"{rebalance_id}/{slice_no}"
    payload = {"rebalance_id": str(rebalance_id), "slice_no": slice_no}
    return Event(SLICES, "SlicePlanned", f"slice/{name}", payload, name, str(rebalance_id))


def slice_routed(
    rebalance_id: UUID, slice_no: int, slices: int, day: date, quantities: Sequence[tuple[int, Side, int, int]]
) -> Event:
    """The customer orders of a slice together: (security, side, shares, accounts). router → blocker (orders).

    `slices` is how many the rebalance has.
    """
    payload = {
        "type": SLICE_ROUTED,
        "rebalance_id": str(rebalance_id),
        "slice_no": slice_no,
        "slices": slices,
        "trading_day": day.isoformat(),
        "quantities": [[security, str(side), shares, accounts] for security, side, shares, accounts in quantities],
    }
    return Event(
        ROUTED, SLICE_ROUTED, f"routed/{rebalance_id}/{slice_no}", payload, str(rebalance_id), str(rebalance_id)
    )


def rebalance_cancelled(rebalance_id: UUID, slices: int, day: date) -> Event:
    """Nothing more is to be traded for a rebalance. holdings → blocker (orders)."""
    payload = {
        "type": REBALANCE_CANCELLED,
        "rebalance_id": str(rebalance_id),
        "slices": slices,
        "trading_day": day.isoformat(),
    }
    return Event(
        ROUTED, REBALANCE_CANCELLED, f"cancelled/{rebalance_id}", payload, str(rebalance_id), str(rebalance_id)
    )


def block_created(block_order_id: UUID, rebalance_id: UUID) -> Event:
    """A block order is to be sent to the market; its row has the rest. blocker → oms (orders)."""
    payload = {"block_order_id": str(block_order_id), "rebalance_id": str(rebalance_id)}
    return Event(
        BLOCK_ORDERS, "BlockCreated", f"block/{block_order_id}", payload, str(block_order_id), str(rebalance_id)
    )


def order_sent(
    block_order_id: UUID, rebalance_id: UUID, security_id: int, side: Side, shares: int, price: Decimal, day: date
) -> list[Event]:
    """A block order is at the market: oms → market (trades), oms → opener (allocations). `price` is the day's open."""
    payload = {
        "type": ORDER_SENT,
        "block_order_id": str(block_order_id),
        "rebalance_id": str(rebalance_id),
        "security_id": security_id,
        "side": str(side),
        "quantity": shares,
        "market_price": str(price),
        "trading_day": day.isoformat(),
    }
    key, correlation_id = str(block_order_id), str(rebalance_id)
    return [
        Event(MARKET_ORDERS, ORDER_SENT, f"sent/{key}", payload, key, correlation_id),
        Event(OPENINGS, ORDER_SENT, f"opening/{key}", payload, key, correlation_id),
    ]


def cancel_sent(block_order_id: UUID, rebalance_id: UUID) -> Event:
    """What the market has not executed of a block order is cancelled. blocker → market (trades)."""
    payload = {"type": CANCEL_SENT, "block_order_id": str(block_order_id), "rebalance_id": str(rebalance_id)}
    return Event(
        MARKET_ORDERS, CANCEL_SENT, f"cancel/{block_order_id}", payload, str(block_order_id), str(rebalance_id)
    )


def part_due(block_order_id: UUID, rebalance_id: UUID, part_no: int, snapshot_no: int) -> Event:
    """A part of a block order's accounts is to be filled; the row of `part_due` says with what.

    capture, opener → filler (allocations).
    """
    payload = {"block_order_id": str(block_order_id), "part_no": part_no, "snapshot_no": snapshot_no}
    name = f"{block_order_id}/{part_no}"
    return Event(PARTS, "PartDue", f"part/{name}/{snapshot_no}", payload, name, str(rebalance_id))


def part_filled(
    block_order_id: UUID,
    rebalance_id: UUID,
    security_id: int,
    side: Side,
    day: date,
    place: tuple[int, int, int],
    shares: Mapping[int, Share],
) -> Event:
    """Accounts of one bucket have got fills: `shares` by account. filler → booker (holdings).

    `place` is bucket, part and snapshot.
    """
    bucket, part_no, snapshot_no = place
    payload = {
        "block_order_id": str(block_order_id),
        "rebalance_id": str(rebalance_id),
        "security_id": security_id,
        "side": str(side),
        "trading_day": day.isoformat(),
        "bucket": bucket,
        "part_no": part_no,
        "snapshot_no": snapshot_no,
        "fills": [[account, share.quantity, str(share.amount)] for account, share in shares.items()],
    }
    identity = f"filled/{block_order_id}/{part_no}/{snapshot_no}"
    return Event(BOOKINGS, "PartFilled", identity, payload, str(bucket), str(rebalance_id))


def block_closed(block_order_id: UUID, rebalance_id: UUID, executed: int, amount: Decimal, version: int) -> list[Event]:
    """The market is done with a block order: what stands of its executions. A BUST or CORRECT afterwards makes other
    events, of a higher `version` (a sequence number).

    capture (allocations) → closer (orders), and → reconciler (holdings).
    """
    payload = {
        "block_order_id": str(block_order_id),
        "rebalance_id": str(rebalance_id),
        "executed": executed,
        "amount": str(amount),
        "version": version,
    }
    name, key = f"{block_order_id}/{version}", str(rebalance_id)
    return [
        Event(CLOSED, "BlockClosed", f"closed/{name}", payload, key, key),
        Event(CLOSINGS, BLOCK_CLOSED, f"closing/{name}", payload | {"type": BLOCK_CLOSED}, key, key),
    ]


def blocks_placed(rebalance_id: UUID, blocks: int) -> Event:
    """How many block orders a rebalance has: so many closings will come. 0: it has ended, because nothing is to be
    traded, or because it was cancelled before. Once for each rebalance. blocker (orders) → reconciler (holdings).
    """
    key = str(rebalance_id)
    payload = {"type": BLOCKS_PLACED, "rebalance_id": key, "blocks": blocks}
    return Event(CLOSINGS, BLOCKS_PLACED, f"placed/{key}", payload, key, key)
