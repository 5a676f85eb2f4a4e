"""What must hold in every world: while it runs, when offsets are committed, and at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

from streams_app.systems.requests.model import Account, RequestType, Status, Transition
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.workflow import Workflow, WorkflowBook
from tests.contract.memory_store import MemoryStore
from tests.simulation.wishes import Wish


def broken_histories(tables: MemoryStore, book: WorkflowBook) -> Iterator[str]:
    """Logs that are not one allowed way, each step and each cause once, with the head at its end."""
    for key, steps in tables.log.items():
        who, workflow = key.request_id, book.by_type[tables.requests[key].type_id]
        head = tables.heads[key]
        if [step.expected_seq for step in steps] != list(range(len(steps))):
            yield f"{who}: the log is not contiguous: {[step.expected_seq for step in steps]}"
        if (head.seq_num, head.link_id) != (len(steps), steps[-1].link_id):
            yield f"{who}: the head is {head.seq_num} at {head.link_id}, the log has {len(steps)} steps"
        if tables.requests[key].status is not head.status:
            yield f"{who}: request_info says {tables.requests[key].status}, the head {head.status}"
        causes = [step.idempotency_key for step in steps]
        if len(set(causes)) != len(causes):
            yield f"{who}: a cause moved it twice: {causes}"
        if steps[0].link_id != workflow.initial.link_id:
            yield f"{who}: the first event is not the initial one"
        yield from _forbidden_steps(who, steps, workflow)


def _forbidden_steps(who: UUID, steps: list[Transition], workflow: Workflow) -> Iterator[str]:
    nodes = {node.link_id: node for node in workflow.nodes}
    for before, after in pairwise(steps):
        outcome = after.metadata["outcome"]
        target = workflow.target(nodes[before.link_id], outcome)
        if target is None or target.link_id != after.link_id:
            yield f"{who}: {nodes[before.link_id].name} leads to {nodes[after.link_id].name} on {outcome}"
        if after.event_ts < before.event_ts:
            yield f"{who}: time goes back"


def broken_accounts(accounts: dict[UUID, Account], steps: list[tuple[UUID, Transition]]) -> Iterator[str]:
    """Accounts whose versions are not each made by one event, or that do not show the last change of each column."""
    changes: dict[UUID, dict[int, Transition]] = defaultdict(dict)
    for account_id, step in steps:
        version = step.metadata.get("account_version")
        if version is None:
            continue
        if version in changes[account_id]:
            yield f"account {account_id}: version {version} was made twice"
        changes[account_id][version] = step
    for account_id, account in accounts.items():
        made = changes[account_id]
        if sorted(made) != list(range(2, account.version + 1)):
            yield f"account {account_id}: version {account.version}, changes {sorted(made)}"
        shown = {}
        for version in sorted(made):
            note = made[version].metadata
            shown |= {name: new for name, (_, new) in note.get("changed", {}).items()} if "restored" not in note else {}
            shown |= note.get("restored", {})
        for name, value in shown.items():
            if account.column(name) != value:
                yield f"account {account_id}: {name} is {account.column(name)!r}, the last change says {value!r}"


def broken_trades(tables: MemoryStore) -> Iterator[str]:
    """Trades that do not go with their request, or do not balance."""
    for key, steps in tables.log.items():
        trades, status = tables.trades.get(key, {}).values(), tables.requests[key].status
        if status is Status.COMPLETE and any(trade.status.is_open for trade in trades):
            yield f"{key.request_id}: complete, with an open trade"
        if status in (Status.FAILED, Status.CANCELLED) and any(t.status is not Status.CANCELLED for t in trades):
            yield f"{key.request_id}: {status.name}, with a trade that is not cancelled"
        generated = sum(step.metadata.get("trades", 0) for step in steps if step.metadata.get("outcome") == "generated")
        rebalance = tables.requests[key].type_id == RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT
        if rebalance and generated != len(trades):
            yield f"{key.request_id}: {generated} trades were generated, {len(trades)} are there"
        signed = (t.quantity if t.side == "BUY" else -t.quantity for t in trades)
        if rebalance and sum(signed, Decimal(0)) != 0:
            yield f"{key.request_id}: the trades do not balance"


def wrong_end(wish: Wish, key: RequestKey, tables: MemoryStore, book: WorkflowBook, *, tight: bool) -> str | None:
    """How a request ended, when an undisturbed one could not end so."""
    head = tables.heads.get(key)
    if head is None:
        return f"{key.request_id}: no head"
    node = book.by_link[head.link_id][1]
    if not node.is_terminal:
        return f"{key.request_id}: not ended, but at {node.name} since {head.event_ts}"
    waits = wish.signals or wish.ends != {"completed"}
    allowed = wish.ends | ({"timed_out"} if tight and waits else frozenset())
    return None if node.name in allowed else f"{key.request_id}: ended {node.name}, expected {sorted(allowed)}"
