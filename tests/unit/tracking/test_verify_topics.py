"""A partition against the production logs: places, order by first appearance, repetitions, strangers."""

from __future__ import annotations

from streams_app.systems.tracking.verify_topics import Compared, Kept, Produced, Seen, compare


def row(number: int, offset: int | None, key: str | None = "k", **more: object) -> Produced:
    return Produced("us-east", number, f"e{number}", key, offset, **more)  # type: ignore[arg-type]


def look(rows: list[Produced], *events: str, low: int = 0) -> Compared:
    """The records bear the ids `events`, from offset `low` on."""
    seen = [Seen(low + place, event, 1) for place, event in enumerate(events) if event]
    return compare("t-0", rows, seen, Kept(low, low + len(events)))


def names(found: Compared) -> list[str]:
    return [check.name for check, _ in found.violations]


def test_what_is_in_place_and_in_order_is_fine() -> None:
    found = look([row(1, 0), row(2, 1), row(3, 2)], "e1", "e2", "e3")
    assert found == Compared(records=3)


def test_repetitions_are_counted_and_the_row_may_name_any_of_them() -> None:
    rows = [row(1, 3), row(2, 1)]
    found = look(rows, "e1", "e2", "e1", "e1", "e2")
    assert (found.violations, found.repeated, found.records) == ([], 3, 5)


def test_a_record_of_another_event_or_of_none_is_found() -> None:
    found = look([row(1, 1), row(2, 0), row(3, 2), row(4, 7)], "e1", "e2", "")
    assert names(found).count("events_are_on_their_topic") == 4
    texts = [violation.offender for _, violation in found.violations]
    assert "event e1 at t-0 offset 1, where event e2 is" in texts
    assert "event e4 at t-0 offset 7, where no event is" in texts


def test_first_appearances_must_rise_by_key_and_region() -> None:
    assert names(look([row(1, 1), row(2, 0)], "e2", "e1")) == ["topics_are_in_order"]
    assert look([row(1, 1), row(2, 0, "other")], "e2", "e1").violations == []
    assert look([row(1, 1, None), row(2, 0, None)], "e2", "e1").violations == []
    assert look([Produced("us-west", 1, "e1", "k", 1), row(2, 0)], "e2", "e1").violations == []
    # A repetition does not mend it.
    assert names(look([row(1, 1), row(2, 2)], "e2", "e1", "e2")) == ["topics_are_in_order"]


def test_each_one_that_comes_too_late_is_found() -> None:
    found = look([row(1, 2), row(2, 1), row(3, 0)], "e3", "e2", "e1")
    assert names(found) == ["topics_are_in_order"] * 2


def test_an_event_that_was_given_up_is_out_of_the_order() -> None:
    assert look([row(1, 1, excepted=True), row(2, 0)], "e2", "e1").violations == []


def test_an_event_of_which_nobody_said_yet_that_it_was_published_has_its_place_in_the_order() -> None:
    assert look([row(1, None), row(2, 1)], "e1", "e2").violations == []
    assert names(look([row(1, None), row(2, 0)], "e2", "e1")) == ["topics_are_in_order"]


def test_what_retention_removed_is_no_violation_and_its_repetition_no_first_appearance() -> None:
    found = look([row(1, 3), row(2, 10)], "e2", "e1", low=10)
    assert (found.violations, found.removed) == ([], 1)


def test_records_of_unknown_events_are_strangers() -> None:
    found = look([row(1, 0)], "e1", "unknown")
    assert found.strangers == [Seen(1, "unknown", 1)]
