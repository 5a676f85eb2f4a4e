"""Models, and accounts that once followed them, made up: the same seed makes the same ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Final

from streams_app.systems.allocations.apportion import apportion
from streams_app.systems.allocations.model import Security

SEGMENTS: Final = ("retail", "private", "institutional")
#: Of a hundred accounts, how many of each segment; and how much larger than a retail account they are.
SEGMENT_SHARES: Final = (80, 15, 5)
_SIZES = {"retail": 1, "private": 5, "institutional": 40}
#: Weights are whole millionths.
WHOLE: Final = 1_000_000

# Relative to what the model wants of it, a third of all positions is more than a tenth away.
_NOISE: Final = 0.1034
_MEDIAN_CENTS: Final = 10_000_000
_LEAST_CASH, _MOST_CASH = 0.005, 0.08


@dataclass(frozen=True)
class Scale:
    """How much is made up.

    `days` of prices up to `until` (the last business day before today, if None). `positions`: securities of each
    model. `skew`: 0, sizes are log-normal; more, a few accounts hold more and more of all. `hot`: the share that the
    first security has in every model. Raises ValueError for what does not go together.
    """

    accounts: int = 1000
    securities: int = 200
    days: int = 60
    positions: int = 50
    models: int = 10
    seed: int = 1
    skew: float = 0.0
    hot: float = 0.0
    buckets: int = 16
    until: date | None = None

    def __post_init__(self) -> None:
        if not 0 < self.positions <= self.securities:
            raise ValueError(f"positions {self.positions}: expected 1 to {self.securities}, as many as securities")
        if not 0 <= self.hot < 1 or (self.hot and self.positions == 1):
            raise ValueError(f"hot {self.hot:g}: expected a share from 0 to 1, 1 not included, and 2 positions or more")


@dataclass(frozen=True, slots=True)
class Model:
    """What accounts should hold: millionths of their value by security, WHOLE together."""

    model_id: int
    name: str
    weights: dict[int, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """An account as it is at first. Cash is in cents."""

    account_id: int
    bucket: int
    segment: str
    risk: int
    model_id: int
    cash: int
    positions: list[tuple[int, int]]


def models(scale: Scale) -> list[Model]:
    """The models, with ids from 1."""
    return [_model(scale, model_id) for model_id in range(1, scale.models + 1)]


def _model(scale: Scale, model_id: int) -> Model:
    rng = Random(f"{scale.seed}:model:{model_id}")  # noqa: S311 (repeatable on purpose)
    listed = range(1, scale.securities + 1)
    if scale.hot:
        hot = round(scale.hot * WHOLE)
        chosen = [1, *rng.sample(listed[1:], scale.positions - 1)]
        weights = [hot, *_weights(rng, scale.positions - 1, WHOLE - hot)]
    else:
        chosen = rng.sample(listed, scale.positions)
        weights = _weights(rng, scale.positions, WHOLE)
    return Model(model_id, f"model-{model_id:02d}", dict(zip(chosen, weights, strict=True)))


def _weights(rng: Random, count: int, total: int) -> list[int]:
    return apportion(total, [round(WHOLE * rng.lognormvariate(0, 0.6)) for _ in range(count)])


class Accounts:
    """Accounts by number. An account depends on the seed and its number, whatever others are made."""

    def __init__(self, scale: Scale, listed: Sequence[Security], cents: Mapping[int, int]) -> None:
        """`cents`: the price of each security at which accounts hold what they hold."""
        self._scale = scale
        lots = {security.security_id: security.lot_size for security in listed}
        # Of each model: security, lot, and how many lots a cent of the account's value makes.
        self._lots = [
            [(key, lots[key], weight / (WHOLE * lots[key] * cents[key])) for key, weight in model.weights.items()]
            for model in models(scale)
        ]

    def account(self, account_id: int) -> Holder:
        """The account of that number, from 1."""
        scale = self._scale
        rng = Random(f"{scale.seed}:account:{account_id}")  # noqa: S311
        [segment] = rng.choices(SEGMENTS, SEGMENT_SHARES)
        risk, model = rng.randint(1, 5), rng.randrange(scale.models)
        # By rank: the largest account is (number of accounts)^skew times as large as the smallest.
        rank = max(rng.random(), 1 / scale.accounts)
        value = _MEDIAN_CENTS * _SIZES[segment] * rng.lognormvariate(0, 0.6) * rank**-scale.skew
        cash, gauss = rng.uniform(_LEAST_CASH, _MOST_CASH), rng.gauss
        invested, positions = value * (1 - cash), []
        for security_id, lot, lots_a_cent in self._lots[model]:
            lots = int(invested * lots_a_cent * gauss(1, _NOISE) + 0.5)
            if lots > 0:
                positions.append((security_id, lots * lot))
        return Holder(account_id, account_id % scale.buckets, segment, risk, model + 1, round(value * cash), positions)
