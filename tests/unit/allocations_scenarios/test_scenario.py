"""Scenario files: what is in them, what is refused, and how a way becomes settings of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams_app.errors import SettingsError
from streams_app.settings import Settings
from streams_app.systems.allocations.scenario import Way, load_scenario, scenarios

DOMAINS = {
    name: {"pooler": "127.0.0.1:1", "server": "127.0.0.1:1", "database": name, "user": name}
    for name in ("reference", "market", "holdings", "orders", "trades", "allocations")
}
WAY = '[[ways]]\nname = "one"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a scenario that is right."""
    (tmp_path / "good.toml").write_text(f'words = "w"\n{WAY}')
    return tmp_path


def with_domains(way: Way) -> Way:
    """The same way where domains are set, as a configuration file sets them."""
    allocations = {"domains": DOMAINS, **way.settings.get("allocations", {})}
    return way.model_copy(update={"settings": {**way.settings, "allocations": allocations}})


@pytest.mark.parametrize("name", scenarios())
def test_every_scenario_asks_for_settings_that_there_are(name: str) -> None:
    for way in load_scenario(name).ways:
        assert with_domains(way).applied("app").app_id == "app"


def test_there_is_a_scenario_for_each_question() -> None:
    assert set(scenarios()) == {
        "big-batch",
        "capture",
        "compare",
        "hot-security",
        "partitions",
        "rebalance-day",
        "skew",
        "small-transactions",
        "worker-kills",
    }


def test_the_comparison_has_all_three_ways() -> None:
    assert {way.how for way in load_scenario("compare").ways} == {"kafka", "in_process", "one_batch"}


def test_a_worker_dies_in_each_phase() -> None:
    assert [way.kills for way in load_scenario("worker-kills").ways] == [("routing", "allocations", "booking")]


@pytest.mark.parametrize("name", scenarios())
def test_a_worker_process_has_the_same_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for way in map(with_domains, load_scenario(name).ways):
        wanted = way.applied("app")
        with monkeypatch.context() as patched:
            for variable, value in way.variables("app").items():
                patched.setenv(variable, value)
            assert Settings() == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('words = "w"', "ways: Field required"),
        (WAY, "words: Field required"),
        (f'words = "w"\nspeed = 1\n{WAY}', "speed: Extra inputs are not permitted"),
        (f'words = "w"\n{WAY}how = "spark"', "ways.0.how: Input should be 'kafka', 'in_process' or 'one_batch'"),
        (f'words = "w"\n{WAY}kills = ["lunch"]', "ways.0.kills.0: Input should be"),
        (f'words = "w"\n{WAY}{WAY}', "ways: two ways have one name: one, one"),
        (f'words = "w"\ndata.positions = 201\n{WAY}', "positions: 201 of 200 securities"),
        ('words = "w', "at end of document"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(folder: Path, text: str, said: str) -> None:
    (folder / "bad.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"bad\.toml: ") as error:
        load_scenario("bad", folder)
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["none", "../good", "good.toml"])
def test_a_name_that_is_no_scenario_is_told_which_there_are(folder: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=r"there is no scenario .*; there are good$"):
        load_scenario(name, folder)


def test_a_setting_that_does_not_exist_is_named_with_its_way() -> None:
    way = with_domains(Way(name="odd", settings={"allocations": {"partitionz": 1}}))
    with pytest.raises(SettingsError, match=r"way 'odd': allocations\.partitionz: "):
        way.applied("app")
