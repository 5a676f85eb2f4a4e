"""What chaos runs share: the clock of their faults, one run at a time, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.chaos import clock as module
from deploy.chaos.alone import alone
from deploy.chaos.clock import Clock
from deploy.chaos.ending import conclude, guarded
from deploy.chaos.errors import ChaosError


@dataclass(frozen=True)
class Fault:
    """One that is due at a time."""

    at: float


@dataclass(frozen=True)
class Found:
    """What a run says."""

    proved: bool

    def line(self) -> str:
        return f"RUN {'OK' if self.proved else 'FAILED'}"


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(module, "time", made)
    return made


def test_faults_are_due_once_when_their_time_has_come_after_the_beginning(time: Time) -> None:
    clock = Clock([Fault(1.0), Fault(2.0), Fault(9.0)])
    clock.look("nothing", begins=False)
    time.now += 50
    assert (clock.due(), clock.seconds) == ([], 0.0)
    clock.look("something", begins=True)
    time.now += 2
    assert clock.due() == [Fault(1.0), Fault(2.0)]
    assert (clock.due(), clock.faults_left, clock.seconds) == ([], 1, 2.0)


def test_it_is_quiet_since_the_progress_changed_last(time: Time) -> None:
    clock = Clock([Fault(1.0)])
    clock.look("one", begins=True)
    time.now += 5
    clock.look("one", begins=True)
    assert clock.quiet_for == 5
    clock.look("two", begins=True)
    assert clock.quiet_for == 0


def test_two_runs_do_not_use_one_stack(tmp_path: Path) -> None:
    root = tmp_path / "local" / "chaos"
    with alone(root), pytest.raises(ChaosError, match="another run is under way"), alone(root):
        pass
    with alone(root):
        pass


@pytest.mark.parametrize("proved", [True, False])
def test_logs_stay_when_something_is_not_proved(
    proved: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs, stopped = tmp_path / "logs", []
    logs.mkdir()
    status = conclude(lambda: Found(proved), lambda: stopped.append(True), logs, None)
    assert (status, stopped, logs.exists()) == (not proved, [True], not proved)
    assert capsys.readouterr().out.splitlines()[-1] == Found(proved).line()


def test_a_run_that_cannot_go_on_says_why_in_its_last_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def broken() -> Found:
        raise ChaosError("no broker\nits log")

    assert guarded("RUN", lambda: conclude(broken, lambda: None, tmp_path, None)) == 1
    assert tmp_path.exists()
    assert capsys.readouterr().out.splitlines()[-1] == "RUN FAILED no broker"


def test_a_run_that_is_interrupted_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    assert guarded("RUN", interrupted) == 130
    assert capsys.readouterr().out == "RUN FAILED interrupted\n"
