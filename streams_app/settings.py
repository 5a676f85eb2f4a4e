"""Every setting: typed, with its reason and default.

Order of precedence: environment (`STREAMS_…`), `.env`, the TOML file named by `STREAMS_CONFIG` (default
config/streams.toml), the defaults below. Paths in the TOML file are relative to it. Secrets come from files or from
`STREAMS_DATABASE__APP_PASSWORD` and its like, never from the TOML file.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from streams_app.allocation_settings import AllocationSettings
from streams_app.errors import SettingsError
from streams_app.system_settings import TraceSettings, TrackingSettings, TradingSettings

DEFAULT_CONFIG = Path("config/streams.toml")
Role = Literal["owner", "app", "readonly"]


class DatabaseSettings(BaseModel):
    """The database's name and who logs in to it; the same in every region."""

    model_config = ConfigDict(extra="forbid")

    name: str = "streams"
    owner_user: str = "streams_owner"
    owner_password: SecretStr | None = None
    owner_password_file: Path | None = None
    app_user: str = "streams_app"
    app_password: SecretStr | None = None
    app_password_file: Path | None = None
    readonly_user: str = "streams_readonly"
    readonly_password: SecretStr | None = None
    readonly_password_file: Path | None = None
    dialect: Literal["postgres", "cockroachdb"] = Field("postgres", description="what the servers speak")
    isolation: Literal["read committed", "serializable"] | None = Field(
        None, description="of every transaction; None is the server's own default"
    )
    sslmode: str = Field("prefer", description="libpq sslmode; use verify-full across a network")
    sslrootcert_file: Path | None = Field(None, description="certificates that a server's own must come from")
    sslcert_file: Path | None = Field(None, description="certificate to log in with, where the server asks for one")
    sslkey_file: Path | None = Field(None, description="its key")
    pool_min: int = Field(1, ge=0, description="connections kept open per region")
    pool_max: int = Field(8, ge=1, description="most connections per region and worker")
    pool_timeout: float = Field(5.0, gt=0, description="seconds to wait for a connection")
    pool_lifetime: float = Field(
        600.0, gt=0, description="seconds a connection lives, less up to 5 % at random; moves clients to new poolers"
    )
    breaker_after: float = Field(3.0, gt=0, description="seconds of failures after which a region is taken to be down")
    breaker_probe: float = Field(1.0, gt=0, description="seconds between attempts at a region that is down")
    region_timeout: float = Field(10.0, gt=0, description="seconds one unit of work in a region may take in all")
    retry_timeout: float = Field(
        5.0, ge=0, description="seconds in which a transaction that met a conflict is made again as a whole"
    )
    statement_timeout: float = Field(10.0, gt=0, description="seconds after which the server gives up a statement")

    def credentials(self, role: Role) -> dict[str, str]:
        """User and password of `role`, for psycopg. Raises SettingsError when the file cannot be read."""
        secret: SecretStr | None = getattr(self, f"{role}_password")
        path: Path | None = getattr(self, f"{role}_password_file")
        user = {"user": str(getattr(self, f"{role}_user"))}
        if secret is not None:
            return {**user, "password": secret.get_secret_value()}
        if path is None:
            return user
        try:
            return {**user, "password": path.read_text(encoding="utf-8").strip()}
        except OSError as error:
            raise SettingsError(f"database.{role}_password_file={path}: cannot be read ({error.strerror})") from error


class RegionSettings(BaseModel):
    """One region: its PgBouncer, the database server behind it, and the localities that live there."""

    model_config = ConfigDict(extra="forbid")

    pooler: str = Field(description="host:port of the region's PgBouncer; all work goes through it")
    server: str = Field(description="host:port of the database itself: migrations and slot health")
    localities: tuple[int, int] = Field(description="first and last locality of the region, inclusive")
    readonly_pooler: str | None = Field(
        None, description="host:port for those who only read (verify, requests show); None: the pooler"
    )
    pooler_database: str | None = Field(
        None, description="what poolers call the region's database, where that is not database.name"
    )

    @field_validator("pooler", "server", "readonly_pooler")
    @classmethod
    def _host_port(cls, value: str | None) -> str | None:
        if value is None:
            return None
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError("expected host:port")
        return value


class PrometheusSettings(BaseModel):
    """Where workers announce their metrics address."""

    model_config = ConfigDict(extra="forbid")

    targets_file: Path | None = Field(None, description="file_sd target file to keep, None for none")


SystemName = Literal["requests", "trace_store", "trading", "allocations"]


