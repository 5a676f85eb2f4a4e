"""Runs a Faust app as `faust worker` does, until the job is done."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

import faust


def run_worker(app: Any) -> None:
    """Run a worker of `app` until somebody calls `stop_worker`."""
    with suppress(SystemExit):
        faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()


def stop_worker() -> None:
    """End the worker as an operator does: with SIGTERM to its process."""
    os.kill(os.getpid(), signal.SIGTERM)
