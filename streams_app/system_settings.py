"""The settings of the single systems; `streams_app.settings` puts them together."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from streams_app.errors import SettingsError

Level = Literal["full", "outcome", "off"]


class TrackingSettings(BaseModel):
    """The logs of events that are published and consumed."""

    model_config = ConfigDict(extra="forbid")

    delivery: Literal["relay", "debezium"] = Field(
        "relay", description="what carries events to their topics: the workers' relay, or a connector on the log"
    )
    relay_batch: int = Field(2000, ge=1, le=10_000, description="most events that a relay takes at once")
    relay_interval: float = Field(0.1, gt=0, description="seconds between looks for new events when there are none")
    lease: float = Field(10.0, gt=0, description="seconds after which the events of a dead relay go to another one")
    max_retries: int = Field(3, ge=0, description="tries after the first one before an event is FAILED")
    consumption: Level = Field(
        "full",
        description="what is written of consumed events: every state; outcome: one row when it is over; off: nothing",
    )
    topics: dict[str, Level] = Field(
        default_factory=dict, description="the same for single topics, such as those of a hot path"
    )
    days_ahead: int = Field(14, ge=2, le=400, description="partitions made ahead, in days")
    keep_days: int = Field(30, ge=1, description="days that stay in the logs; older ones may be archived")
    archive_dir: Path = Field(Path(".local/archive"), description="where `tracking archive` writes days")
    backlog_alert: int = Field(10_000, ge=1, description="events that wait to be published: more are an alert")
    oldest_alert: float = Field(60.0, gt=0, description="seconds that the oldest of them may wait")
    failure_rate_alert: float = Field(0.01, gt=0, le=1, description="share of events that may fail")
    retry_rate_alert: float = Field(0.05, gt=0, le=1, description="share of events that may need another try")

    def level(self, topic: str) -> Level:
        """What is written of the events of a topic."""
        return self.topics.get(topic, self.consumption)


class TraceSettings(BaseModel):
    """The store of code generation sessions."""

    model_config = ConfigDict(extra="forbid")

    max_payload_bytes: int = Field(1_048_576, ge=1024, description="a longer event is a dead letter")
    clock_tolerance: float = Field(3600.0, ge=0, description="seconds that an event's time may be in the future")
    retention_days: int = Field(90, ge=1, le=3650, description="older months are dropped by `traces prune`")
    months_ahead: int = Field(3, ge=1, le=24, description="partitions made ahead, in months")
    refresh_interval: float = Field(10.0, gt=0, description="seconds between refreshes of the sessions' figures")
    pool_min: int = Field(2, ge=0, description="connections per region kept open for those who look at traces")
    pool_max: int = Field(20, ge=1, description="most of them; up to 50 for many dashboards")
    token: SecretStr | None = Field(None, description="what callers of the worker's /traces/ pages must know")
    token_file: Path | None = Field(None, description="a file that holds it; without either the pages are closed")

    def secret(self) -> str | None:
        """The token. Raises SettingsError when its file cannot be read."""
        if self.token is not None or self.token_file is None:
            return None if self.token is None else self.token.get_secret_value()
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(
                f"trace_store.token_file={self.token_file}: cannot be read ({error.strerror})"
            ) from error


TradingRole = Literal["processor", "order_manager", "executor"]
# What exact decimals of a share are written with.
_HALF, _ONE = Decimal("0.5"), Decimal(1)


def _split(value: object) -> object:
    """A list, in the environment with commas between."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


class TradingSettings(BaseModel):
    """Signals, decisions, orders (seed 004)."""

    model_config = ConfigDict(extra="forbid")

    roles: Annotated[tuple[TradingRole, ...], NoDecode] = Field(
        ("processor", "order_manager", "executor"),
        min_length=1,
        description="what workers do of it, the same for all of an app_id: each role may be an application of its own",
    )
    guarantee: Literal["exactly_once", "at_least_once"] = Field(
        "exactly_once", description="of decisions: in Kafka transactions, or faster and repeated after a crash"
    )
    symbols: Annotated[tuple[str, ...], NoDecode] = Field(
        ("ES", "NQ", "YM", "RTY", "CL", "GC", "SI", "ZB", "ZN", "6E"),
        min_length=1,
        description="what is traded; a signal of anything else is a dead letter",
    )
    window: int = Field(20, ge=2, le=200, description="signals of a symbol and timeframe that a decision looks at")
    stale_after: int = Field(
        100, ge=1, le=10_000, description="a signal older than so many bars of its timeframe is a dead letter"
    )
    clock_tolerance: float = Field(60.0, ge=0, description="seconds that a signal's time may be after its sending")
    confidence_threshold: Decimal = Field(
        Decimal("0.65"), ge=_HALF, le=_ONE, description="decisions below it lead to no order"
    )
    base_quantity: int = Field(1, ge=1, description="contracts of an order right at the threshold")
    max_quantity: int = Field(10, ge=1, le=1_000_000, description="contracts of an order of full confidence")
    exchange_url: str = Field(
        "http://127.0.0.1:8090", pattern=r"^https?://[^\s@]+$", description="where orders are executed"
    )
    exchange_timeout: float = Field(2.0, gt=0, description="seconds after which an answer of it is given up")
    exchange_requests: int = Field(32, ge=1, le=1000, description="requests to it that a worker has under way at most")
    outbox_keep_days: int = Field(
        3, ge=1, le=365, description="older days of the outbox are dropped by `trading prune`"
    )
    outbox_days_ahead: int = Field(14, ge=2, le=400, description="partitions of it made ahead, in days")
    slot_lag_alert: int = Field(
        268_435_456, ge=1, description="bytes of log that a replication slot may hold back: more are an alert"
    )

    @field_validator("roles", "symbols", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        return _split(value)

    @model_validator(mode="after")
    def _quantities_grow(self) -> TradingSettings:
        if self.max_quantity < self.base_quantity:
            raise ValueError(f"max_quantity: {self.max_quantity} is less than base_quantity, {self.base_quantity}")
        return self
