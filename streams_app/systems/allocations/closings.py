"""Closings of block orders as two steps read them: of each block order the newest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from streams_app.databases.arrays import numbers, texts
from streams_app.systems.allocations.messages import Payload


@dataclass(frozen=True, slots=True)
class Closing:
    """What stands of a block order's executions up to the one with the sequence number `version`."""

    block_order_id: UUID
    rebalance_id: UUID
    executed: int
    amount: Decimal
    version: int


def closings_of(payloads: Iterable[Payload]) -> list[Closing]:
    """The newest closing of each block order among those of `block_closed`, by their ids."""
    newest: dict[UUID, Closing] = {}
    for payload in payloads:
        closing = Closing(
            UUID(payload["block_order_id"]),
            UUID(payload["rebalance_id"]),
            payload["executed"],
            Decimal(payload["amount"]),
            payload["version"],
        )
        known = newest.get(closing.block_order_id)
        if known is None or known.version < closing.version:
            newest[closing.block_order_id] = closing
    return [newest[block_order_id] for block_order_id in sorted(newest)]


def arguments_of(closings: Sequence[Closing]) -> dict[str, Any]:
    """Closings as arrays for a statement."""
    return {
        "block_order_ids": texts([str(closing.block_order_id) for closing in closings]),
        "rebalance_ids": texts([str(closing.rebalance_id) for closing in closings]),
        "executed": numbers(closing.executed for closing in closings),
        "amounts": texts([str(closing.amount) for closing in closings]),
        "versions": numbers(closing.version for closing in closings),
    }
