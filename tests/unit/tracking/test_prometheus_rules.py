"""The rules of Prometheus: well formed, of metrics that there are, and right by promtool's own tests."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

from deploy.local import Stack
from deploy.local.layout import PROJECT
from deploy.local.parts.prometheus import Prometheus
from streams_app import metrics
from streams_app.systems.tracking.alerts import AlertName

FOLDER = PROJECT / "config" / "prometheus"
RULES = FOLDER / "tracking-rules.yml"


def promtool(*words: str | Path) -> str:
    """What `promtool` says; the test fails when it refuses."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: it comes with the package prometheus")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_do_what_their_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", FOLDER / "tests" / "tracking-rules-test.yml")


def test_each_rule_has_a_test() -> None:
    tests = (FOLDER / "tests" / "tracking-rules-test.yml").read_text()
    groups = yaml.safe_load(RULES.read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert len(alerts) == 6
    assert [alert for alert in alerts if f"alertname: {alert}\n" not in tests] == []


def test_the_rules_name_metrics_and_limits_that_there_are() -> None:
    text = RULES.read_text()
    samples = {metric.name for metric in REGISTRY.collect() if metric.name.startswith("streams_tracking")}
    used = set(re.findall(r"(?<![\w:])streams_tracking_\w+", text))
    assert metrics.TRACKING_BACKLOG
    assert used
    assert {name.removesuffix("_total") for name in used} <= samples
    assert set(re.findall(r'alert="(\w+)"', text)) <= {name.value for name in AlertName}


@pytest.mark.parametrize("config", [FOLDER / "prometheus.yml", PROJECT / "deploy" / "containers" / "prometheus.yml"])
def test_the_configurations_name_the_rules(config: Path, tmp_path: Path) -> None:
    shutil.copy(config, tmp_path)
    shutil.copy(RULES, tmp_path)
    (tmp_path / "targets.json").write_text("[]")
    assert "SUCCESS: 1 rule files found" in promtool("check", "config", tmp_path / config.name)


def test_the_local_stack_copies_the_rules_beside_its_configuration(tmp_path: Path) -> None:
    part = Stack(tmp_path).parts.get("prometheus")
    if part is None:
        pytest.skip("Prometheus is not installed")
    assert isinstance(part, Prometheus)
    part.folder.parent.mkdir(parents=True)
    part.prepare()
    assert (part.folder / "tracking-rules.yml").read_text() == RULES.read_text()
    named = yaml.safe_load((part.folder / "prometheus.yml").read_text())["rule_files"]
    assert all((part.folder / name).is_file() for name in named)


def test_the_containers_have_the_rules_where_their_configuration_looks() -> None:
    compose = yaml.safe_load((PROJECT / "deploy" / "compose.yaml").read_text())
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["prometheus"]["volumes"])
    target = mounts["../config/prometheus/tracking-rules.yml"]
    assert Path(target).parent == Path(mounts["./containers/prometheus.yml"]).parent
