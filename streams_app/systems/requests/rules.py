"""What happens to an account request: pure rules over plain data, no I/O, no clock of their own.

`decide` is the whole business: from everything known of one request it makes at most one step. An automatic
step runs a rule of `STEPS`; a waiting step looks for a signal or its deadline; a cancel signal ends any request
that has not ended. The workflow (config/workflows.toml) says where each outcome leads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from streams_app.systems.requests import checks
from streams_app.systems.requests.instructions import rebalance_trades
from streams_app.systems.requests.model import (
    AccountChange,
    Context,
    Decision,
    RequestType,
    Signal,
    Status,
    Trade,
    Transition,
)
from streams_app.systems.requests.workflow import CANCEL, TIMEOUT, Node, Workflow, WorkflowBook

ORCHESTRATOR = "orchestrator"

# A rebalance worth more than this, in its own currency, is approved by a person.
APPROVAL_LIMIT = 250_000


class UnknownRequestTypeError(LookupError):
    """The request is of a type that no workflow describes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an automatic step found, and the effects that go with it."""

    name: str
    reason: str | None = None
    account: dict[str, Any] | None = None
    trades: tuple[Trade, ...] = ()
    trades_status: Status | None = None
    note: dict[str, Any] = field(default_factory=dict)


def decide(context: Context, book: WorkflowBook, now: datetime) -> Decision | None:
    """The next step of one request, or None when there is nothing to do (ended, or waiting).

    Raises UnknownRequestTypeError when no workflow describes the request's type.
    """
    workflow = book.by_type.get(context.request.type_id)
    if workflow is None:
        raise UnknownRequestTypeError(f"request type {context.request.type_id} has no workflow")
    if context.head is None:
        return _first_event(context, workflow, now)
    entry = book.by_link.get(context.head.link_id)
    if entry is None or entry[0] is not workflow:
        raise UnknownRequestTypeError(f"link {context.head.link_id} is not of {workflow.code}")
    node = entry[1]
    if node.is_terminal:
        return None
    signal = _signal_for(context, workflow, node)
    if signal is not None:
        outcome = _signalled(context, signal)
        return _step(context, workflow, node, outcome, now, f"signal-{signal.signal_id}", signal.actor)
    if node.waits:
        if now < context.head.event_ts + timedelta(seconds=node.deadline):
            return None
        key = f"timeout-{context.head.seq_num}"
        return _step(context, workflow, node, Outcome(TIMEOUT, "timed_out"), now, key, ORCHESTRATOR)
    assert node.run is not None
    outcome = STEPS[node.run](context)
    return _step(context, workflow, node, outcome, now, f"step-{context.head.seq_num}", ORCHESTRATOR)


def _first_event(context: Context, workflow: Workflow, now: datetime) -> Decision:
    # A front office may write the request alone: its first event is then ours to write.
    request, node = context.request, workflow.initial
    return Decision(
        Transition(
            request_id=request.request_id,
            locality=request.locality,
            expected_seq=0,
            link_id=node.link_id,
            status=node.status,
            event_ts=max(now, request.created_ts),
            actor=request.requested_by,
            idempotency_key="create",
        )
    )


def _signal_for(context: Context, workflow: Workflow, node: Node) -> Signal | None:
    cancel = next((s for s in context.signals if s.kind.value == CANCEL), None)
    if cancel is not None:
        return cancel
    # Only a waiting node listens: an early approval waits in request_signal until the request does.
    if not node.waits:
        return None
    return next((s for s in context.signals if workflow.target(node, s.kind.value)), None)


def _signalled(context: Context, signal: Signal) -> Outcome:
    note: dict[str, Any] = {"signal_id": str(signal.signal_id)}
    reason = str(signal.payload.get("reason") or f"{signal.kind.value} by {signal.actor}")
    if signal.kind.value == CANCEL and context.changed:
        return _undone(context, reason, note)
    return Outcome(signal.kind.value, reason if signal.kind.value in ("reject", CANCEL) else None, note=note)


def _undone(context: Context, reason: str, note: dict[str, Any]) -> Outcome:
    """Give the account back what this request changed; a column that somebody changed since then keeps that."""
    account = context.primary
    assert account is not None
    restored = {name: old for name, (old, new) in context.changed.items() if account.column(name) == new}
    kept = sorted(set(context.changed) - set(restored))
    if restored:
        note = {**note, "restored": restored, "account_version": account.version + 1}
    return Outcome(CANCEL, reason, account=restored or None, note={**note, "not_restored": kept} if kept else note)


def _step(
    context: Context, workflow: Workflow, node: Node, outcome: Outcome, now: datetime, key: str, actor: str
) -> Decision:
    target = workflow.target(node, outcome.name)
    assert target is not None, f"{workflow.code}: no rule for {outcome.name} at {node.name}"
    request, head = context.request, context.head
    assert head is not None
    metadata = {"from": node.name, "outcome": outcome.name, **outcome.note}
    if outcome.reason is not None:
        metadata["reason"] = outcome.reason
    return Decision(
        transition=Transition(
            request_id=request.request_id,
            locality=request.locality,
            expected_seq=head.seq_num,
            link_id=target.link_id,
            status=target.status,
            event_ts=max(now, head.event_ts),
            actor=actor,
            idempotency_key=key,
            metadata=metadata,
        ),
        account_change=_account_change(context, outcome),
        new_trades=outcome.trades,
        trades_status=_trades_status(target, outcome),
    )


def _account_change(context: Context, outcome: Outcome) -> AccountChange | None:
    if outcome.account is None or context.primary is None:
        return None
    account = context.primary
    return AccountChange(account.account_id, account.locality, account.version, outcome.account)


def _trades_status(target: Node, outcome: Outcome) -> Status | None:
    """What the request's open trades become: a request that fails or is cancelled takes them along."""
    if target.status in (Status.FAILED, Status.CANCELLED):
        return Status.CANCELLED
    return outcome.trades_status


