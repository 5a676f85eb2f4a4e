"""The workflow file as it is, and every way to spoil it: each error names the line to mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams_app.systems.requests.model import RequestType, Status
from streams_app.systems.requests.workflow import load_workflows
from streams_app.systems.requests.workflow_file import WorkflowError

from .contexts import BOOK, WORKFLOWS

TEXT = WORKFLOWS.read_text(encoding="utf-8")
CLOSE_RULE = '  { from = "notify", on = "notified", to = "completed" },'


def test_the_five_types_are_described() -> None:
    assert {w.type_id: w.code for w in BOOK.by_type.values()} == {t.value: t.name for t in RequestType}
    for workflow in BOOK.by_type.values():
        assert workflow.initial.status is Status.PENDING
        assert workflow.initial.name == "validate"
        assert [n.sort_order for n in workflow.nodes] == sorted({n.sort_order for n in workflow.nodes})


def test_scaling_changes_the_deadlines_of_waiting_steps_alone() -> None:
    scaled = BOOK.scaled(0.001)
    for (_, node), (_, small) in zip(BOOK.by_link.values(), scaled.by_link.values(), strict=True):
        assert small.deadline == pytest.approx(node.deadline * (0.001 if node.waits else 1))


def spoiled(path: Path, old: str, new: str, heading: str) -> tuple[str, int]:
    """The error for the file in which the first `old` under `heading` is `new`, and the line of that place."""
    start = TEXT.index(heading)
    place = TEXT.index(old, start)
    path.write_text(TEXT[:place] + new + TEXT[place + len(old) :], encoding="utf-8")
    with pytest.raises(WorkflowError) as refused:
        load_workflows(path)
    return str(refused.value), TEXT.count("\n", 0, place) + 1


CLOSE, PROFILE = "[workflows.ACCOUNT_CLOSE]", "[workflows.ACCOUNT_PROFILE_UPDATE]"


@pytest.mark.parametrize(
    ("heading", "old", "new", "message"),
    [
        ("[statuses]", "FAILED = { id = 4", "FAILED = { id = 7", "status FAILED must have id 4"),
        (CLOSE, 'action = "COLLECT_DOCUMENTS"', 'action = "COLLECT"', "'COLLECT' is not one of [actions]"),
        (CLOSE, 'state = "RECEIVED"', 'state = "ARRIVED"', "'ARRIVED' is not one of [states]"),
        (CLOSE, 'status = "PENDING"', 'status = "NEW"', "'NEW' is not one of [statuses]"),
        (CLOSE, 'run = "validate"', 'run = "check"', "run must be one of"),
        (CLOSE, 'run = "validate"', 'waits = true, run = "validate"', "and not wait"),
        (CLOSE, ", deadline = 86400", "", "needs a deadline in seconds"),
        (CLOSE, "deadline = 86400", "deadline = -1", "needs a deadline in seconds"),
        (CLOSE, "deadline = 86400", "deadline = inf", "needs a deadline in seconds"),
        (CLOSE, 'run = "validate"', 'run = ["validate"]', "run is a single value"),
        (CLOSE, 'from = "approval"', 'from = ["approval"]', "from is a single value"),
        (CLOSE, 'status = "COMPLETE"', 'status = "IN_PROGRESS"', "ends, with an end status"),
        (CLOSE, "waits = true, deadline = 86400 }", 'run = "review", colour = "red", deadline = 86400 }', "colour"),
        (CLOSE, 'name = "approval"', 'name = "documents"', "two nodes named 'documents'"),
        (CLOSE, "link = 4003", "link = 4002", "link 4002 is used twice"),
        (CLOSE, "link = 4003", "link = 1001", "link 1001 is used twice"),
        (CLOSE, 'on = "invalid", to = "rejected"', 'on = "invalid", to = "nowhere"', "there is no node 'nowhere'"),
        (CLOSE, 'on = "timeout"', 'on = "reject"', "two rules for 'reject' at 'documents'"),
        (
            CLOSE,
            CLOSE_RULE,
            CLOSE_RULE + '\n  { from = "completed", on = "approve", to = "update" },',
            "'completed' is terminal",
        ),
        (
            PROFILE,
            'action = "REVIEW_REQUEST", state = "UNDER_REVIEW"',
            'action = "VALIDATE_REQUEST", state = "RECEIVED"',
            "two nodes are VALIDATE_REQUEST/RECEIVED",
        ),
    ],
)
def test_an_error_names_the_line(tmp_path: Path, heading: str, old: str, new: str, message: str) -> None:
    text, line = spoiled(tmp_path / "workflows.toml", old, new, heading)
    assert message in text
    found = re.search(r"line (\d+)", text)
    assert found is not None
    # A rule that is added stands on the line after the one it was added to.
    assert int(found[1]) - line in ((0, 1) if "terminal" in message else (0,)), text


@pytest.mark.parametrize(
    ("old", "new", "message", "node"),
    [
        ('  { from = "validate", on = "invalid", to = "rejected" },\n', "", "'validate' needs one rule", "validate"),
        ('  { from = "approval", on = "timeout", to = "timed_out" },\n', "", "needs a rule for timeout", "approval"),
        ('from = "approval", on = "approve"', 'from = "approval", on = "applaud"', "a rule for timeout", "approval"),
        ('on = "documents", to = "approval"', 'on = "documents", to = "update"', "no path leads to", "approval"),
        (
            'from = "documents", on = "reject", to = "rejected"',
            'from = "documents", on = "reject", to = "validate"',
            None,
            "",
        ),
    ],
)
def test_an_error_of_the_whole_names_the_node(
    tmp_path: Path, old: str, new: str, message: str | None, node: str
) -> None:
    path = tmp_path / "workflows.toml"
    if message is None:
        # A loop is allowed, as long as an end can be reached.
        path.write_text(TEXT.replace(old, new), encoding="utf-8")
        assert load_workflows(path).by_type
        return
    text, _ = spoiled(path, old, new, CLOSE)
    found = re.search(r"line (\d+)", text)
    assert found is not None
    assert message in text
    assert f'name = "{node}"' in path.read_text(encoding="utf-8").splitlines()[int(found[1]) - 1]
    assert int(found[1]) > TEXT.count("\n", 0, TEXT.index(CLOSE))


def test_a_request_must_be_able_to_end(tmp_path: Path) -> None:
    head, tail = TEXT.split(CLOSE)
    body = re.sub(r'  \{ name = "(rejected|timed_out|cancelled)".*\n', "", tail.split("[workflows")[0])
    path = tmp_path / "workflows.toml"
    path.write_text(head + CLOSE + body, encoding="utf-8")
    with pytest.raises(WorkflowError, match=r"line \d+: there is no node 'rejected'"):
        load_workflows(path)
    rules = '\nrules = [{ from = "validate", on = "valid", to = "validate" }]\n'
    path.write_text(head + CLOSE + body.split("rules = [")[0] + rules, encoding="utf-8")
    with pytest.raises(WorkflowError, match=r"line \d+: a workflow needs a node with status CANCELLED"):
        load_workflows(path)


def test_what_is_no_workflow_file_at_all(tmp_path: Path) -> None:
    path = tmp_path / "workflows.toml"
    for text, message in (
        ("[statuses]\nx = = 1", "line 2"),
        ("", r"\[statuses\] is missing"),
        (TEXT.split("[workflows.")[0], r"\[workflows\] is missing"),
        (TEXT.split("[workflows.")[0] + "[workflows.EMPTY]\nid = 9\n", "a workflow needs nodes"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(WorkflowError, match=message):
            load_workflows(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id = 4\ndescription", "description"),
        ("id = 4\ndescription", 'id = "four"\ndescription'),
        ("id = 4\ndescription", "id = 1\ndescription"),
        ('PROCESSING = { id = 5, description = "Being carried out" }', "PROCESSING = 5"),
        ('PROCESSING = { id = 5, description = "Being carried out" }', "PROCESSING = { id = 5 }"),
        ("deadline = 86400", 'deadline = "a day"'),
        ('{ from = "notify", on = "notified", to = "completed" },', '"notify",'),
        ("link = 4001,", 'link = "4001",'),
    ],
)
def test_values_of_the_wrong_kind_are_errors_too(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "workflows.toml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != TEXT
    with pytest.raises(WorkflowError, match=r"line \d+"):
        load_workflows(path)
