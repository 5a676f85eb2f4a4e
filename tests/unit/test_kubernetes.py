"""deploy/kubernetes: well formed, of one piece, and of one piece with the code; no cluster is asked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local.connectors import connector_config, connector_name
from deploy.local.java import CONNECT, DEBEZIUM
from deploy.local.layout import PROJECT, REGIONS
from streams_app.application import COMMANDS
from streams_app.commands.trading import TRADING_COMMANDS
from streams_app.settings import Settings, load_settings
from streams_app.systems.trading.commands import trading_group
from streams_app.topics import (
    DEAD_LETTER_AUDIT,
    DEAD_LETTERS,
    DECISIONS,
    KEYED,
    ORDERS,
    SIGNAL_TOPICS,
    orders_heartbeat_topic,
    parked_decisions_topic,
    parked_orders_topic,
    signals_changelog,
)

Document = dict[str, Any]

HOME = PROJECT / "deploy" / "kubernetes"
TRADING = HOME / "trading"
README = (HOME / "README.md").read_text(encoding="utf-8")
FILES = sorted(path for path in TRADING.rglob("*.yaml") if path.name != "kustomization.yaml")
WORKERS = {"signal-processor": "processor", "order-manager": "order_manager", "order-executor": "executor"}
# Labels of pods that Strimzi makes.
BROKERS, CONNECT_WORKERS = {"strimzi.io/name": "trading-kafka"}, {"strimzi.io/name": "trading-connect-connect"}


def read(path: Path) -> list[Document]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


DOCUMENTS = [document for path in FILES for document in read(path)]


def of_kind(*kinds: str) -> list[Document]:
    return [document for document in DOCUMENTS if document["kind"] in kinds]


def named(kind: str, name: str) -> Document:
    (found,) = (document for document in of_kind(kind) if document["metadata"]["name"] == name)
    return found


def pod_of(document: Document) -> Document:
    """The pod template of a Deployment, a Job or a CronJob."""
    spec = document["spec"]
    template: Document = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return template


def pods() -> list[Document]:
    return [pod_of(document) for document in of_kind("Deployment", "Job", "CronJob")]


def container_of(document: Document) -> Document:
    (container,) = pod_of(document)["spec"]["containers"]
    return dict(container)


def values_under(name: str, node: object) -> Iterator[Any]:
    """Every value with this key, however deep."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield value
            yield from values_under(name, value)
    elif isinstance(node, list):
        for value in node:
            yield from values_under(name, value)


def selects(selector: Document, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items()
    return wanted <= labels.items() and all(
        rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"]
        for rule in selector.get("matchExpressions", [])
    )


def test_every_file_is_applied_once() -> None:
    listed = [
        (kustomization.parent / name).resolve()
        for kustomization in TRADING.rglob("kustomization.yaml")
        for name in read(kustomization)[0]["resources"]
    ]
    assert sorted(path for path in listed if path.suffix) == FILES
    assert sorted(path.name for path in listed if not path.suffix) == ["apps", "connect", "kafka"]


def test_every_document_says_what_it_is_and_where() -> None:
    for document in DOCUMENTS:
        assert document["apiVersion"]
        assert document["metadata"]["name"]
        where = document["metadata"]["name" if document["kind"] == "Namespace" else "namespace"]
        assert where == "trading"
    identities = [(document["kind"], document["metadata"]["name"]) for document in DOCUMENTS]
    assert len(identities) == len(set(identities))


def test_deployments_budgets_and_services_select_the_pods_that_they_mean() -> None:
    for deployment in of_kind("Deployment"):
        assert selects(deployment["spec"]["selector"], pod_of(deployment)["metadata"]["labels"])
    selectors = [budget["spec"]["selector"] for budget in of_kind("PodDisruptionBudget")]
    selectors += [{"matchLabels": service["spec"]["selector"]} for service in of_kind("Service")]
    for selector in selectors:
        assert (
            sum(selects(selector, pod_of(deployment)["metadata"]["labels"]) for deployment in of_kind("Deployment"))
            == 1
        )


def test_policies_are_about_pods_that_exist() -> None:
    labels = [BROKERS, CONNECT_WORKERS, *(pod["metadata"]["labels"] for pod in pods())]
    names = {of.get("app.kubernetes.io/name") for of in labels}
    for selector in values_under("podSelector", of_kind("NetworkPolicy", "Kafka")):
        assert any(selects(selector, of) for of in labels), selector
    for (values,) in (
        [rule["values"] for rule in rules] for rules in values_under("matchExpressions", of_kind("NetworkPolicy"))
    ):
        assert set(values) <= names


def test_everything_that_is_referred_to_is_here_or_in_the_readme() -> None:
    generated = {
        generator["name"]
        for path in TRADING.rglob("kustomization.yaml")
        for generator in read(path)[0].get("configMapGenerator", [])
    }
    maps = generated | {document["metadata"]["name"] for document in of_kind("ConfigMap")}
    assert {of["name"] for key in ("configMap", "configMapKeyRef") for of in values_under(key, DOCUMENTS)} <= maps
    secrets = set(values_under("secretName", DOCUMENTS)) | set(values_under("pushSecret", DOCUMENTS))
    secrets |= {of["name"] for pull in values_under("imagePullSecrets", DOCUMENTS) for of in pull}
    assert all(name in README for name in secrets)
    claims = {claim["metadata"]["name"] for claim in of_kind("PersistentVolumeClaim")}
    assert set(values_under("claimName", DOCUMENTS)) == claims
    for pod in pods():
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        assert {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]} == volumes


