"""Settings: where they come from, and what a wrong one says."""

import pytest

from streams_app.errors import SettingsError
from streams_app.settings import load_settings

REGIONS = """
[regions.us-east]
pooler = "127.0.0.1:1"
server = "127.0.0.1:2"
localities = [0, 29]
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "streams.toml"
    path.write_text('broker_url = "kafka://file:1"\nbatch_size = 7\ndata_dir = "faust"\n' + REGIONS)
    monkeypatch.setenv("STREAMS_CONFIG", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def test_the_file_is_read_and_its_paths_are_relative_to_it(config):
    settings = load_settings()
    assert settings.broker_url == "kafka://file:1"
    assert settings.data_dir == config.parent / "faust"
    assert settings.regions["us-east"].localities == (0, 29)


def test_the_environment_wins_over_the_file(config, monkeypatch):
    monkeypatch.setenv("STREAMS_BATCH_SIZE", "9")
    assert load_settings().batch_size == 9


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("STREAMS_BATCH_SIZE", "many", "batch_size (STREAMS_BATCH_SIZE) = 'many'"),
        ("STREAMS_BATCH_SIZE", "0", "greater than or equal to 1"),
        ("STREAMS_BROKER_URL", "localhost:9092", "broker_url (STREAMS_BROKER_URL) = 'localhost:9092'"),
        ("STREAMS_LOG_FORMAT", "xml", "'text' or 'json'"),
        ("STREAMS_DATABASE__POOL_MAX", "-1", "database.pool_max (STREAMS_DATABASE__POOL_MAX) = '-1'"),
    ],
)
def test_a_wrong_value_names_the_setting_the_value_and_what_is_expected(config, monkeypatch, variable, value, expected):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert expected in str(caught.value)


def test_an_unknown_key_in_the_file_is_an_error(config):
    config.write_text("brokr_url = 'kafka://x'\n")
    with pytest.raises(SettingsError, match="brokr_url"):
        load_settings()


def test_localities_that_no_region_holds_are_an_error(config):
    config.write_text(REGIONS.replace("[0, 29]", "[0, 28]"))
    with pytest.raises(SettingsError, match="0 to 29"):
        load_settings()


def test_a_missing_file_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMS_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError, match="make up"):
        load_settings()


def test_a_password_file_is_read_and_a_password_is_never_shown(config, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("STREAMS_DATABASE__APP_PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("STREAMS_DATABASE__OWNER_PASSWORD", "0wner")
    settings = load_settings()
    assert settings.database.credentials("app") == {"user": "streams_app", "password": "s3cret"}
    assert settings.database.credentials("owner")["password"] == "0wner"
    assert "0wner" not in repr(settings)
