"""The two logs as plain data: an event's states on its way out and on its way in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class ProductionStatus(StrEnum):
    """An event on its way to its topic (seed 001)."""

    PENDING = "PENDING"  # committed with what caused it
    PUBLISHING = "PUBLISHING"  # taken by a relay
    PUBLISHED = "PUBLISHED"  # on its topic, at a known offset
    FAILED = "FAILED"  # given up; among the dead letters


class ConsumptionStatus(StrEnum):
    """An event on its way through a consumer (seed 001)."""

    RECEIVED = "RECEIVED"
    PROCESSING = "PROCESSING"
    PROCESSED = "PROCESSED"  # its effect is committed, in the same transaction
    FAILED = "FAILED"  # given up; among the dead letters


@dataclass(frozen=True, slots=True)
class Production:
    """A row of event_production_log. Of one status only: `partition`, `offset` and `published_at` of PUBLISHED,
    `error_message` of those that failed once."""

    id: int
    region: str
    event_id: str
    service_name: str
    topic: str
    event_key: str | None
    event_type: str
    payload: Any
    status: ProductionStatus
    retry_count: int
    max_retries: int
    error_message: str | None
    correlation_id: str | None
    partition: int | None
    offset: int | None
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    metadata: Any


@dataclass(frozen=True, slots=True)
class Consumption:
    """A row of event_consumption_log. `processing_time_ms` is that of the batch that the event was processed in."""

    id: int
    region: str
    event_id: str
    service_name: str
    topic: str
    partition: int
    offset: int
    consumer_group: str
    event_type: str
    event_key: str | None
    payload: Any
    status: ConsumptionStatus
    retry_count: int
    max_retries: int
    processing_time_ms: int | None
    error_message: str | None
    error_stack_trace: str | None
    correlation_id: str | None
    received_at: datetime
    processed_at: datetime | None
    created_at: datetime
    updated_at: datetime | None
    metadata: Any
