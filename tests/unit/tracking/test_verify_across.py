"""What the rows of one event say, over all regions; and since which day there must be rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams_app.systems.tracking.rules import shard_of
from streams_app.systems.tracking.verify import kept_from
from streams_app.systems.tracking.verify_across import Begun, Row, judge, shared_place

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GROUPS = {"t": {"g": Begun(NOON, {0: 5})}}


def produced(region: str = "us-east", **changed: Any) -> Row:
    columns = {
        "topic": "t",
        "digest": "d",
        "status": "PUBLISHED",
        "partition": 0,
        "offset": 7,
        "published_at": NOON,
        "ripe": True,
        "key": "k",
        "shard": shard_of("k", "e"),
    }
    return Row(region, "produced", tuple((columns | changed).values()))


def consumed(region: str = "us-east", group: str = "g", digest: str = "d", status: str = "PROCESSED") -> Row:
    return Row(region, "consumed", (group, digest, status))


def names(*rows: Row, grace: float = 60.0) -> list[str]:
    return [check.name for check, _ in judge("e", rows, GROUPS, grace)]


def test_published_and_processed_wherever_it_was_is_fine() -> None:
    assert names(produced(), consumed("us-west")) == []
    assert names(produced(), consumed(status="FAILED")) == []
    assert names(consumed(group="of another system")) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "PENDING", "offset": None},
        {"ripe": False},
        {"topic": "nobody's"},
        {"offset": 4},
        {"partition": 1, "published_at": NOON + timedelta(seconds=60)},
    ],
    ids=str,
)
def test_not_yet_to_be_consumed(changed: dict[str, Any]) -> None:
    assert names(produced(**changed)) == []


@pytest.mark.parametrize(
    "changed", [{}, {"offset": 5}, {"partition": 1, "published_at": NOON + timedelta(seconds=61)}], ids=str
)
def test_to_be_consumed(changed: dict[str, Any]) -> None:
    assert names(produced(**changed)) == ["published_events_are_consumed"]
    assert names(produced(**changed), consumed(status="PROCESSING")) == ["published_events_are_consumed"]
    assert names(produced(**changed), consumed(group="other")) == ["published_events_are_consumed"]


def test_twice() -> None:
    assert names(produced(), produced("us-west"), consumed()) == ["events_are_unique"]
    assert names(produced(), consumed(), consumed("us-west")) == ["events_are_consumed_once"]
    assert names(consumed(), consumed("us-west")) == ["events_are_consumed_once"]
    assert names(produced(), consumed(), consumed(group="h")) == []


def test_another_payload_and_another_shard() -> None:
    assert names(produced(), consumed(digest="x")) == ["payloads_agree"]
    assert names(produced(shard=shard_of("k", "e") + 1), consumed()) == ["events_are_in_their_shard"]
    assert names(produced(key=None, shard=shard_of(None, "e")), consumed()) == []


def test_a_shared_place_names_its_events_and_regions() -> None:
    _, violation = shared_place(("t", 0, 7), [Row("a", "places", ("e2",)), Row("b", "places", ("e1",))])
    assert str(violation) == "a and b: t-0 offset 7 of event e1 and event e2"


def test_since_which_day_rows_are_kept() -> None:
    assert kept_from(["event_production_log_20260502", "event_production_log_20260501"], None) == NOON.replace(hour=0)
    assert kept_from([], NOON) == NOON.replace(hour=0)
    assert kept_from([], None) > NOON + timedelta(days=10_000)
