"""What a stack of three brokers writes and remembers, and the connectors that it was asked for."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.local import REGIONS, Stack, StackError
from deploy.local.__main__ import build_parser
from deploy.local.parts.kafka import behind
from deploy.local.settings_files import write_settings
from deploy.local.state import Shape, State
from streams_app.kafka.admin import bootstrap_servers

BROKERS = ["kafka", "kafka-2", "kafka-3"]


def stack_of(root: Path, brokers: int, *connectors: str) -> Stack:
    """A stack with ports, as after `up`, but nothing runs."""
    stack = Stack(root, brokers=brokers, connectors=connectors)
    names = [name for part in stack.parts.values() for name in part.ports]
    stack.site.ports.update({name: 20000 + number for number, name in enumerate(names)})
    State(stack.layout.state, stack.site.ports, {}, stack.shape).save()
    return stack


def written(stack: Stack, part: str) -> dict[str, str]:
    """The properties of a part."""
    path = stack.layout.folder(part)
    (path / "data").mkdir(parents=True)
    (path / "data" / "meta.properties").touch()  # nothing to format
    stack.parts[part].prepare()
    (file,) = path.glob("*.properties")
    return dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())


def test_three_brokers_are_one_quorum_each_with_ports_and_a_folder_of_its_own(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, 3)
    properties = [written(stack, name) for name in BROKERS]
    assert [of["node.id"] for of in properties] == ["1", "2", "3"]
    assert len({of["controller.quorum.voters"] for of in properties}) == 1
    voters = properties[0]["controller.quorum.voters"].split(",")
    for number, (name, of) in enumerate(zip(BROKERS, properties, strict=True), 1):
        assert f"{number}@{stack.site.address(f'{name}-controller')}" in voters
        assert f"PLAINTEXT://{stack.site.address(name)}," in of["advertised.listeners"]
        assert of["log.dirs"] == str(tmp_path / name / "data")


@pytest.mark.parametrize(("brokers", "copies", "enough"), [(1, "1", "1"), (3, "3", "2")])
def test_everything_is_on_every_broker_and_one_of_three_may_be_away(
    tmp_path: Path, brokers: int, copies: str, enough: str
) -> None:
    stack = stack_of(tmp_path, brokers)
    broker, connect = written(stack, "kafka"), written(stack, "connect")
    factors = [value for of in (broker, connect) for name, value in of.items() if name.endswith("replication.factor")]
    assert set(factors) == {copies}
    least = [value for name, value in broker.items() if name.endswith(("min.isr", "min.insync.replicas"))]
    assert least == [enough] * 3
    assert broker["offsets.topic.num.partitions"] == broker["transaction.state.log.num.partitions"] == "8"
    assert connect["bootstrap.servers"] == stack.site.bootstrap


def test_of_three_no_leader_is_elected_that_lacks_records_and_none_waits_for_the_others_to_stop(tmp_path: Path) -> None:
    properties = written(stack_of(tmp_path, 3), "kafka-3")
    assert properties["unclean.leader.election.enable"] == "false"
    assert properties["controlled.shutdown.enable"] == "false"


def test_one_broker_is_its_own_quorum(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, 1)
    properties = written(stack, "kafka")
    assert properties["controller.quorum.bootstrap.servers"] == stack.site.address("kafka-controller")
    assert not {"controller.quorum.voters", "default.replication.factor"} & set(properties)


def test_the_application_is_told_of_all_brokers_and_of_as_many_copies(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, 3)
    write_settings(stack.site)
    settings = tomllib.loads(stack.config_path.read_text(encoding="utf-8"))
    assert bootstrap_servers(settings["broker_url"]).split(",") == [stack.site.address(name) for name in BROKERS]
    assert settings["topic_replication"] == 3


def test_the_application_of_one_broker_is_told_nothing_about_copies(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, 1)
    write_settings(stack.site)
    assert "topic_replication" not in stack.config_path.read_text(encoding="utf-8")


def test_a_stack_is_known_again_by_its_folder(tmp_path: Path) -> None:
    first = stack_of(tmp_path, 3, "requests", "events")
    again = Stack(tmp_path)
    assert again.shape == Shape(3, ("requests", "events"))
    assert list(again.parts) == list(first.parts)
    assert again.connect.connectors() == first.connect.connectors()


@pytest.mark.parametrize(("brokers", "connectors"), [(1, None), (None, ["events"])])
def test_another_shape_is_refused_with_the_way_out(
    tmp_path: Path, brokers: int | None, connectors: list[str] | None
) -> None:
    stack_of(tmp_path, 3, "requests")
    with pytest.raises(StackError, match=r"has brokers: 3, connectors: requests; for .* with `clean`"):
        Stack(tmp_path, brokers=brokers, connectors=connectors)


def test_two_brokers_are_no_quorum(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="1 or 3 brokers, not 2"):
        Stack(tmp_path, brokers=2)


def test_each_template_makes_a_connector_in_every_region_that_reads_its_own_database(tmp_path: Path) -> None:
    stack = stack_of(tmp_path, 1, "requests", "events")
    configs = stack.connect.connectors()
    assert set(configs) == {f"{template}-{region}" for template in ("requests", "events") for region in REGIONS}
    for name, config in configs.items():
        region = name.partition("-")[2]
        assert config["database.port"] == str(stack.site.ports[f"postgres-{region}"])
        assert config["slot.name"] == name.replace("-", "_")


def test_an_unknown_connector_is_named_before_anything_starts(tmp_path: Path) -> None:
    root = tmp_path / "stack"
    with pytest.raises(StackError, match=r"no connector 'order'; the connectors are .*requests"):
        Stack(root, connectors=["order"]).up()
    assert not root.exists()


def test_a_broker_is_behind_while_it_lacks_what_another_one_leads() -> None:
    def metadata(leader: int, in_sync: list[int]) -> SimpleNamespace:
        return SimpleNamespace(topics=[(0, "t", False, [(0, 0, leader, [1, 2, 3], in_sync)])])

    assert behind(metadata(1, [1, 3]), 2)
    assert not behind(metadata(1, [1, 2]), 2)
    assert not behind(metadata(-1, [3]), 2)  # nobody is there to copy from


def test_the_command_line_asks_for_nothing_unless_it_is_told() -> None:
    parser = build_parser()
    for command in ("up", "down"):
        arguments = parser.parse_args([command])
        assert (arguments.brokers, arguments.connectors) == (None, None)
    arguments = parser.parse_args(["up", "--brokers", "3", "--connectors", "requests,events"])
    assert (arguments.brokers, arguments.connectors) == (3, ["requests", "events"])
