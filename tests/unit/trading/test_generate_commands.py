"""`trading generate` and `trading schedule` on the command line, in front of a sink of the test."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import orjson
import pytest
from click.testing import CliRunner, Result

from streams_app.errors import StartError
from streams_app.settings import Settings
from streams_app.systems.trading import generate_commands
from streams_app.systems.trading.generate.sending import SignalRecord


class World:
    """What was sent, and the command line."""

    def __init__(self) -> None:
        self.records: list[SignalRecord] = []
        self.refusal: str | None = None
        self.interrupt = False

    async def send(self, records: Sequence[SignalRecord]) -> int:
        if self.refusal is not None:
            raise StartError(self.refusal)
        self.records += records
        if self.interrupt:
            self.interrupt = False
            os.kill(os.getpid(), signal.SIGINT)
        # As a real sink does, it lets others run.
        await asyncio.sleep(0)
        return len(records)

    def run(self, command: str, *arguments: str) -> Result:
        return CliRunner().invoke({c.name: c for c in generate_commands.COMMANDS}[command], arguments)

    @property
    def topics(self) -> dict[str, int]:
        return dict(Counter(record.topic for record in self.records))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Settings of the test alone, and a sink."""
    made = World()

    @asynccontextmanager
    async def sink(_: Settings) -> AsyncIterator[World]:
        yield made

    settings = Settings()
    monkeypatch.setattr(generate_commands, "load_settings", lambda: settings)
    monkeypatch.setattr(generate_commands, "topic_sink", sink)
    return made


def test_once_sends_the_last_bar_of_every_symbol(world: World) -> None:
    result = world.run("generate", "--timeframe", "5m", "--once", "--until", "2026-11-02T12:07:00Z")
    assert result.exit_code == 0
    assert result.stdout.endswith("5m 10; seed 0\n")
    assert {record.topic for record in world.records} == {"trading.signal.5m"}
    assert {orjson.loads(record.value)["time"] for record in world.records} == {"2026-11-02T12:05:00+00:00"}
    assert len({record.key for record in world.records}) == 10


def test_bars_go_back_from_the_end_over_all_timeframes(world: World) -> None:
    arguments = ("--bars", "30", "--until", "2026-11-02T12:00:30Z", "--symbols", "ES, NQ", "--seed", "3", "--json")
    result = world.run("generate", *arguments)
    said = json.loads(result.stdout)
    assert said | {"seconds": 0} == {
        "seed": 3,
        "signals": 76,
        "timeframes": {"1m": 60, "5m": 12, "15m": 4},
        "seconds": 0,
    }
    assert world.topics == {"trading.signal.1m": 60, "trading.signal.5m": 12, "trading.signal.15m": 4}


def test_repeated_signals_are_identical_and_follow_each_other(world: World) -> None:
    assert world.run("generate", "--timeframe", "1m", "--once", "--symbols", "ES", "--repeat", "5").exit_code == 0
    assert len(world.records) == 5
    assert len(set(world.records)) == 1


def test_a_duration_is_as_many_signals_as_the_rate_sends_in_it(world: World) -> None:
    assert world.run("generate", "--rate", "500", "--duration", "1s", "--timeframe", "1m").exit_code == 0
    assert world.topics == {"trading.signal.1m": 500}


def test_ctrl_c_ends_it_and_tells(world: World) -> None:
    world.interrupt = True
    result = world.run("generate", "--bars", "5000")
    assert result.exit_code == 130
    assert 0 < len(world.records) < 63_000
    assert f"{len(world.records):,} signals in" in result.stdout


def test_a_refusal_is_one_sentence(world: World) -> None:
    world.refusal = "there is no topic trading.signal.1m: `topics --create`"
    result = world.run("generate", "--once")
    assert result.exit_code == 1
    assert result.stderr == f"Error: {world.refusal}\n"


def test_a_schedule_sends_as_its_clock_runs_and_ends_in_time(world: World) -> None:
    result = world.run("schedule", "--speed", "600", "--duration", "1s", "--symbols", "ES", "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    times = [datetime.fromisoformat(orjson.loads(record.value)["time"]) for record in world.records]
    assert said["signals"] == len(times) > 0
    assert times == sorted(times)
    assert times[-1] <= datetime.now(UTC)


def test_ctrl_c_is_the_end_of_a_schedule(world: World) -> None:
    world.interrupt = True
    result = world.run("schedule", "--speed", "6000")
    assert result.exit_code == 0
    assert "Ctrl-C ends it" in result.stdout
    assert f"{len(world.records)} signals in" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generate",), "say how many: --once, --bars or --duration"),
        (("generate", "--once", "--bars", "2"), "one of them"),
        (("generate", "--duration", "2h"), "--duration has no meaning without --rate"),
        (("generate", "--duration", "9999d", "--rate", "9999"), "bars, at most 500,000"),
        (("generate", "--duration", "soon", "--rate", "9"), "'soon': expected days, hours"),
        (("generate", "--duration", "0s", "--rate", "9"), "expected more than nothing"),
        (("generate", "--once", "--until", "2999-01-01"), "expected a time in the past"),
        (("generate", "--once", "--until", "0001-01-01"), "expected a time in the past"),
        (("generate", "--once", "--until", "now"), "'now': expected an ISO 8601 time"),
        (("generate", "--once", "--symbols", "ES,XX"), "XX: expected some of ES, NQ"),
        (("generate", "--once", "--timeframe", "2m"), "'2m' is not one of '1m', '5m', '15m', 'all'"),
        (("schedule", "--speed", "0.5"), "0.5 is not in the range"),
        (("schedule", "--speed", "9999", "--duration", "9999d"), "more than a year in the past"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(world: World, arguments: tuple[str, ...], words: str) -> None:
    result = world.run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not world.records
