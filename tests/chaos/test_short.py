"""The short chaos run: nine faults of different kinds on real parts, and nothing lost, doubled or disordered."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from deploy.local.layout import PROJECT


@pytest.mark.stack
@pytest.mark.timeout(600)
def test_nine_faults_lose_double_and_disorder_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.chaos", "--short", "--seed", "1"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    last = done.stdout.splitlines()[-1]
    expected = r"CHAOS OK faults=9 transitions=\d+ lost=0 duplicated=0 out_of_order=0 recovered_p95_seconds=\d+\.\d"
    assert re.fullmatch(expected, last), done.stdout
    assert done.returncode == 0
