"""What the outside world says: always the same, in the right shares, and only what a step can hear."""

from __future__ import annotations

from collections import Counter
from uuid import NAMESPACE_OID, uuid5

import pytest

from streams_app.systems.requests.generate.answers import Shares, answer, signal_for
from streams_app.systems.requests.model import SignalKind
from streams_app.systems.requests.workflow import Node, Workflow

from .contexts import BOOK, REQUEST_ID

STEPS = [(workflow, node) for workflow, node in BOOK.by_link.values() if not node.is_terminal]
REQUESTS = [uuid5(NAMESPACE_OID, str(number)) for number in range(5_000)]
SHARES = Shares(reject=0.1, cancel=0.05, silent=0.2)


def answers(workflow: Workflow, node: Node, seed: str = "unit") -> list[SignalKind | None]:
    return [answer(seed, request_id, workflow, node, SHARES) for request_id in REQUESTS]


@pytest.mark.parametrize(("workflow", "node"), STEPS)
def test_answers_are_heard_and_come_in_their_shares(workflow: Workflow, node: Node) -> None:
    counts = Counter(answers(workflow, node))
    assert all(kind is None or workflow.target(node, kind.value) for kind in counts)
    assert counts[SignalKind.CANCEL] / len(REQUESTS) == pytest.approx(0.05, abs=0.015)
    if node.waits:
        assert counts[SignalKind.REJECT] / len(REQUESTS) == pytest.approx(0.1, abs=0.02)
        assert counts[None] / len(REQUESTS) == pytest.approx(0.2, abs=0.03)
        onward = SignalKind.DOCUMENTS if node.name == "documents" else SignalKind.APPROVE
        assert set(counts) == {onward, SignalKind.REJECT, SignalKind.CANCEL, None}
    else:
        assert set(counts) == {SignalKind.CANCEL, None}


def test_answers_depend_on_the_seed_and_the_step_alone() -> None:
    workflow = BOOK.by_type[1]
    documents, approval = workflow.node("documents"), workflow.node("approval")
    assert answers(workflow, documents) == answers(workflow, documents)
    assert answers(workflow, documents) != answers(workflow, documents, "other")
    refused = [[kind is SignalKind.REJECT for kind in answers(workflow, node)] for node in (documents, approval)]
    assert refused[0] != refused[1]


def test_the_same_thing_said_is_the_same_signal() -> None:
    first, second = (signal_for(REQUEST_ID, 7, SignalKind.CANCEL) for _ in range(2))
    assert first == second
    assert first.payload["reason"] == "withdrawn_by_client"
    assert len({signal_for(REQUEST_ID, 7, kind).signal_id for kind in SignalKind}) == len(SignalKind)
