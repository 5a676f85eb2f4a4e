"""Requests that stood back while another region was down go on as soon as it is back, not at their deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from streams_app.errors import RegionUnavailableError
from streams_app.systems.requests import sweeper as sweeper_module
from streams_app.systems.requests.model import Context, Decision, RequestType
from streams_app.systems.requests.orchestrator import Orchestrator
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.sweeper import Sweeper
from tests.unit.requests.contexts import BOOK, NOW, REGIONS, context


class Store:
    """Requests of us-east that need an account of us-west."""

    def __init__(self) -> None:
        self.west_is_up = False
        self.east_is_up = True
        self.made: list[UUID] = []
        self.loads = 0

    async def load(self, _region: str, keys: Sequence[RequestKey]) -> list[Context]:
        if not self.east_is_up:
            raise RegionUnavailableError("us-east")
        self.loads += 1
        shape = context(RequestType.PORTFOLIO_REBALANCE_ADJUSTMENT, at="validate")
        made = set(self.made)
        return [
            replace(shape, request=replace(shape.request, request_id=k.request_id, locality=k.locality))
            for k in keys
            if k.request_id not in made
        ]

    async def complete(self, _region: str, contexts: Sequence[Context]) -> list[Context]:
        return list(contexts) if self.west_is_up else []

    async def apply(self, _region: str, decisions: Sequence[Decision]) -> set[UUID]:
        made = [decision.transition.request_id for decision in decisions]
        self.made += made
        return set(made)


def parts(store: Any) -> tuple[Orchestrator, Sweeper]:
    def clock() -> datetime:
        return NOW

    orchestrator = Orchestrator(store, REGIONS, BOOK, clock)
    return orchestrator, Sweeper(store, orchestrator, BOOK, "us-east", clock)


async def test_what_stood_back_is_made_when_the_other_region_is_back() -> None:
    store = Store()
    orchestrator, sweeper = parts(store)
    keys = [RequestKey(0, uuid4()) for _ in range(3)]
    await orchestrator.advance(keys)
    await sweeper.resume()
    assert store.made == []
    assert list(orchestrator.postponed["us-east"]) == keys
    store.west_is_up = True
    await sweeper.resume()
    assert store.made == [key.request_id for key in keys]
    assert not orchestrator.postponed["us-east"]


async def test_what_somebody_else_has_moved_is_forgotten() -> None:
    store = Store()
    orchestrator, sweeper = parts(store)
    key = RequestKey(0, uuid4())
    await orchestrator.advance([key])
    store.made.append(key.request_id)
    await sweeper.resume()
    assert not orchestrator.postponed["us-east"]


async def test_one_look_is_enough_while_the_other_region_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper_module, "LIMIT", 2)
    store = Store()
    orchestrator, sweeper = parts(store)
    await orchestrator.advance([RequestKey(0, uuid4()) for _ in range(6)])
    before = store.loads
    await sweeper.resume()
    assert store.loads == before + 1
    store.west_is_up = True
    await sweeper.resume()
    assert len(store.made) == 6


async def test_a_region_that_is_down_itself_keeps_what_stood_back() -> None:
    store = Store()
    orchestrator, sweeper = parts(store)
    key = RequestKey(0, uuid4())
    await orchestrator.advance([key])
    store.east_is_up = False
    with pytest.raises(RegionUnavailableError):
        await sweeper.resume()
    assert list(orchestrator.postponed["us-east"]) == [key]
