"""The source of the producer: region by region, batch by batch, no faster than asked."""

from __future__ import annotations

import pytest

from streams_app.systems.requests import producer
from streams_app.systems.requests.generator import Blueprint, Generator
from streams_app.systems.requests.producer import Source

from .contexts import REGIONS


class Clock:
    """A clock that stands still unless moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def source(total: int | None, rate: float = 0, batch: int = 50) -> tuple[Source, Clock]:
    clock = Clock()
    plans = Generator(Blueprint("unit"), REGIONS).plans(REGIONS.names, total)
    return Source(plans, rate=rate, batch=batch, clock=clock), clock


def test_every_plan_is_handed_out_once_to_its_region() -> None:
    made, _ = source(500)
    taken = []
    for region in REGIONS.names:
        while (batch := made.take(region)) is not None:
            assert 0 < len(batch) <= 50
            assert {plan.region for plan in batch} == {region}
            assert [plan.index for plan in batch] == sorted(plan.index for plan in batch)
            taken += batch
    assert sorted(plan.index for plan in taken) == list(range(500))
    assert all(made.take(region) is None for region in REGIONS.names)


@pytest.mark.parametrize("rate", [0.5, 10, 333])
def test_no_more_than_the_rate_allows(rate: float) -> None:
    made, clock = source(None, rate=rate, batch=10_000)
    assert made.take("us-east") == []
    count = 0
    for second in range(1, 20):
        clock.now = float(second)
        count += sum(len(made.take(region) or ()) for region in REGIONS.names)
        assert count == int(rate * second)


def test_a_region_that_takes_nothing_holds_the_others_up_only_when_too_much_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producer, "MOST_WAITING", 300)
    made, _ = source(None)
    taken = [plan for _ in range(200) for plan in made.take("us-east") or ()]
    assert 200 < len(taken) < 400
    assert made.take("us-east") == []
    while made.take("us-west"):
        pass
    while made.take("us-central"):
        pass
    assert made.take("us-east")
