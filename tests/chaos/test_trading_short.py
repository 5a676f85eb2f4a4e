"""The short kill test of trading, on a stack of its own: each signal counts once, from its topic to the exchange."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from deploy.local.layout import PROJECT

pytestmark = pytest.mark.stack


@pytest.mark.timeout(300)
def test_kills_lose_and_double_nothing_from_signals_to_executions() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.trading_chaos", "--short", "--seed", "1"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    expected = (
        r"TRADING CHAOS OK signals=3\d\d\d repeated=\d+ decisions=3\d\d\d orders=(\d+) executions=(\d+) kills=7 "
        r"stops=1 aborted=\d+ lost=0 duplicated=0 wrong=0 seconds=\d+"
    )
    found = re.fullmatch(expected, done.stdout.splitlines()[-1])
    assert found, done.stdout
    assert 0 < int(found[1]) == int(found[2])
    assert done.returncode == 0
