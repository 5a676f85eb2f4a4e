"""How a run ends: the processes stop, the logs stay when something is wrong, the last line says what was found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import psycopg

from deploy.chaos.errors import ChaosError
from deploy.demo.run import keep
from deploy.local import Stack, StackError
from streams_app.errors import SettingsError, StartError


class Result(Protocol):
    """What a run found."""

    @property
    def proved(self) -> bool: ...
    def line(self) -> str: ...


def conclude(run: Callable[[], Result], stop: Callable[[], None], logs: Path, stack: Stack | None) -> int:
    """Run, then `stop` whatever happened; returns the exit status. Raises what `run` raises.

    `logs` goes when everything is proved; else it stays, with the logs of `stack` in it.
    """
    result = None
    try:
        result = run()
    finally:
        stop()
        if result is not None and result.proved:
            shutil.rmtree(logs)
        else:
            if stack is not None:
                keep(stack, logs)
            print(f"The logs are in {logs}")
    print(result.line())
    return 0 if result.proved else 1


def guarded(word: str, run: Callable[[], int]) -> int:
    """The exit status of `run`; what stops it becomes a last line that begins with `word`."""
    try:
        return run()
    except (ChaosError, StackError, SettingsError, StartError, psycopg.Error) as error:
        first, _, rest = str(error).partition("\n")
        print(f"{rest}\n{word} FAILED {first}")
        return 1
    except KeyboardInterrupt:
        print(f"{word} FAILED interrupted")
        return 130