def changed_by(events: Iterable[Transition]) -> dict[str, tuple[Any, Any]]:
    """What a request has changed of its account, column → (before, after), by the last of its events that says so."""
    changes = [step.metadata["changed"] for step in events if "changed" in step.metadata]
    return {name: (before, after) for name, (before, after) in changes[-1].items()} if changes else {}


def validate(context: Context) -> Outcome:
    """Whether the request makes sense for its accounts as they are now."""
    reason = checks.refusal(context)
    return Outcome("valid") if reason is None else Outcome("invalid", reason)


def review(context: Context) -> Outcome:
    """Whether a person must look: a change of risk, or a rebalance over APPROVAL_LIMIT."""
    details, account = context.request.details, context.primary
    if context.request.type_id == RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT:
        quantity, price = checks.decimal(details.get("quantity")), checks.decimal(details.get("price"))
        value = quantity * price if quantity is not None and price is not None else APPROVAL_LIMIT + 1
        return Outcome("escalate" if value > APPROVAL_LIMIT else "clear", note={"value": str(value)})
    changes = details.get("changes", {})
    risky = "strategy" in changes or (
        "risk_profile" in changes and account is not None and changes["risk_profile"] != account.risk_profile
    )
    return Outcome("escalate" if risky else "clear")


def update_account(context: Context) -> Outcome:
    """Change the account, after checking again: weeks may lie between the first check and the approval."""
    reason = checks.refusal(context)
    if reason is not None:
        return Outcome("invalid", reason)
    account = context.primary
    assert account is not None
    details = context.request.details
    has_trades = any(trade.status.is_open for trade in context.trades)
    match context.request.type_id:
        case RequestType.ACCOUNT_ONBOARDING:
            given = {name: details[name] for name in checks.ACCOUNT_DETAILS if name in details}
            values = {**given, "account_status": "ACTIVE"}
        case RequestType.ACCOUNT_PROFILE_UPDATE:
            values = dict(details["changes"])
        case RequestType.ACCOUNT_PERMISSION_CHANGE:
            granted, revoked = set(details.get("grant", ())), set(details.get("revoke", ()))
            values = {"permissions": sorted((account.permissions | granted) - revoked)}
        case _:
            values = {"account_status": "CLOSED", "permissions": []}
    changed = {name: [account.column(name), value] for name, value in values.items()}
    note = {"account_version": account.version + 1, "changed": changed}
    return Outcome("adjust" if has_trades else "updated", account=values, note=note)


def generate_instructions(context: Context) -> Outcome:
    """The balanced trades of a rebalance, for the primary and every linked account."""
    reason = checks.refusal(context)
    if reason is not None:
        return Outcome("invalid", reason)
    trades = rebalance_trades(context)
    return Outcome("generated", trades=trades, note={"trades": len(trades)})


def confirm_instructions(context: Context) -> Outcome:
    """Settle every open trade of the request."""
    settled = sum(1 for trade in context.trades if trade.status.is_open)
    return Outcome("confirmed", trades_status=Status.COMPLETE, note={"trades": settled})


def notify(context: Context) -> Outcome:
    """Tell the client: the event itself is the notification that other services read."""
    return Outcome("notified", note={"account_id": str(context.request.primary_account_id)})


STEPS: dict[str, Callable[[Context], Outcome]] = {
    "validate": validate,
    "review": review,
    "update_account": update_account,
    "generate_instructions": generate_instructions,
    "confirm_instructions": confirm_instructions,
    "notify": notify,
}
