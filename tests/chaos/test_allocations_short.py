"""The short kill test of allocations, on a stack of its own: every share and cent is where it belongs."""

from __future__ import annotations

import re

import pytest

from tests.early import Program

RUN = Program("deploy.allocations_chaos", "--short", "--seed", "1")


@pytest.mark.stack
@pytest.mark.begin_early(RUN)
@pytest.mark.timeout(900)
def test_kills_in_every_phase_lose_and_double_nothing_from_portfolios_to_settlements() -> None:
    output = RUN.output()
    expected = (
        r"ALLOCATIONS CHAOS OK rebalances=2 cancelled=1 orders=\d+ blocks=\d+ executions=\d+ fills=(\d+) booked=(\d+) "
        r"kills=9 lost=0 duplicated=0 out_of_order=0 wrong=0 seconds=\d+"
    )
    found = re.fullmatch(expected, output.splitlines()[-1])
    assert found, output
    assert int(found[1]) > int(found[2]) > 0
    assert RUN.status == 0