def test_images_have_a_tag_that_stays() -> None:
    images = list(values_under("image", DOCUMENTS))
    assert images
    assert all(re.fullmatch(r"[a-z./-]+:\d[\w.]*", image) for image in images)


def test_no_file_holds_a_secret() -> None:
    assert not of_kind("Secret")
    for config in values_under("config", of_kind("KafkaConnector")):
        assert config["database.password"] == "${directory:/mnt/secrets:streams_replication}"
    for variable in (of for env in values_under("env", DOCUMENTS) for of in env):
        assert not re.search("PASSWORD|TOKEN|SECRET", variable["name"])
    settings = (TRADING / "apps" / "streams.toml").read_text(encoding="utf-8")
    assert not re.search(r"(password|token) *=", settings)


def test_pods_have_no_rights_and_a_limit() -> None:
    for pod in pods():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["automountServiceAccountToken"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        assert pod["metadata"]["labels"]["app.kubernetes.io/part-of"] == "trading"  # under the policy `nothing-else`


def settings_of(container: Document, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """The settings that the application would have in this container."""
    for name in [name for name in os.environ if name.startswith("STREAMS_")]:
        monkeypatch.delenv(name)
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    monkeypatch.setenv("STREAMS_CONFIG", str(TRADING / "apps" / "streams.toml"))
    monkeypatch.chdir(folder)
    return load_settings()


@pytest.mark.parametrize(("name", "role"), WORKERS.items())
def test_each_worker_has_its_role_and_settings_that_are_valid(
    name: str, role: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deployment = named("Deployment", name)
    container = container_of(deployment)
    settings = settings_of(container, monkeypatch, tmp_path)
    assert (settings.app_id, settings.systems, settings.trading.roles) == (name, ("trading",), (role,))
    assert settings.broker_url == "kafka://trading-kafka-bootstrap:9092"
    assert settings.web_port == container["ports"][0]["containerPort"]
    assert {region: of.localities for region, of in settings.regions.items()} == REGIONS
    assert container["command"] == ["faust", "-A", "streams_app", "-L", "uvloop", "worker", "--loglevel", "info"]
    assert deployment["spec"]["replicas"] == 2
    assert named("PodDisruptionBudget", name)
    assert {
        probe["httpGet"]["path"]
        for key in ("readinessProbe", "livenessProbe")
        for probe in values_under(key, container)
    } == {"/health"}


@pytest.mark.parametrize(
    "document",
    [*of_kind("Job", "CronJob"), named("Deployment", "exchange")],
    ids=lambda document: document["metadata"]["name"],
)
def test_what_is_no_worker_runs_a_command_that_exists_with_settings_that_are_valid(
    document: Document, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    container = container_of(document)
    settings_of(container, monkeypatch, tmp_path)
    program, words = container["command"][:3], container["command"][3:]
    assert program == ["faust", "-A", "streams_app"]
    of_trading = {command.name: command for command in (*trading_group.commands.values(), *TRADING_COMMANDS)}
    known = {command.name: command for command in COMMANDS}
    if words[0] == "trading":
        known, words = of_trading, words[1:]
    known[words[0]].make_context(words[0], words[1:])  # parses, and refuses what it does not know


@pytest.mark.parametrize(
    ("timeframe", "schedule"), [("1m", "*/1 * * * *"), ("5m", "*/5 * * * *"), ("15m", "*/15 * * * *")]
)
def test_each_timeframe_has_its_schedule_and_never_two_at_a_time(timeframe: str, schedule: str) -> None:
    job = named("CronJob", f"signal-{timeframe}")
    assert job["spec"]["schedule"] == schedule
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    assert timeframe in container_of(job)["command"]


def test_the_topics_are_those_of_the_application() -> None:
    makers = (parked_decisions_topic, parked_orders_topic, orders_heartbeat_topic)
    specs = [*SIGNAL_TOPICS, DECISIONS, ORDERS, DEAD_LETTERS, DEAD_LETTER_AUDIT, signals_changelog("signal-processor")]
    specs += [make(region) for make in makers for region in REGIONS]
    keyed = Settings.model_fields["topic_partitions"].default
    wanted = {spec.name: (keyed if spec.partitions == KEYED else spec.partitions, 3, spec.config) for spec in specs}
    found = {}
    for topic in of_kind("KafkaTopic"):
        spec = topic["spec"]
        name = spec.get("topicName", topic["metadata"]["name"])
        found[name] = (spec["partitions"], spec["replicas"], spec["config"])
        assert topic["metadata"]["labels"] == {"strimzi.io/cluster": "trading"}
    assert found == wanted


def test_each_region_has_the_connector_of_the_template() -> None:
    connectors = {connector["metadata"]["name"]: connector for connector in of_kind("KafkaConnector")}
    assert set(connectors) == {connector_name(region, "orders") for region in REGIONS}
    for region in REGIONS:
        connector = connectors[connector_name(region, "orders")]
        assert connector["metadata"]["labels"] == {"strimzi.io/cluster": "trading-connect"}
        spec = connector["spec"]
        config = {"connector.class": spec["class"], "tasks.max": str(spec["tasksMax"]), **spec["config"]}
        host = f"postgres-{region}.databases.svc.cluster.local"
        assert config == connector_config(region, host, 5432, "/mnt/secrets", "orders")
        assert f'server = "{host}:5432"' in (TRADING / "apps" / "streams.toml").read_text(encoding="utf-8")


def test_the_brokers_are_set_as_the_seed_has_it() -> None:
    kafka = named("Kafka", "trading")["spec"]["kafka"]
    assert kafka["config"] == {
        "default.replication.factor": 3,
        "min.insync.replicas": 2,
        "offsets.topic.replication.factor": 3,
        "transaction.state.log.replication.factor": 3,
        "transaction.state.log.min.isr": 2,
        "unclean.leader.election.enable": False,
        "auto.create.topics.enable": False,
    }
    assert named("KafkaNodePool", "node")["spec"]["replicas"] == 3
    metrics = named("ConfigMap", "kafka-metrics")["data"][kafka["metricsConfig"]["valueFrom"]["configMapKeyRef"]["key"]]
    for rule in yaml.safe_load(metrics)["rules"]:
        groups = re.compile(rule["pattern"]).groups
        asked = {int(number) for number in re.findall(r"\$(\d)", json.dumps(rule))}
        assert asked == set(range(1, groups + 1))


def test_connect_is_of_the_versions_of_the_local_stack() -> None:
    connect = named("KafkaConnect", "trading-connect")["spec"]
    assert connect["version"] == CONNECT[0].split(":")[3]
    assert connect["config"]["exactly.once.source.support"] == "enabled"
    (artifact,) = connect["build"]["plugins"][0]["artifacts"]
    group, name, _, version, _ = DEBEZIUM[0].split(":")
    assert (artifact["group"], artifact["artifact"], artifact["version"]) == (group, name, version)
    assert connect["config"]["config.providers.directory.param.allowed.paths"] == "/mnt/secrets"
    mounts = connect["template"]["connectContainer"]["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts] == ["/mnt/secrets"]


def test_the_same_pods_reach_the_rest_interface_and_no_other_namespace() -> None:
    policy = named("NetworkPolicy", "connect-rest")["spec"]
    assert policy["podSelector"]["matchLabels"] == CONNECT_WORKERS
    assert policy["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8083}]}]
