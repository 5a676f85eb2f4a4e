"""deploy/compose.yaml: well formed, and of one piece with the rest of the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from deploy.local.java import BROKER, CONNECT
from deploy.local.layout import PROJECT, REGIONS, ROLES, SUPERUSER

SCHEMA = json.loads(Path(__file__).with_name("test_local_compose_schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = (PROJECT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_it_follows_the_schema(compose: dict[str, Any]) -> None:
    jsonschema.validate(compose, SCHEMA)


def test_everything_it_refers_to_exists(compose: dict[str, Any]) -> None:
    services, volumes, secrets = compose["services"], compose["volumes"], compose["secrets"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert set(service.get("secrets", [])) <= set(secrets)
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            assert source in volumes or (PROJECT / "deploy" / source).is_file()


def test_each_region_has_its_server_and_its_pooler(compose: dict[str, Any]) -> None:
    for region in REGIONS:
        assert f"postgres-{region}" in compose["services"]
        environment = compose["services"][f"pgbouncer-{region}"]["environment"]
        assert environment == {"POSTGRES_HOST": f"postgres-{region}"}


def test_each_database_role_has_its_secret(compose: dict[str, Any]) -> None:
    assert set(compose["secrets"]) == {*ROLES, SUPERUSER}


def test_broker_and_connect_are_of_the_versions_of_the_local_stack(compose: dict[str, Any]) -> None:
    broker, connect = (jars[0].split(":")[3] for jars in (BROKER, CONNECT))
    dockerfile = (PROJECT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{broker}"
    assert f"FROM apache/kafka:{connect} AS connect" in dockerfile


def test_the_pooler_of_the_containers_fills_every_placeholder() -> None:
    script = (PROJECT / "deploy" / "containers" / "pgbouncer.sh").read_text(encoding="utf-8")
    template = (PROJECT / "config" / "pgbouncer" / "pgbouncer.ini").read_text(encoding="utf-8")
    wanted = {word.partition("}")[0] for word in template.split("${")[1:]}
    assert not [name for name in wanted if f"${{{name}}}|" not in script]
