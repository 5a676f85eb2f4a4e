"""What a chaos run says at its end, and the configuration its workers get."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.chaos.proxy import Mode
from deploy.chaos.region import Cut, Isolation
from deploy.chaos.run import Result
from deploy.chaos.schedule import short
from deploy.chaos.system import with_poolers
from deploy.local import REGIONS, Stack
from deploy.local.layout import DOMAINS
from deploy.local.settings_files import write_settings

RESULT = Result(
    faults=short(1),
    recoveries=[float(n) for n in range(1, 10)],
    requests=100,
    transitions=500,
    lost=0,
    duplicated=0,
    out_of_order=0,
    wrong=0,
)


def test_the_last_line_has_all_zeros_or_says_failed() -> None:
    line = "faults=9 transitions=500 lost=0 duplicated=0 out_of_order=0 recovered_p95_seconds=9.0"
    assert RESULT.line() == f"CHAOS OK {line}"
    assert replace(RESULT, lost=2).line() == f"CHAOS FAILED {line.replace('lost=0', 'lost=2')}"
    assert "wrong=1" in replace(RESULT, wrong=1).line()
    assert not replace(RESULT, wrong=1).proved


@pytest.mark.parametrize(
    ("during", "drained", "violations", "reached"),
    [(90.0, 60.0, 0, True), (89.0, 1.0, 0, False), (100.0, 61.0, 0, False), (100.0, 1.0, 1, False)],
)
def test_a_cut_is_measured_against_its_targets(during: float, drained: float, violations: int, reached: bool) -> None:
    found = Isolation(Cut("us-east", Mode.DEAF, 60), 100.0, during, drained, violations)
    assert found.reached is reached
    assert found.line().startswith(f"REGION {'OK' if reached else 'FAILED'} us-east deaf seconds=60 ")


def test_the_workers_reach_every_region_through_its_proxy_and_nothing_else_differs(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    names = [name for part in stack.parts.values() for name in part.ports]
    stack.site.ports.update({name: 20000 + number for number, name in enumerate(names)})
    write_settings(stack.site)
    before = stack.config_path.read_text(encoding="utf-8")
    addresses = {f"pgbouncer-{region}": f"127.0.0.1:{31000 + n}" for n, region in enumerate(REGIONS)}
    settings, plain = tomllib.loads(with_poolers(before, stack, addresses)), tomllib.loads(before)
    for region in REGIONS:
        assert settings["regions"][region].pop("pooler") == addresses[f"pgbouncer-{region}"]
        assert plain["regions"][region].pop("pooler") == stack.poolers[region].address
    for domain, region in DOMAINS.items():
        assert settings["allocations"]["domains"][domain].pop("pooler") == addresses[f"pgbouncer-{region}"]
        assert plain["allocations"]["domains"][domain].pop("pooler") == stack.poolers[region].address
    assert settings == plain
