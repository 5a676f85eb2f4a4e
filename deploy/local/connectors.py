"""The connector of each region, from the template that the local stack and the containers share."""

from __future__ import annotations

import json

from .layout import DATABASE, REPLICATION, TEMPLATES
from .templates import render


def connector_name(region: str, template: str = "requests") -> str:
    """How the connector of `region` is called."""
    return f"{template}-{region}"


def connector_config(region: str, host: str, port: int, secrets: str, template: str = "requests") -> dict[str, str]:
    """Return the connector's configuration for the PostgreSQL at `host`:`port`: of the requests' changes, or of events.

    `secrets` is the folder, as Connect sees it, with one file per database role: Connect reads the password
    itself, so that it shows up in no REST answer and no topic.
    """
    read: dict[str, str] = json.loads((TEMPLATES / "connectors" / f"{template}.json").read_text("utf-8"))
    values = {
        "region": region,
        "region_identifier": region.replace("-", "_"),
        "host": host,
        "port": str(port),
        "database": DATABASE,
        "user": REPLICATION,
        "password": f"${{directory:{secrets}:{REPLICATION}}}",
    }
    return {name: render(value, values) for name, value in read.items()}
