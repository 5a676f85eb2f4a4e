"""The connectors of each region, from the templates that the local stack and the containers share."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .errors import StackError
from .layout import DATABASE, REPLICATION, TEMPLATES
from .templates import render

FOLDER = TEMPLATES / "connectors"


def check_templates(names: Iterable[str]) -> None:
    """Raises StackError, naming those that exist, when there is no template of one of these names."""
    known = sorted(path.stem for path in FOLDER.glob("*.json"))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise StackError(f"there is no connector {unknown[0]!r}; the connectors are {', '.join(known)}")


def connector_name(region: str, template: str = "requests") -> str:
    """How the connector of `region` is called."""
    return f"{template}-{region}"


def connector_config(region: str, host: str, port: int, secrets: str, template: str = "requests") -> dict[str, str]:
    """Return the connector's configuration for the PostgreSQL at `host`:`port`, from the template of that name.

    `secrets` is the folder, as Connect sees it, with one file per database role: Connect reads the password
    itself, so that it shows up in no REST answer and no topic.
    """
    read: dict[str, str] = json.loads((FOLDER / f"{template}.json").read_text("utf-8"))
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
