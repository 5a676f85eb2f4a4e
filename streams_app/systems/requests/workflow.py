"""Workflows are data: nodes and rules, read from config/workflows.toml and checked when loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streams_app.systems.requests.model import SignalKind, Status
from streams_app.systems.requests.workflow_file import Located, WorkflowError

CANCEL = SignalKind.CANCEL.value
TIMEOUT = "timeout"
LONGEST_DEADLINE = 10 * 366 * 86_400

# Each automatic step and every outcome it can have (rules.py); a workflow that uses it has a rule for each, but for
# those that only some types of request can meet.
OUTCOMES: dict[str, frozenset[str]] = {
    "validate": frozenset({"valid", "invalid"}),
    "review": frozenset({"clear", "escalate"}),
    "update_account": frozenset({"updated", "adjust", "invalid"}),
    "generate_instructions": frozenset({"generated", "invalid"}),
    "confirm_instructions": frozenset({"confirmed"}),
    "notify": frozenset({"notified"}),
}
OPTIONAL = frozenset({"adjust"})


@dataclass(frozen=True, slots=True)
class Node:
    """One state of a workflow. `run` names an automatic step, `waits` an external one; terminal has neither.

    `deadline` is in seconds: a waiting node times out after it, an automatic one is driven again.
    """

    name: str
    link_id: int
    action: str
    state: str
    status: Status
    sort_order: int
    run: str | None
    waits: bool
    deadline: float

    @property
    def is_terminal(self) -> bool:
        """True when nothing leaves this node."""
        return self.run is None and not self.waits


@dataclass(frozen=True, slots=True)
class Workflow:
    """The nodes of one request type and where each outcome leads."""

    type_id: int
    code: str
    description: str
    nodes: tuple[Node, ...]
    rules: dict[tuple[str, str], str]

    @property
    def initial(self) -> Node:
        """The node of the first event."""
        return self.nodes[0]

    def node(self, name: str) -> Node:
        """The node of that name. Raises KeyError."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def target(self, node: Node, outcome: str) -> Node | None:
        """Where `outcome` leads from `node`, or None when it means nothing there."""
        name = self.rules.get((node.name, outcome))
        return None if name is None else self.node(name)

    def edges(self) -> Iterator[tuple[int, int]]:
        """Every allowed step, as pairs of link ids."""
        for (source, _), target in self.rules.items():
            yield self.node(source).link_id, self.node(target).link_id


class WorkflowBook:
    """All workflows, by request type and by link."""

    def __init__(self, workflows: Iterable[Workflow], codes: dict[str, dict[str, tuple[int, str]]]) -> None:
        self.by_type = {workflow.type_id: workflow for workflow in workflows}
        self.by_link = {node.link_id: (w, node) for w in self.by_type.values() for node in w.nodes}
        #: statuses, actions and states: code → (id, description), for the static tables.
        self.codes = codes

    def scaled(self, factor: float) -> WorkflowBook:
        """The same workflows with every waiting deadline multiplied by `factor` (demos and tests)."""
        return WorkflowBook(
            [
                replace(
                    w,
                    nodes=tuple(replace(n, deadline=n.deadline * factor) if n.waits else n for n in w.nodes),
                )
                for w in self.by_type.values()
            ],
            self.codes,
        )


