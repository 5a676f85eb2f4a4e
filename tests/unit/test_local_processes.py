"""Processes of the local stack: known by more than a pid, in the background, and stopped for certain."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.errors import PartError, StackError, log_tail
from deploy.local.processes import Process
from deploy.local.state import Shape, State, locked


def background(tmp_path: Path, *command: str) -> Process:
    process = processes.start(list(command), log=tmp_path / "log", cwd=tmp_path, user=None)
    assert process is not None
    return process


def test_a_process_runs_in_a_session_of_its_own_until_it_is_stopped(tmp_path: Path) -> None:
    process = background(tmp_path, "sleep", "60")
    assert process.is_alive()
    assert os.getsid(process.pid) != os.getsid(0)
    assert processes.working_in(tmp_path) == [process.pid]
    processes.stop(process, signal.SIGTERM, 5)
    assert not process.is_alive()


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = background(tmp_path, "sh", "-c", "trap '' TERM; echo trapped; while true; do sleep 0.05; done")
    while "trapped" not in (tmp_path / "log").read_text(encoding="utf-8"):
        assert process.is_alive()
    processes.stop(process, signal.SIGTERM, 0.2)
    assert not process.is_alive()


def test_a_reused_pid_is_somebody_else_and_gets_no_signal(tmp_path: Path) -> None:
    process = background(tmp_path, "sleep", "60")
    for stranger in (
        dataclasses.replace(process, started=process.started - 1),
        dataclasses.replace(process, boot="an earlier boot"),
    ):
        assert not stranger.is_alive()
        stranger.send(signal.SIGKILL)
        processes.stop(stranger, signal.SIGKILL, 1)
    assert process.is_alive()
    processes.stop(process, signal.SIGKILL, 5)


def test_the_environment_does_not_leak_into_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "secret")
    assert processes.run(["env"], log=tmp_path / "log", cwd=tmp_path, user=None) == 0
    assert "PGPASSWORD" not in (tmp_path / "log").read_text(encoding="utf-8")


def test_the_state_survives_and_only_living_processes_run(tmp_path: Path) -> None:
    me = processes.find(os.getpid())
    assert me is not None
    processes_of_parts = {"kafka": me, "connect": Process(me.pid, 1, me.boot)}
    state = State(tmp_path / "stack.json", {"kafka": 20001}, processes_of_parts, Shape(3, ("requests", "events")))
    state.save()
    loaded = State.load(state.path)
    assert loaded == state
    assert loaded.running("kafka") == me
    assert loaded.running("connect") is None
    assert loaded.running("prometheus") is None


def test_without_a_file_the_state_is_empty(tmp_path: Path) -> None:
    assert State.load(tmp_path / "stack.json") == State(tmp_path / "stack.json")


def test_the_state_of_an_older_stack_is_of_one_broker(tmp_path: Path) -> None:
    path = tmp_path / "stack.json"
    path.write_text('{"ports": {"kafka": 20001}, "processes": {}}', encoding="utf-8")
    assert State.load(path).shape == Shape(1, ("requests",))


@pytest.mark.parametrize("text", ["", "{}", '{"ports": {}, "processes": {"kafka": {"pid": 1}}}', "[]"])
def test_a_damaged_state_is_said_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "stack.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StackError, match="damaged"):
        State.load(path)


def test_the_lock_holds_off_a_second_command_and_survives_the_removal_of_its_file(tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / "lock").unlink()  # as `clean` does
        with locked(tmp_path):
            assert (tmp_path / "lock").exists()


def test_a_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "kafka.log"
    path.write_text("".join(f"line {number}\n" for number in range(100)), encoding="utf-8")
    message = str(PartError("kafka", "ended at once", path))
    assert message.startswith(f"kafka ended at once. The end of {path}:\n    line 75")
    assert message.endswith("line 99")
    assert "no log" in log_tail(tmp_path / "missing.log")
