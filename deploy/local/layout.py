"""Where everything lies: the folders of one stack, and the regions it serves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
DEFAULT_ROOT = PROJECT / ".local" / "stack"
TEMPLATES = PROJECT / "config"

# Region → first and last locality (hash bucket of the account) that it is home to.
REGIONS: dict[str, tuple[int, int]] = {"us-east": (0, 9), "us-central": (10, 19), "us-west": (20, 29)}

# Domain of allocations → the region whose server holds its database. Those with the most rows are apart.
DOMAINS: dict[str, str] = {
    "reference": "us-west",
    "market": "us-west",
    "holdings": "us-east",
    "orders": "us-west",
    "trades": "us-west",
    "allocations": "us-central",
}

DATABASE = "streams"
OWNER, APP, READONLY, REPLICATION = "streams_owner", "streams_app", "streams_readonly", "streams_replication"
SUPERUSER = "postgres"
ROLES = (OWNER, APP, READONLY, REPLICATION)
#: The role of each domain; its database is called as the domain is.
DOMAIN_ROLES = {domain: f"streams_{domain}" for domain in DOMAINS}


@dataclass(frozen=True)
class Layout:
    """The folders and files below one root."""

    root: Path

    @property
    def state(self) -> Path:
        """Ports and processes, remembered between commands."""
        return self.root / "stack.json"

    @property
    def config(self) -> Path:
        """The configuration the application reads."""
        return self.root / "streams.toml"

    @property
    def secrets(self) -> Path:
        """One file per database role, readable by the owner of the stack alone."""
        return self.root / "secrets"

    @property
    def services(self) -> Path:
        """Data of the parts that refuse to run as root; a link when their user cannot reach the root."""
        return self.root / "services"

    def log(self, part: str) -> Path:
        """The log file of `part`."""
        return self.root / "logs" / f"{part}.log"

    def service(self, part: str) -> Path:
        """The folder of `part` below `services`, with links resolved: its own user must reach it."""
        return self.services.resolve() / part

    def folder(self, part: str) -> Path:
        """The folder of a part that runs as the owner of the stack."""
        return self.root / part
