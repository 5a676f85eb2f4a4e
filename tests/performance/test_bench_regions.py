"""The benchmark of regions runs from end to end, and its figures fit together; how fast anything is matters nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.early import Program

# The faults need the whole stack with workers: tests/chaos has them.
DATABASES = ("pooling", "pool-size", "direct", "contention", "batches")


RUN = Program("benchmarks.regions", "--quick", "--json", *(word for name in DATABASES for word in ("--only", name)))
pytestmark = [pytest.mark.stack, pytest.mark.begin_early(RUN), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """One quick run of all that needs databases and poolers alone."""
    printed = RUN.output()
    assert RUN.status == 0, printed
    found: dict[str, Any] = json.loads(printed[printed.index("{") :])
    return found


def runs(document: dict[str, Any], name: str) -> dict[tuple[Any, ...], dict[str, float]]:
    """By cell, the figures of its only round."""
    return {tuple(run["cell"]): run["rounds"][0] for run in document["runs"][name]}


@pytest.mark.parametrize("name", DATABASES)
def test_every_cell_was_measured_and_shown(document: dict[str, Any], name: str) -> None:
    found, summary = runs(document, name), document["summary"][name]
    for figures in found.values():
        if "rate" in figures:
            assert figures["rate"] > 0
            assert 0 < figures["p50"] <= figures["p99"]
    assert len(summary["rows"]) == len([one for one in found.values() if "rate" in one])
    assert all(len(row) == len(summary["columns"]) for row in summary["rows"])
    assert summary["shows"]
    assert summary["advice"]


def test_a_detour_takes_its_round_trips(document: dict[str, Any]) -> None:
    found = runs(document, "pooling")
    trip = max(cell[1] for cell in found)
    [central] = [figures for cell, figures in found.items() if cell[1:] == (trip, "centralized")]
    [regional] = [figures for cell, figures in found.items() if cell[1:] == (trip, "regional")]
    # At least load, begin, move and commit, and each on both links.
    assert central["p50"] > 4 * 2 * trip
    assert central["p50"] > regional["p50"]


def test_limits_refuse_and_memory_is_seen(document: dict[str, Any]) -> None:
    found = runs(document, "direct")
    for cell, figures in found.items():
        if cell[0] == "refused":
            assert figures["refused"] == (figures["let_in"] < cell[2])
        else:
            assert figures["memory"] > 0


def test_nothing_is_out_of_order_under_contention(document: dict[str, Any]) -> None:
    found = runs(document, "contention")
    assert all(figures["violations"] == 0 for figures in found.values())
    # The skewed draws meet more often than the even ones.
    skews = sorted({cell[1] for cell in found})
    table = max(cell[2] for cell in found)
    guarded = [found["guarded batch", skew, table] for skew in skews]
    assert guarded[0]["refused"] < guarded[-1]["refused"]
    assert found["serializable batch", skews[-1], table]["retries"] > 0
    assert found["row lock", skews[-1], table]["refused"] == 0


def test_batches_have_the_size_that_load_and_wait_give_them(document: dict[str, Any]) -> None:
    for (load, size, wait), figures in runs(document, "batches").items():
        if load == "saturated":
            assert figures["batch"] == size
        else:
            assert figures["batch"] <= min(size, load)
            assert wait == 0 or size == 1 or figures["batch"] > 1
