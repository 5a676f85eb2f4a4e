"""The file that tells Prometheus where workers are."""

import orjson

from streams_app.observability.targets import announce, withdraw


def targets(path) -> list[str]:
    [group] = orjson.loads(path.read_bytes())
    return group["targets"]


def test_workers_come_and_go(tmp_path):
    path = tmp_path / "prometheus" / "targets.json"
    announce(path, "127.0.0.1:7001")
    announce(path, "127.0.0.1:7002")
    announce(path, "127.0.0.1:7001")
    assert targets(path) == ["127.0.0.1:7001", "127.0.0.1:7002"]
    withdraw(path, "127.0.0.1:7001")
    assert targets(path) == ["127.0.0.1:7002"]
