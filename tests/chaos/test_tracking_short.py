"""The short kill test of tracked events, on the stack of the tests: nothing lost, doubled or disordered."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from deploy.local import Stack
from deploy.local.layout import PROJECT
from streams_app.settings import Settings

pytestmark = pytest.mark.stack


@pytest.mark.timeout(300)
def test_kills_lose_double_and_disorder_no_event(stack: Stack, fresh_settings: Settings) -> None:
    environment = {"STREAMS_CONFIG": str(stack.config_path), "STREAMS_DATABASE__NAME": fresh_settings.database.name}
    done = subprocess.run(
        [sys.executable, "-m", "deploy.tracking_chaos", "--running", "--short", "--seed", "1"],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    expected = (
        r"TRACKING CHAOS OK events=3\d\d\d kills=6 stops=2 published=(\d+) processed=(\d+) lost=0 duplicated=0 "
        r"out_of_order=0 repeated=\d+ seconds=\d+"
    )
    found = re.fullmatch(expected, done.stdout.splitlines()[-1])
    assert found, done.stdout
    assert int(found[2]) == 2 * int(found[1])
    assert done.returncode == 0
