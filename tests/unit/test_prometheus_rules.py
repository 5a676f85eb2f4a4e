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
RULES = {"tracking-rules.yml": 6, "trading-rules.yml": 5}
each_file = pytest.mark.parametrize("name", RULES)


def promtool(*words: str | Path) -> str:
    """What `promtool` says; the test fails when it refuses."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: it comes with the package prometheus")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@each_file
def test_the_rules_do_what_their_tests_say(name: str) -> None:
    assert "SUCCESS" in promtool("test", "rules", FOLDER / "tests" / name.replace(".yml", "-test.yml"))


@each_file
def test_each_rule_has_a_test(name: str) -> None:
    tests = (FOLDER / "tests" / name.replace(".yml", "-test.yml")).read_text()
    groups = yaml.safe_load((FOLDER / name).read_text())["groups"]
    alerts = [rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule]
    assert len(alerts) == RULES[name]
    assert [alert for alert in alerts if f"alertname: {alert}\n" not in tests] == []


@each_file
def test_the_rules_name_metrics_and_limits_that_there_are(name: str) -> None:
    text = (FOLDER / name).read_text()
    samples = {metric.name for metric in REGISTRY.collect()}
    used = set(re.findall(r"(?<![\w:])streams_(?!app)\w+", text))
    assert metrics.TRACKING_BACKLOG
    assert used
    assert {each.removesuffix("_total") for each in used} <= samples
    assert set(re.findall(r'alert="(\w+)"', text)) <= {alert.value for alert in AlertName}


@pytest.mark.parametrize("config", [FOLDER / "prometheus.yml", PROJECT / "deploy" / "containers" / "prometheus.yml"])
def test_the_configurations_name_the_rules(config: Path, tmp_path: Path) -> None:
    shutil.copy(config, tmp_path)
    for name in RULES:
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "targets.json").write_text("[]")
    assert f"SUCCESS: {len(RULES)} rule files found" in promtool("check", "config", tmp_path / config.name)


def test_the_local_stack_copies_the_rules_beside_its_configuration(tmp_path: Path) -> None:
    part = Stack(tmp_path).parts.get("prometheus")
    if part is None:
        pytest.skip("Prometheus is not installed")
    assert isinstance(part, Prometheus)
    part.folder.parent.mkdir(parents=True)
    part.prepare()
    for name in RULES:
        assert (part.folder / name).read_text() == (FOLDER / name).read_text()
    named = yaml.safe_load((part.folder / "prometheus.yml").read_text())["rule_files"]
    assert all((part.folder / name).is_file() for name in named)


def test_the_containers_have_the_rules_where_their_configuration_looks() -> None:
    compose = yaml.safe_load((PROJECT / "deploy" / "compose.yaml").read_text())
    mounts = dict(volume.split(":")[:2] for volume in compose["services"]["prometheus"]["volumes"])
    for name in RULES:
        target = mounts[f"../config/prometheus/{name}"]
        assert Path(target).parent == Path(mounts["./containers/prometheus.yml"]).parent
