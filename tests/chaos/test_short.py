"""The short chaos run: nine faults of different kinds on real parts, and nothing lost, doubled or disordered."""

from __future__ import annotations

import re

import pytest

from tests.early import Program

RUN = Program("deploy.chaos", "--short", "--seed", "1")


@pytest.mark.stack
@pytest.mark.begin_early(RUN)
@pytest.mark.timeout(900)
def test_nine_faults_lose_double_and_disorder_nothing() -> None:
    output = RUN.output()
    expected = r"CHAOS OK faults=9 transitions=\d+ lost=0 duplicated=0 out_of_order=0 recovered_p95_seconds=\d+\.\d"
    assert re.fullmatch(expected, output.splitlines()[-1]), output
    assert RUN.status == 0
