"""Events of orders as they come: from Debezium's EventRouter, or from a changefeed of the outbox."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from streams_app.changefeed import Change, FeedSpec, Op, RecordLike, Resolved, decode
from streams_app.delivery import events
from streams_app.delivery.ports import Rejected
from streams_app.systems.trading.messages import ORDER_CREATED
from streams_app.systems.trading.model import locality_of_symbol

_SPEC = FeedSpec(key_column="aggregate_id", max_value_bytes=65_536)


@dataclass(frozen=True, slots=True)
class OrderEvent(Change):
    """A new order, as its event tells of it."""

    event_id: UUID
    order_id: UUID
    locality: int


def read_order_event(record: RecordLike) -> OrderEvent | None:
    """The event of a new order in a record; None for other events of orders, and for what is no event.

    Raises Undecodable, and Rejected: bad_order_event.
    """
    change = decode(record, _SPEC)
    if isinstance(change, Resolved) or change.after is None:
        return None
    row, headers = change.after, change.headers
    if "aggregate_type" in row:  # the outbox's own row: what the router puts into headers stands in columns
        return _event(change, row.get("payload"), row.get("event_id")) if row.get("type") == ORDER_CREATED else None
    if events.event_type(headers, row) != ORDER_CREATED:
        return None
    return _event(change, row, events.event_id(headers, row, (record.topic, record.partition, record.offset)))


def _event(change: Change, payload: Any, event_id: Any) -> OrderEvent:
    try:
        if payload["order_id"] != change.key:
            raise ValueError(f"order {str(payload['order_id'])[:40]!r} under the key {change.key[:40]!r}")
        identity, order_id, locality = UUID(event_id), UUID(change.key), locality_of_symbol(payload["symbol"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Rejected("bad_order_event", f"{type(error).__name__}: {error}"[:200]) from None
    return OrderEvent(
        topic=change.topic,
        partition=change.partition,
        offset=change.offset,
        key=change.key,
        version=None,
        op=Op.INSERT,
        before=None,
        after=None,
        headers=change.headers,
        source_time=change.source_time,
        table=None,
        region=None,
        key_parts=(),
        event_id=identity,
        order_id=order_id,
        locality=locality,
    )
