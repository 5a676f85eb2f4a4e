"""Scenarios: what a simulation rebalances, and in which ways; read from config/scenarios/NAME.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from streams_app.errors import SettingsError
from streams_app.settings import Settings

FOLDER: Final = Path("config/scenarios")
Phase = Literal["routing", "allocations", "booking"]
How = Literal["kafka", "in_process", "one_batch"]


class Data(BaseModel):
    """What the domains are filled with: the same numbers and seed make the same rows."""

    model_config = ConfigDict(extra="forbid")

    accounts: int = Field(1000, ge=1, le=10_000_000, description="portfolio accounts")
    securities: int = Field(200, ge=2, le=10_000, description="what can be traded")
    days: int = Field(60, ge=1, le=5000, description="business days with prices")
    positions: int = Field(50, ge=1, le=1000, description="securities of a model, and so of an account")
    models: int = Field(10, ge=1, le=1000, description="models that accounts follow")
    skew: float = Field(0.0, ge=0, le=5, description="how unequal accounts are in size; 0: as people are")
    hot: float = Field(0.0, ge=0, lt=1, description="weight of one security in every model")
    seed: int = Field(1, description="another seed, other accounts and prices")

    @model_validator(mode="after")
    def _positions_exist(self) -> Data:
        if self.positions > self.securities:
            raise ValueError(f"positions: {self.positions} of {self.securities} securities; expected at most as many")
        return self


class Way(BaseModel):
    """One way to do the work. Several of a scenario do the same work one after another, each on fresh data."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=40, description="what the report calls it")
    how: How = Field(
        "kafka",
        description="kafka: steps behind topics, with outbox and inbox; in_process: the same steps in one process, "
        "without guarantees; one_batch: every step once, in one transaction",
    )
    workers: int = Field(2, ge=1, le=64, description="worker processes; kafka alone has them")
    concurrency: int = Field(4, ge=1, le=64, description="units of work at a time; in_process alone has it")
    kills: tuple[Phase, ...] = Field((), description="phases in which a worker is killed with SIGKILL; kafka alone")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="settings of the application, as in its configuration file"
    )

    def applied(self, app_id: str) -> Settings:
        """The application's settings with those of this way. Raises SettingsError, naming what is wrong."""
        try:
            return Settings(**self._settings(app_id))
        except ValidationError as error:
            raise SettingsError(f"way {self.name!r}: {_explained(error)}") from None

    def variables(self, app_id: str) -> dict[str, str]:
        """The same for a process of its own: environment variables."""
        return dict(_variables(self._settings(app_id), "STREAMS"))

    def _settings(self, app_id: str) -> dict[str, Any]:
        return {**self.settings, "app_id": app_id, "systems": "allocations"}


class Scenario(BaseModel):
    """A simulation: the data, the rebalance, and the ways to do it."""

    model_config = ConfigDict(extra="forbid")

    words: str = Field(min_length=1, max_length=300, description="what it shows, in a sentence")
    data: Data = Field(Data(), description="what the domains are filled with")
    group: str = Field("all", description="the group of accounts that is rebalanced")
    day: date | None = Field(None, description="the trading day  [default: the last one with prices]")
    patience: float = Field(120.0, gt=0, description="seconds without progress after which a way has failed")
    ways: tuple[Way, ...] = Field(min_length=1, description="how it is done")

    @field_validator("ways")
    @classmethod
    def _told_apart(cls, ways: tuple[Way, ...]) -> tuple[Way, ...]:
        names = [way.name for way in ways]
        if len(set(names)) < len(names):
            raise ValueError(f"two ways have one name: {', '.join(names)}")
        return ways


def load_scenario(name: str, folder: Path = FOLDER) -> Scenario:
    """The scenario of that name. Raises SettingsError, with the names that there are, or with what is wrong in it."""
    path = folder / f"{name}.toml"
    if path not in folder.glob("*.toml"):
        raise SettingsError(
            f"there is no scenario {name!r} in {folder}; there are {', '.join(_names(folder)) or 'none'}"
        )
    try:
        return Scenario(**tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    except ValidationError as error:
        raise SettingsError(f"{path}: {_explained(error)}") from None


def scenarios(folder: Path = FOLDER) -> dict[str, Scenario]:
    """All scenarios by name. Raises SettingsError."""
    return {name: load_scenario(name, folder) for name in _names(folder)}


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def _variables(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        variable = f"{prefix}__{name.upper()}" if prefix != "STREAMS" else f"STREAMS_{name.upper()}"
        if isinstance(value, Mapping):
            yield from _variables(value, variable)
        else:
            yield variable, value if isinstance(value, str) else json.dumps(value)


def _explained(error: ValidationError) -> str:
    """Each fault: where it is, and what is expected."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'settings'}: {str(item['msg']).removeprefix('Value error, ')}"
        for item in error.errors()
    )
