"""The connectors of each region, from the templates that the local stack and the containers share."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .errors import StackError
from .layout import DATABASE, DOMAINS, REGIONS, REPLICATION, TEMPLATES
from .templates import render

FOLDER = TEMPLATES / "connectors"
#: The template of the domains whose steps have an outbox, and that of the one whose executions are changes of a table.
STEPS, EXECUTIONS = "steps", "executions"
_DOMAINS_OF = {STEPS: ("holdings", "orders", "allocations"), EXECUTIONS: ("trades",)}


def places_of(template: str) -> dict[str, tuple[str, str]]:
    """Where connectors of a template run: region or domain → the region of its server, and the database there."""
    if template in _DOMAINS_OF:
        return {domain: (DOMAINS[domain], domain) for domain in _DOMAINS_OF[template]}
    return {region: (region, DATABASE) for region in REGIONS}


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
    """Return the connector's configuration for the PostgreSQL at `host`:`port`, from the template of that name;
    `region` is the domain where the template is one of domains.

    `secrets` is the folder, as Connect sees it, with one file per database role: Connect reads the password
    itself, so that it shows up in no REST answer and no topic.
    """
    read: dict[str, str] = json.loads((FOLDER / f"{template}.json").read_text("utf-8"))
    values = {
        "region": region,
        "region_identifier": region.replace("-", "_"),
        "host": host,
        "port": str(port),
        "database": places_of(template)[region][1],
        "user": REPLICATION,
        "password": f"${{directory:{secrets}:{REPLICATION}}}",
    }
    return {name: render(value, values) for name, value in read.items()}
