"""The settings of allocations (seed 003): its six domains, its steps, its market."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

DomainName = Literal["reference", "market", "holdings", "orders", "trades", "allocations"]
StepName = Literal[
    "router", "blocker", "oms", "market", "opener", "capture", "filler", "booker", "closer", "reconciler"
]
DOMAINS: tuple[DomainName, ...] = get_args(DomainName)
#: Domains in which steps work: they have fences, an outbox and an inbox.
STEP_DOMAINS: tuple[DomainName, ...] = ("holdings", "orders", "trades", "allocations")
STEPS: tuple[StepName, ...] = get_args(StepName)


class DomainSettings(BaseModel):
    """Where a domain's database is, and who logs in to it. Owner and reader are those of `database`."""

    model_config = ConfigDict(extra="forbid")

    pooler: str = Field(description="host:port of the PgBouncer that all work goes through")
    server: str = Field(description="host:port of the server itself: migrations")
    database: str = Field(description="the name of the domain's database")
    user: str = Field(description="the domain's own role")
    password: SecretStr | None = None
    password_file: Path | None = None


class MarketSettings(BaseModel):
    """The simulated market: the same block order is always filled in the same pieces."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(1, description="another seed, other pieces and prices")
    pieces: int = Field(8, ge=1, le=10_000, description="executions of a block order, on average")
    spread: Decimal = Field(Decimal("0.01"), ge=0, lt=1, description="how far prices go from the open price, a share")
    bust_rate: float = Field(0.02, ge=0, le=1, description="share of executions that are taken back")
    correct_rate: float = Field(0.02, ge=0, le=1, description="share of executions that are corrected")
    unfilled_rate: float = Field(0.05, ge=0, le=1, description="share of block orders that are filled in part only")
    interval: float = Field(0.05, ge=0, description="seconds between the rounds of the market")
    orders: int = Field(100, ge=1, le=10_000, description="block orders of a round")
    pieces_a_round: int = Field(4, ge=1, le=10_000, description="executions of a block order in a round")


class AllocationSettings(BaseModel):
    """Rebalancing, block orders, executions, allocations, booking (seed 003)."""

    model_config = ConfigDict(extra="forbid")

    domains: dict[DomainName, DomainSettings] = Field(
        default_factory=dict, description="all six; two may share a server, none a database"
    )
    steps: Annotated[tuple[StepName, ...], NoDecode] = Field(
        STEPS,
        min_length=1,
        description="what workers do of it, the same for all of an app_id: each step may be an application of its own",
    )
    delivery: Literal["debezium", "relay"] = Field(
        "debezium", description="what carries the events of a step to the next one"
    )
    partitions: int = Field(12, ge=1, le=1000, description="partitions of each of its topics")
    units: dict[StepName, int] = Field(
        default_factory=dict, description="most events that a step takes into one transaction; beside the defaults"
    )
    buckets: int = Field(16, ge=1, le=1000, description="shares of the accounts: bookings of one follow each other")
    slice_accounts: int = Field(500, ge=1, description="accounts that are routed in one transaction")
    part_orders: int = Field(1000, ge=1, le=2000, description="customer orders that are filled in one transaction")
    snapshot_share: Decimal = Field(
        Decimal("0.25"), gt=0, le=1, description="share of a block order whose execution makes a snapshot due"
    )
    price_band: Decimal = Field(
        Decimal("0.05"), gt=0, lt=1, description="a price farther from the market's is not fair, and a break"
    )
    cash_kept: Decimal = Field(Decimal("0.02"), ge=0, lt=1, description="share of an account that stays cash")
    settlement_days: int = Field(1, ge=0, le=10, description="business days from trade to settlement")
    reconcile_interval: float = Field(2.0, gt=0, description="seconds between looks at what is booked")
    break_after: float = Field(60.0, ge=0, description="seconds after which what does not match is a break")
    market: MarketSettings = MarketSettings()

    @field_validator("steps", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _all_domains(self) -> AllocationSettings:
        missing = [name for name in DOMAINS if name not in self.domains]
        if self.domains and missing:
            raise ValueError(f"domains: {', '.join(missing)} missing; all six are needed")
        return self

    def unit(self, step: StepName) -> int:
        """Most events that `step` takes into one transaction."""
        return self.units.get(step, UNITS[step])


#: An event of the router is some hundred accounts, one of the filler and booker up to a thousand orders.
UNITS: dict[StepName, int] = {
    "router": 2,
    "blocker": 50,
    "oms": 200,
    "market": 200,
    "opener": 20,
    "capture": 2000,
    "filler": 60,
    "booker": 60,
    "closer": 200,
    "reconciler": 200,
}
