"""Registers the connector of each region with the Kafka Connect of deploy/compose.yaml."""

from __future__ import annotations

from deploy.local.connectors import connector_config, connector_name
from deploy.local.layout import REGIONS
from deploy.local.rest import put_json


def main() -> None:
    """Register or update all connectors. Raises OSError when Connect does not take one."""
    for region in REGIONS:
        config = connector_config(region, f"postgres-{region}", 5432, "/run/secrets")
        put_json(f"http://connect:8083/connectors/{connector_name(region)}/config", config, seconds=60)


if __name__ == "__main__":
    main()