def load_workflows(path: Path) -> WorkflowBook:
    """Read and check the workflows of `path`. Raises WorkflowError, which names the file and the line."""
    text = path.read_text(encoding="utf-8")
    source = Located(path, text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WorkflowError(f"{path}: {error}") from error
    codes = {kind: _codes(source, data, kind) for kind in ("statuses", "actions", "states")}
    _check_statuses(source, codes["statuses"])
    workflows = [_workflow(source, code, raw, codes) for code, raw in source.table(data, "workflows").items()]
    _check_unique_types(source, workflows)
    _check_unique_links(source, workflows)
    return WorkflowBook(workflows, codes)


def _codes(source: Located, data: dict[str, Any], kind: str) -> dict[str, tuple[int, str]]:
    section, codes = source.section(kind), dict[str, tuple[int, str]]()
    for code, row in source.table(data, kind).items():
        if not isinstance(row, dict) or type(row.get("id")) is not int or not isinstance(row.get("description"), str):
            raise section.error(f"{code} ", f"{code} needs a whole number as id, and a description")
        if any(row["id"] == number for number, _ in codes.values()):
            raise section.error(f"{code} ", f"{code}: id {row['id']} is used twice")
        codes[code] = (row["id"], row["description"])
    return codes


def _check_statuses(source: Located, statuses: dict[str, tuple[int, str]]) -> None:
    for status in Status:
        if statuses.get(status.name, (None,))[0] != status.value:
            raise source.error(status.name, f"status {status.name} must have id {status.value}")


def _workflow(source: Located, code: str, raw: Any, codes: dict[str, Any]) -> Workflow:
    section = source.section(f"workflows.{code}")
    if not isinstance(raw, dict) or type(raw.get("id")) is not int:
        raise section.error("id =", f"{code} needs a whole number as id")
    nodes: dict[str, Node] = {}
    for order, row in enumerate(_tables(section, raw, "nodes"), start=1):
        node = _node(section, row, order * 10, codes)
        if node.name in nodes:
            raise section.error(f'name = "{node.name}"', f"two nodes named {node.name!r}", last=True)
        nodes[node.name] = node
    if not nodes:
        raise section.error(code, "a workflow needs nodes; the first one is the initial node")
    rules = _rules(section, _tables(section, raw, "rules"), nodes)
    workflow = Workflow(raw["id"], code, str(raw.get("description", "")), tuple(nodes.values()), rules)
    _check_outcomes(section, workflow)
    _check_reachable(section, workflow)
    return workflow


def _tables(section: Located, raw: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = raw.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise section.error(f"{name} =", f"{name} is a list of tables, each in braces")
    for row in rows:
        for key, value in row.items():
            if not isinstance(value, str | int | float):
                raise section.error(f"{key} = [", f"{name}: {key} is a single value")
    return rows


def _node(section: Located, row: dict[str, Any], order: int, codes: dict[str, Any]) -> Node:
    name = row.get("name", "")
    where = f'name = "{name}"'
    unknown = set(row) - {"name", "link", "action", "state", "status", "run", "waits", "deadline"}
    if unknown or not isinstance(name, str) or not name or type(row.get("link")) is not int:
        raise section.error(where, f"a node has a name and a link, and no {', '.join(sorted(unknown)) or 'less'}")
    for field, kind in (("action", "actions"), ("state", "states"), ("status", "statuses")):
        if row.get(field) not in codes[kind]:
            raise section.error(where, f"node {name!r}: {row.get(field)!r} is not one of [{kind}]")
    run, waits = row.get("run"), bool(row.get("waits", False))
    if run is not None and (run not in OUTCOMES or waits):
        raise section.error(where, f"node {name!r}: run must be one of {', '.join(OUTCOMES)}, and not wait")
    status = Status[row["status"]]
    if (run is None and not waits) == status.is_open:
        raise section.error(where, f"node {name!r}: a node that neither runs nor waits ends, with an end status")
    deadline = row.get("deadline", 0)
    if type(deadline) not in (int, float) or ((run is not None or waits) and not 0 < deadline <= LONGEST_DEADLINE):
        raise section.error(where, f"node {name!r}: needs a deadline in seconds, at most ten years")
    return Node(name, row["link"], row["action"], row["state"], status, order, run, waits, float(deadline))


def _rules(section: Located, rows: list[dict[str, Any]], nodes: dict[str, Node]) -> dict[tuple[str, str], str]:
    rules: dict[tuple[str, str], str] = {}
    for row in rows:
        source, outcome, target = row.get("from", ""), row.get("on", ""), row.get("to", "")
        where = f'from = "{source}", on = "{outcome}"'
        for name in (source, target):
            if name not in nodes:
                raise section.error(where, f"there is no node {name!r}")
        if (source, outcome) in rules:
            raise section.error(where, f"two rules for {outcome!r} at {source!r}", last=True)
        if nodes[source].is_terminal:
            raise section.error(where, f"{source!r} is terminal: nothing may leave it")
        rules[source, outcome] = target
    cancelled = next((n.name for n in nodes.values() if n.status is Status.CANCELLED), None)
    if cancelled is None:
        raise section.error(section.heading, "a workflow needs a node with status CANCELLED")
    for node in nodes.values():
        if not node.is_terminal:
            rules.setdefault((node.name, CANCEL), cancelled)
    return rules


def _check_outcomes(section: Located, workflow: Workflow) -> None:
    for node in workflow.nodes:
        have = {outcome for (source, outcome) in workflow.rules if source == node.name} - {CANCEL}
        if node.run is not None and not OUTCOMES[node.run] - OPTIONAL <= have <= OUTCOMES[node.run]:
            expected = ", ".join(sorted(OUTCOMES[node.run]))
            raise section.error(f'name = "{node.name}"', f"{node.name!r} needs one rule for each of: {expected}")
        if node.waits:
            allowed = {kind.value for kind in SignalKind} | {TIMEOUT}
            if TIMEOUT not in have or len(have) < 2 or have - allowed:
                raise section.error(
                    f'name = "{node.name}"',
                    f"{node.name!r} waits: it needs a rule for timeout and for a signal ({', '.join(sorted(allowed))})",
                )


def _check_reachable(section: Located, workflow: Workflow) -> None:
    after: dict[str, set[str]] = {node.name: set() for node in workflow.nodes}
    before: dict[str, set[str]] = {node.name: set() for node in workflow.nodes}
    for (source, _), target in workflow.rules.items():
        after[source].add(target)
        before[target].add(source)
    reached = _closure({workflow.initial.name}, after)
    ends = _closure({node.name for node in workflow.nodes if node.is_terminal}, before)
    for node in workflow.nodes:
        if node.name not in reached:
            raise section.error(f'name = "{node.name}"', f"no path leads to {node.name!r}")
        if node.name not in ends:
            raise section.error(f'name = "{node.name}"', f"no path leads from {node.name!r} to an end")


def _closure(start: set[str], graph: dict[str, set[str]]) -> set[str]:
    seen, todo = set(start), list(start)
    while todo:
        for name in graph[todo.pop()] - seen:
            seen.add(name)
            todo.append(name)
    return seen


def _check_unique_types(source: Located, workflows: list[Workflow]) -> None:
    seen: set[int] = set()
    for workflow in workflows:
        if workflow.type_id in seen:
            section = source.section(f"workflows.{workflow.code}")
            raise section.error("id =", f"{workflow.code}: id {workflow.type_id} is used twice")
        seen.add(workflow.type_id)


def _check_unique_links(source: Located, workflows: list[Workflow]) -> None:
    seen: set[int] = set()
    for workflow in workflows:
        combinations: set[tuple[str, str]] = set()
        for node in workflow.nodes:
            if node.link_id in seen:
                raise source.error(f"link = {node.link_id},", f"link {node.link_id} is used twice", last=True)
            seen.add(node.link_id)
            if (node.action, node.state) in combinations:
                where = source.section(f"workflows.{workflow.code}")
                raise where.error(
                    f'name = "{node.name}"', f"two nodes are {node.action}/{node.state} in {workflow.code}"
                )
            combinations.add((node.action, node.state))
