"""The short kill test of trading, on a stack of its own: each signal counts once, from its topic to the exchange."""

from __future__ import annotations

import re

import pytest

from tests.early import Program

RUN = Program("deploy.trading_chaos", "--short", "--seed", "1")


@pytest.mark.stack
@pytest.mark.begin_early(RUN)
@pytest.mark.timeout(900)
def test_kills_lose_and_double_nothing_from_signals_to_executions() -> None:
    output = RUN.output()
    expected = (
        r"TRADING CHAOS OK signals=3\d\d\d repeated=\d+ decisions=3\d\d\d orders=(\d+) executions=(\d+) kills=7 "
        r"stops=1 aborted=\d+ lost=0 duplicated=0 wrong=0 seconds=\d+"
    )
    found = re.fullmatch(expected, output.splitlines()[-1])
    assert found, output
    assert 0 < int(found[1]) == int(found[2])
    assert RUN.status == 0
