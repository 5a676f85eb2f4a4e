"""Registers connectors of every region with the Connect of deploy/compose.yaml; its arguments are the templates."""

from __future__ import annotations

import sys

from deploy.local.connectors import connector_config, connector_name
from deploy.local.layout import REGIONS
from deploy.local.rest import put_json


def main(templates: list[str]) -> None:
    """Register or update those of `templates`. Raises OSError when Connect does not take one."""
    for template in templates:
        for region in REGIONS:
            config = connector_config(region, f"postgres-{region}", 5432, "/run/secrets", template)
            url = f"http://connect:8083/connectors/{connector_name(region, template)}/config"
            put_json(url, config, seconds=60)


if __name__ == "__main__":
    main(sys.argv[1:] or ["requests"])
