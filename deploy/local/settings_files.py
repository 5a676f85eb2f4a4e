"""The files the application finds the stack by: passwords, `streams.toml` and the checkout's `.env`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from .connectors import STEPS
from .layout import (
    APP,
    DATABASE,
    DEFAULT_ROOT,
    DOMAIN_ROLES,
    DOMAINS,
    OWNER,
    PROJECT,
    READONLY,
    REGIONS,
    ROLES,
    SUPERUSER,
    Layout,
)
from .parts.base import Site
from .parts.prometheus import TARGETS_FILE
from .users import write_private

VARIABLE = "STREAMS_CONFIG"


def make_secrets(layout: Layout) -> None:
    """Make a random password for every database role that has none yet."""
    layout.secrets.mkdir(mode=0o700, exist_ok=True)
    for role in (*ROLES, *DOMAIN_ROLES.values(), SUPERUSER):
        path = layout.secrets / role
        if not path.exists():
            # Without a line end: Kafka Connect takes the file as it is.
            write_private(path, secrets.token_urlsafe(24), None)


def write_settings(site: Site, connectors: Sequence[str] = ()) -> None:
    """Write the configuration the application reads; its paths are relative to the file.

    With the connectors of allocations it runs them, too.
    """
    systems = ["requests", "trace_store", "trading", *(["allocations"] if STEPS in connectors else [])]
    lines = [
        "# Written by the local stack at each start.",
        f'broker_url = "kafka://{site.bootstrap}"',
        *([f"topic_replication = {site.replication}"] if site.replication > 1 else []),
        f'connect_url = "http://{site.address("connect")}"',
        'data_dir = "faust"',
        f"systems = {systems}",
        "",
        "[database]",
        f'name = "{DATABASE}"',
    ]
    for use, role in (("owner", OWNER), ("app", APP), ("readonly", READONLY)):
        lines += [f'{use}_user = "{role}"', f'{use}_password_file = "secrets/{role}"']
    for region, (first, last) in REGIONS.items():
        lines += [
            "",
            f"[regions.{region}]",
            f'pooler = "{site.address(f"pgbouncer-{region}")}"',
            f'server = "{site.address(f"postgres-{region}")}"',
            f"localities = [{first}, {last}]",
        ]
    for domain, region in DOMAINS.items():
        lines += [
            "",
            f"[allocations.domains.{domain}]",
            f'pooler = "{site.address(f"pgbouncer-{region}")}"',
            f'server = "{site.address(f"postgres-{region}")}"',
            f'database = "{domain}"',
            f'user = "{DOMAIN_ROLES[domain]}"',
            f'password_file = "secrets/{DOMAIN_ROLES[domain]}"',
        ]
    lines += ["", "[prometheus]", f'targets_file = "services/prometheus/{TARGETS_FILE}"', ""]
    write_private(site.layout.config, "\n".join(lines), None)


def point_checkout_at(config: Path) -> None:
    """Name the configuration of the default stack in the checkout's `.env`; keep its other lines."""
    if config.parent == DEFAULT_ROOT:
        lines = _other_lines()
        lines.append(f"{VARIABLE}={config.relative_to(PROJECT)}")
        (PROJECT / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")


def forget_checkout(config: Path) -> None:
    """Take that line away again, and the file with it when nothing else is in it."""
    env = PROJECT / ".env"
    if config.parent == DEFAULT_ROOT and env.exists():
        lines = _other_lines()
        if lines:
            env.write_text("\n".join(lines) + "\n", encoding="utf-8")
        else:
            env.unlink()


def _other_lines() -> list[str]:
    env = PROJECT / ".env"
    lines = env.read_text(encoding="utf-8").splitlines() if env.exists() else []
    return [line for line in lines if not line.startswith(f"{VARIABLE}=")]