class Settings(BaseSettings):
    """All settings of the application."""

    model_config = SettingsConfigDict(
        env_prefix="STREAMS_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=True
    )

    app_id: str = Field("streams_app", pattern=r"^[A-Za-z0-9._-]+$", description="consumer group and changelog prefix")
    broker_url: str = Field("kafka://127.0.0.1:9092", pattern=r"^kafka://.+", description="bootstrap servers")
    connect_url: str | None = Field(None, description="Kafka Connect, for its health only")
    systems: Annotated[tuple[SystemName, ...], NoDecode] = Field(
        ("requests", "trace_store", "trading"),
        min_length=1,
        description="what workers run, the same for all of an app_id; in the environment with commas between. "
        "allocations needs its six domains",
    )
    topic_partitions: int = Field(24, ge=1, description="partitions of every keyed topic; a changelog has as many")
    topic_replication: int = Field(1, ge=1, description="replicas of every topic; 3 in production")
    instance_id: str | None = Field(
        None, description="static membership: a restart under this name keeps its partitions"
    )
    data_dir: Path = Field(Path(".local/faust"), description="where Faust keeps local files")
    workflows: Path = Field(Path("config/workflows.toml"), description="the workflows of the requests system")
    deadline_scale: float = Field(1.0, gt=0, le=1, description="multiplies the deadlines of waiting steps (demos)")

    batch_size: int = Field(2000, ge=1, le=50_000, description="most records in one unit of work")
    buffer_records: int = Field(10_000, ge=1, description="records fetched ahead; over it partitions are paused")
    lanes: int = Field(2, ge=1, le=16, description="batches in flight at a time, each of partitions of its own")
    commit_interval: float = Field(0.5, gt=0, description="seconds between commits of offsets")
    drain_timeout: float = Field(8.0, gt=0, description="seconds a batch in flight may take when partitions go")
    session_timeout: float = Field(10.0, gt=0, description="seconds after which a dead worker's partitions move")
    stall_timeout: float = Field(30.0, gt=0, description="seconds with lag and without progress: unhealthy")
    max_value_bytes: int = Field(262_144, ge=1024, description="a longer message is a dead letter")
    table_store: Literal["memory", "rocksdict"] = Field(
        "memory", description="where workers keep what they saw of each key; rocksdict: on disk, for many millions"
    )
    table_grace: int = Field(86_400, ge=0, description="seconds after which a key that ended is forgotten")
    sweep_interval: float = Field(5.0, gt=0, description="seconds between looks for overdue requests, per region")

    web_host: str = Field("127.0.0.1", description="address of the metrics and health pages")
    web_port: int = Field(6066, ge=1, le=65535, description="port of those pages; one per worker")
    log_format: Literal["text", "json"] = Field("text", description="json for machines")

    database: DatabaseSettings = DatabaseSettings()
    regions: dict[str, RegionSettings] = Field(default_factory=dict, description="by name")
    routing: Literal["regional", "centralized"] = Field(
        "regional", description="whose pooler work goes through: that of its own region, or one for all"
    )
    central_region: str | None = Field(None, description="the region of that one, when routing is centralized")
    prometheus: PrometheusSettings = PrometheusSettings()
    tracking: TrackingSettings = TrackingSettings()
    trace_store: TraceSettings = TraceSettings()
    trading: TradingSettings = TradingSettings()
    allocations: AllocationSettings = AllocationSettings()

    @field_validator("systems", mode="before")
    @classmethod
    def _by_commas(cls, value: object) -> object:
        return tuple(value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _regions_cover_localities(self) -> Settings:
        taken = [n for region in self.regions.values() for n in range(region.localities[0], region.localities[1] + 1)]
        if self.regions and sorted(taken) != list(range(30)):
            raise ValueError("regions: the localities of all regions together must be 0 to 29, each once")
        return self

    @model_validator(mode="after")
    def _allocations_have_domains(self) -> Settings:
        if "allocations" in self.systems and not self.allocations.domains:
            raise ValueError("allocations.domains: none are set, and systems has allocations; set all six")
        return self

    @model_validator(mode="after")
    def _central_region_is_known(self) -> Settings:
        if self.routing == "centralized" and self.central_region not in self.regions:
            names = ", ".join(self.regions) or "none"
            raise ValueError(
                f"central_region: {self.central_region!r} is no region, and routing is centralized; known are {names}"
            )
        # One pooler, a database for each region: the same name twice would put rows into another region's tables.
        apart = {region.pooler_database for region in self.regions.values()}
        if self.routing == "centralized" and self.database.dialect == "postgres" and len(apart) < len(self.regions):
            raise ValueError(
                "regions: with dialect postgres and routing centralized each needs a pooler_database of its own"
            )
        return self

    def pooler_of(self, region: str, role: Role) -> tuple[str, str]:
        """Address (host:port) of the pooler that `role` reaches `region` through, and the database's name there."""
        home = self.regions[region]
        via = self.regions[self.central_region] if self.routing == "centralized" and self.central_region else home
        address = via.readonly_pooler if role == "readonly" and via.readonly_pooler else via.pooler
        return address, home.pooler_database or self.database.name

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before the TOML file."""
        return (init_settings, env_settings, TomlFile(settings_cls))


class TomlFile(PydanticBaseSettingsSource):
    """The TOML file named by STREAMS_CONFIG."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # pragma: no cover
        """Unused: the file is read whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The file's values, with paths made absolute. Raises SettingsError when it cannot be read."""
        named = os.environ.get("STREAMS_CONFIG")
        path = Path(named) if named else DEFAULT_CONFIG
        if not named and not path.exists():
            return {}
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"STREAMS_CONFIG={path}: cannot be read ({error.strerror}); run `make up`?") from error
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"STREAMS_CONFIG={path}: {error}") from error
        _absolute(data, path.resolve().parent)
        return data


def load_settings() -> Settings:
    """Read and check all settings. Raises SettingsError: the name, the value, and what is expected."""
    for name, value in dotenv_values(".env").items():
        if name.startswith("STREAMS_") and value is not None:
            os.environ.setdefault(name, value)
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item) for item in error.errors())) from None


def _absolute(table: dict[str, Any], base: Path) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _absolute(value, base)
        elif isinstance(value, str) and (name.endswith(("_file", "_dir")) or name == "workflows"):
            table[name] = str(base / value)


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    name = ".".join(path) or "settings"
    said = str(item["msg"]).removeprefix("Value error, ")
    variable = "STREAMS_" + "__".join(path).upper()
    value = "(secret)" if "password" in name else repr(item["input"])
    if not path or isinstance(item["input"], dict):
        return f"{name}: {said}"
    return f"{name} ({variable}) = {value}: {said}"
