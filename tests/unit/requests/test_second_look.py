"""A change may be read from the database's log before others can see its commit: it is looked for again."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from streams_app.changefeed import Change, Op, Version
from streams_app.systems.requests import agents
from streams_app.systems.requests.agents import RequestsHandler
from streams_app.systems.requests.model import Head, RequestType, Status
from streams_app.topics import REQUEST_STATUS
from tests.unit.requests.contexts import BOOK, NOW, REGIONS, REQUEST_ID, context


class Showing:
    """An orchestrator whose database shows a request after some looks only."""

    def __init__(self, *shown: Any) -> None:
        self._shown = list(shown)
        self.looks = 0

    async def advance_region(self, region: str, keys: list[Any]) -> dict[Any, Any]:
        self.looks += 1
        found = self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]
        return {key.request_id: found for key in keys}

    def knows(self, found: Any) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_PATIENCE", SimpleNamespace(pause=lambda attempt, fraction: 0))


def head_change(seq_num: int, age: float = 0.0) -> Change:
    row = {"request_id": str(REQUEST_ID), "locality": 3, "seq_num": seq_num}
    return Change(
        *(REQUEST_STATUS.name, 0, 0, str(REQUEST_ID), Version(seq_num), Op.UPDATE, None, row, ()),
        *(time.time() - age, None, None, (str(REQUEST_ID),)),
    )


async def process(change: Change, *shown: Any) -> tuple[list[str], int]:
    database = Showing(*shown)
    handler = RequestsHandler(database, BOOK, REGIONS, 65_536)  # type: ignore[arg-type]
    outcome = await handler.process("us-east", [change])
    return [rejection.reason for rejection in outcome.rejected], database.looks


def at(seq_num: int) -> Any:
    head = Head(1, Status.PENDING, seq_num, NOW)
    return replace(context(RequestType.ACCOUNT_CLOSE), head=head)


async def test_a_request_that_shows_late_is_no_dead_letter() -> None:
    assert await process(head_change(1), None, None, at(1)) == ([], 3)


async def test_a_head_that_shows_late_is_no_dead_letter() -> None:
    assert await process(head_change(2), at(1), at(2)) == ([], 2)


async def test_what_never_shows_is_a_dead_letter() -> None:
    assert await process(head_change(1), None) == (["request_not_found"], agents.LOOKS)
    assert await process(head_change(2), at(1)) == (["ahead_of_head"], agents.LOOKS)


async def test_an_old_change_is_looked_for_once() -> None:
    assert await process(head_change(1, age=agents.NEW_SECONDS + 1), None) == (["request_not_found"], 1)
