"""One step at a time: what decide makes of a request, and when it makes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.systems.requests.model import Context, Decision, Head, RequestType, SignalKind, Status
from streams_app.systems.requests.rules import APPROVAL_LIMIT, UnknownRequestTypeError, decide
from streams_app.systems.requests.workflow import Node, Workflow

from .contexts import BOOK, DETAILS, NOW, account, context, said, trade

OPEN, PROFILE = RequestType.ACCOUNT_ONBOARDING, RequestType.ACCOUNT_PROFILE_UPDATE
PERMISSION, CLOSE = RequestType.ACCOUNT_PERMISSION_CHANGE, RequestType.ACCOUNT_CLOSE
REBALANCE = RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT
EVERY_NODE = [(workflow, node) for workflow in BOOK.by_type.values() for node in workflow.nodes]
STEPS = [(w, n) for w, n in EVERY_NODE if not n.is_terminal]
WAITING = [(w, n) for w, n in EVERY_NODE if n.waits]


def node_name(value: Any) -> str:
    return value.code if isinstance(value, Workflow) else value.name


def led_to(decision: Decision | None) -> str:
    """The name of the node that a decision leads to."""
    assert decision is not None
    return BOOK.by_link[decision.transition.link_id][1].name


def at(workflow: Workflow, node: Node, **values: Any) -> Context:
    return context(RequestType(workflow.type_id), at=node.name, **values)


@pytest.mark.parametrize("type_", RequestType)
def test_a_request_without_a_head_gets_its_first_event(type_: RequestType) -> None:
    decision = decide(context(type_), BOOK, NOW)
    assert led_to(decision) == "validate"
    assert decision is not None
    step = decision.transition
    assert (step.expected_seq, step.status, step.actor, step.idempotency_key) == (
        0,
        Status.PENDING,
        "someone",
        "create",
    )


@pytest.mark.parametrize(("workflow", "node"), STEPS, ids=node_name)
def test_a_cancellation_ends_a_request_anywhere_with_its_trades(workflow: Workflow, node: Node) -> None:
    decision = decide(at(workflow, node, signals=(SignalKind.APPROVE, SignalKind.CANCEL)), BOOK, NOW)
    assert led_to(decision) == "cancelled"
    assert decision is not None
    assert decision.trades_status is Status.CANCELLED
    assert decision.transition.idempotency_key == f"signal-{said(SignalKind.CANCEL).signal_id}"
    assert decision.transition.metadata["reason"] == "cancel by somebody"


@pytest.mark.parametrize(("workflow", "node"), [p for p in EVERY_NODE if p[1].is_terminal], ids=node_name)
def test_nothing_follows_the_end(workflow: Workflow, node: Node) -> None:
    later = NOW + timedelta(days=365)
    assert decide(at(workflow, node, signals=tuple(SignalKind)), BOOK, later) is None


@pytest.mark.parametrize(("workflow", "node"), WAITING, ids=node_name)
def test_a_waiting_step_times_out_exactly_at_its_deadline(workflow: Workflow, node: Node) -> None:
    deadline = NOW + timedelta(seconds=node.deadline)
    assert decide(at(workflow, node), BOOK, deadline - timedelta(microseconds=1)) is None
    decision = decide(at(workflow, node), BOOK, deadline)
    assert led_to(decision) == "timed_out"
    assert decision is not None
    assert decision.transition.idempotency_key == "timeout-3"
    assert decision.transition.metadata["reason"] == "timed_out"


@pytest.mark.parametrize(("workflow", "node"), WAITING, ids=node_name)
def test_a_signal_in_time_counts_even_when_it_is_seen_late(workflow: Workflow, node: Node) -> None:
    late = NOW + timedelta(seconds=node.deadline * 2)
    assert led_to(decide(at(workflow, node, signals=(SignalKind.REJECT,)), BOOK, late)) == "rejected"


def test_an_early_approval_waits_until_the_request_waits_for_it() -> None:
    early = (SignalKind.APPROVE,)
    assert led_to(decide(context(OPEN, at="validate", signals=early), BOOK, NOW)) == "documents"
    assert decide(context(OPEN, at="documents", signals=early), BOOK, NOW) is None
    assert led_to(decide(context(OPEN, at="review", signals=early), BOOK, NOW)) == "approval"
    assert led_to(decide(context(OPEN, at="approval", signals=early), BOOK, NOW)) == "update"


@pytest.mark.parametrize(("workflow", "node"), STEPS, ids=node_name)
def test_every_outcome_has_somewhere_to_go(workflow: Workflow, node: Node) -> None:
    for accounts in ((), None):
        decision = decide(at(workflow, node, accounts=accounts), BOOK, NOW)
        assert (decision is None) == node.waits
        if decision is not None:
            link = BOOK.by_link[decision.transition.link_id]
            assert link[0] is workflow
            assert link[1].status is decision.transition.status
            assert (node.link_id, link[1].link_id) in set(workflow.edges())


def test_a_refused_request_fails_with_its_reason_and_cancels_its_trades() -> None:
    refused = context(PROFILE, {"changes": {}}, at="validate", trades=(trade(),))
    decision = decide(refused, BOOK, NOW)
    assert led_to(decision) == "rejected"
    assert decision is not None
    assert decision.transition.metadata == {"from": "validate", "outcome": "invalid", "reason": "nothing_to_change"}
    assert decision.trades_status is Status.CANCELLED
    assert decision.account_change is None


def test_an_account_that_closes_before_the_approval_is_not_changed() -> None:
    for type_ in (OPEN, PROFILE, PERMISSION, CLOSE):
        decision = decide(context(type_, at="update", accounts=(account(status="CLOSED"),)), BOOK, NOW)
        assert led_to(decision) == "rejected"
        assert decision is not None
        assert decision.account_change is None


@pytest.mark.parametrize(
    ("type_", "values"),
    [
        (PROFILE, {"contact_email": "new@example.com"}),
        (PERMISSION, {"permissions": ["API", "TRADE", "VIEW"]}),
        (CLOSE, {"account_status": "CLOSED", "permissions": []}),
        (OPEN, DETAILS[OPEN] | {"account_status": "ACTIVE"}),
    ],
)
def test_an_update_changes_the_account_that_was_read(type_: RequestType, values: dict[str, Any]) -> None:
    status = "PENDING" if type_ is OPEN else "ACTIVE"
    decision = decide(context(type_, at="update", accounts=(account(status=status, version=7),)), BOOK, NOW)
    assert decision is not None
    assert decision.account_change is not None
    assert decision.account_change.expected_version == 7
    assert decision.account_change.values == values
    assert decision.transition.metadata["account_version"] == 8


def test_a_cancel_gives_the_account_back_what_the_request_changed() -> None:
    changed = {"contact_email": ("old@example.com", "new@example.com"), "permissions": ([], ["VIEW"])}
    account_now = account(contact_email="new@example.com", permissions=frozenset({"VIEW"}), version=4)
    cancelled = context(PROFILE, at="notify", accounts=(account_now,), signals=(SignalKind.CANCEL,), changed=changed)
    decision = decide(cancelled, BOOK, NOW)
    assert led_to(decision) == "cancelled"
    assert decision is not None
    assert decision.account_change is not None
    assert decision.account_change.values == {"contact_email": "old@example.com", "permissions": []}
    assert decision.account_change.expected_version == 4
    assert decision.transition.metadata["account_version"] == 5
    assert decision.trades_status is Status.CANCELLED


def test_a_cancel_keeps_what_somebody_else_changed_since() -> None:
    changed = {"contact_email": ("old@example.com", "new@example.com"), "risk_profile": ("LOW", "HIGH")}
    account_now = account(contact_email="newer@example.com", risk_profile="HIGH")
    cancelled = context(PROFILE, at="notify", accounts=(account_now,), signals=(SignalKind.CANCEL,), changed=changed)
    decision = decide(cancelled, BOOK, NOW)
    assert decision is not None
    assert decision.account_change is not None
    assert decision.account_change.values == {"risk_profile": "LOW"}
    assert decision.transition.metadata["not_restored"] == ["contact_email"]


def test_an_update_says_what_it_changed_so_that_it_can_be_undone() -> None:
    decision = decide(context(PROFILE, at="update"), BOOK, NOW)
    assert decision is not None
    assert decision.transition.metadata["changed"] == {"contact_email": ["old@example.com", "new@example.com"]}


def test_trades_come_with_profile_updates_only() -> None:
    for type_ in (OPEN, PERMISSION, CLOSE, REBALANCE):
        decision = decide(context(type_, at="validate", trades=(trade(),)), BOOK, NOW)
        assert led_to(decision) == "rejected"
        assert decision is not None
        assert decision.transition.metadata["reason"] == "trades_not_allowed"
        assert decision.trades_status is Status.CANCELLED


def test_instructions_that_came_with_a_profile_change_are_settled() -> None:
    assert led_to(decide(context(PROFILE, at="update"), BOOK, NOW)) == "notify"
    assert led_to(decide(context(PROFILE, at="update", trades=(trade(Status.COMPLETE),)), BOOK, NOW)) == "notify"
    assert led_to(decide(context(PROFILE, at="update", trades=(trade(),)), BOOK, NOW)) == "confirm"
    settled = decide(context(PROFILE, at="confirm", trades=(trade(),)), BOOK, NOW)
    assert settled is not None
    assert settled.trades_status is Status.COMPLETE


@pytest.mark.parametrize(
    ("changes", "node"),
    [
        ({"strategy": "Growth"}, "approval"),
        ({"risk_profile": "HIGH"}, "approval"),
        ({"risk_profile": "MEDIUM", "contact_email": "new@example.com"}, "update"),
        ({"mailing_preference": "PAPER"}, "update"),
    ],
)
def test_a_change_of_risk_is_approved(changes: dict[str, str], node: str) -> None:
    assert led_to(decide(context(PROFILE, {"changes": changes}, at="review"), BOOK, NOW)) == node


@pytest.mark.parametrize(("more", "node"), [(Decimal(0), "instruct"), (Decimal("0.0001"), "approval")])
def test_a_rebalance_over_the_limit_is_approved(more: Decimal, node: str) -> None:
    details = DETAILS[REBALANCE] | {"quantity": str(APPROVAL_LIMIT + more), "price": "1"}
    assert led_to(decide(context(REBALANCE, details, at="review"), BOOK, NOW)) == node


def test_a_rebalance_makes_its_trades_once_it_is_allowed() -> None:
    decision = decide(context(REBALANCE, at="instruct"), BOOK, NOW)
    assert decision is not None
    assert [(t.side, t.quantity) for t in decision.new_trades if t.side == "BUY"] == [("BUY", 100)]
    assert sum(t.quantity for t in decision.new_trades if t.side == "SELL") == 100
    assert decision.transition.metadata["trades"] == 3


@given(
    st.sampled_from(EVERY_NODE),
    st.lists(st.sampled_from(SignalKind), unique=True),
    st.floats(0, 400_000),
    st.sampled_from(["ACTIVE", "PENDING", "CLOSED"]),
)
def test_decide_is_deterministic_and_makes_one_step(
    pair: tuple[Workflow, Node], signals: list[SignalKind], seconds: float, status: str
) -> None:
    given_context = at(*pair, signals=tuple(signals), accounts=(account(status=status), account(1), account(2)))
    now = NOW + timedelta(seconds=seconds)
    decision = decide(given_context, BOOK, now)
    assert decision == decide(given_context, BOOK, now)
    if decision is not None:
        assert decision.transition.expected_seq == 3
        assert decision.transition.event_ts == now
        assert (pair[1].link_id, decision.transition.link_id) in set(pair[0].edges())


def test_time_does_not_go_back_with_the_clock_of_another_worker() -> None:
    decision = decide(context(PROFILE, at="review", since=NOW), BOOK, NOW - timedelta(seconds=5))
    assert decision is not None
    assert decision.transition.event_ts == NOW


def test_what_no_workflow_describes_is_said_so() -> None:
    plain = context(PROFILE)
    foreign = Head(BOOK.by_type[CLOSE].initial.link_id, Status.PENDING, 1, NOW)
    for wrong in (
        replace(plain, request=replace(plain.request, type_id=99)),
        replace(plain, head=foreign),
        replace(plain, head=replace(foreign, link_id=9999)),
    ):
        with pytest.raises(UnknownRequestTypeError):
            decide(wrong, BOOK, NOW)
