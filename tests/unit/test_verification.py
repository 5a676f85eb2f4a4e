"""Reports of a verification, and what the checks of the requests system are told of its workflows."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams_app.systems.requests.verify import SQL, arguments, links_off_loops
from streams_app.systems.requests.verify_checks import ACROSS, CHECKS
from streams_app.systems.requests.workflow import Workflow, WorkflowBook, load_workflows
from streams_app.verification import Check, Finding, Harm, Report, Violation, merged

LOST = Check("no_gap", Harm.LOST, "Nothing is missing.")
TWICE = Check("once", Harm.DUPLICATED, "Nothing is there twice.")


@pytest.fixture(scope="module")
def book() -> WorkflowBook:
    return load_workflows(Path(__file__).parents[2] / "config" / "workflows.toml")


def finding(check: Check, region: str, violations: int) -> Finding:
    return Finding(check, violations, tuple(Violation(region, f"row {n}") for n in range(min(violations, 2))))


def test_findings_of_regions_are_added_up() -> None:
    east = [finding(LOST, "us-east", 2), finding(TWICE, "us-east", 0)]
    west = [finding(LOST, "us-west", 3), finding(TWICE, "us-west", 0)]
    lost, twice = merged([*east, *west], samples=3)
    assert (lost.violations, twice.violations) == (5, 0)
    assert [str(sample) for sample in lost.samples] == ["us-east: row 0", "us-east: row 1", "us-west: row 0"]


def test_a_report_without_violations_is_clean() -> None:
    report = Report("requests", (finding(LOST, "us-east", 0), finding(TWICE, "us-east", 0)), {"requests": 7})
    assert report.clean
    assert report.as_dict()["verdict"] == "ok"


def test_a_report_names_what_it_found_by_harm() -> None:
    report = Report("requests", (finding(LOST, "us-east", 3), finding(TWICE, "us-east", 0)), {"requests": 7, "open": 1})
    assert report.as_dict() == {
        "verdict": "violated",
        "system": "requests",
        "requests": 7,
        "open": 1,
        "checks": [
            {
                "name": "no_gap",
                "proves": "Nothing is missing.",
                "class": "lost",
                "violations": 3,
                "samples": ["us-east: row 0", "us-east: row 1"],
            },
            {
                "name": "once",
                "proves": "Nothing is there twice.",
                "class": "duplicated",
                "violations": 0,
                "samples": [],
            },
        ],
        "totals": {"lost": 3, "duplicated": 0, "out_of_order": 0, "wrong": 0},
    }


def test_each_check_has_its_statement_and_its_own_name() -> None:
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    # What compares all regions reads lists instead, one for what each check is about.
    lists = {"request_ids", "trade_ids", "signal_ids", "account_numbers", "claimed_numbers"}
    assert len(lists) == len(ACROSS)
    in_one_region = [check.name for check in CHECKS if check not in ACROSS]
    assert in_one_region == [name for name in SQL.names() if name in names]
    assert set(SQL.names()) - set(names) == {"is_shared", "figures", "transitions"} | lists


def test_a_node_on_a_loop_may_be_entered_again(book: WorkflowBook) -> None:
    plain = book.by_type[1]
    assert links_off_loops(plain) == [node.link_id for node in plain.nodes]
    back = plain.rules | {("approval", "documents"): "documents"}
    looping = Workflow(plain.type_id, plain.code, plain.description, plain.nodes, back)
    on_loop = {plain.node(name).link_id for name in ("documents", "review", "approval")}
    assert set(links_off_loops(looping)) == {node.link_id for node in plain.nodes} - on_loop


def test_signals_are_expected_to_be_heard_where_the_workflow_listens(book: WorkflowBook) -> None:
    values = arguments(book, grace=5)
    heard = set(zip(values["heard_links"], values["heard_kinds"], strict=True))
    onboarding = book.by_type[1]
    kinds = {
        name: {k for link, k in heard if link == onboarding.node(name).link_id} for name in ("validate", "documents")
    }
    assert kinds == {"validate": {"cancel"}, "documents": {"documents", "reject", "cancel"}}
    assert not heard & {(node.link_id, "cancel") for node in onboarding.nodes if node.is_terminal}


def test_patience_covers_the_sweeper(book: WorkflowBook) -> None:
    values = arguments(book.scaled(0.001), grace=5)
    assert values["patience"] == 30 + 5
    deadlines = dict(zip(values["links"], values["link_deadlines"], strict=True))
    assert deadlines[1002] == pytest.approx(259.2)
