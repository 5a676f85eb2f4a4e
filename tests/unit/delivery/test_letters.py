"""Dead letters: read back from their headers, chosen, kept in the order of their keys, shown without obeying them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.changefeed import Record
from streams_app.changefeed.partitions import fnv1a_partition, murmur2_partition
from streams_app.delivery.audits import Action, Audit, decode_audit, digest_of, encode_audit
from streams_app.delivery.letters import (
    Case,
    Filter,
    Letter,
    OutOfOrderError,
    State,
    attempts_of,
    cases,
    letter_of,
    redrive_order,
    redriven_headers,
    shown,
    target_partition,
)
from streams_app.delivery.ports import DeadLetter
from streams_app.kafka.dead_letters import dead_letter_headers

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEADERS = (("trace", b"\x01\xff"), ("empty", b""), ("null", None))


def buried(record: Record, reason: str = "not_json") -> Record:
    """The record that the sink writes for a dead letter of `record`."""
    headers = dead_letter_headers(DeadLetter("requests", record, reason, "line 1\x1b[2J", "stack"))
    return Record("dead", 0, 0, record.key, record.value, tuple(headers), int(NOW.timestamp() * 1000))


def letter(offset: int, key: bytes | None = b"k", topic: str = "t", partition: int = 3, **values: object) -> Letter:
    """A letter of one record."""
    found = letter_of(buried(Record(topic, partition, offset, key, b"v", HEADERS)))
    assert found is not None
    return replace(found, **values)


def known(*letters: Letter, trail: tuple[Audit, ...] = ()) -> dict[str, Case]:
    return cases(letters, trail)


def done(name: str, action: Action, **values: object) -> Audit:
    return Audit(name, action, "me", NOW, **values)  # type: ignore[arg-type]


def test_a_letter_is_what_was_buried() -> None:
    found = letter(7)
    assert (found.id, found.topic, found.partition, found.offset) == ("t-3-7", "t", 3, 7)
    assert (found.reason, found.system, found.stack, found.attempts) == ("not_json", "requests", "stack", 1)
    assert (found.key, found.value, found.headers, found.written) == (b"k", b"v", HEADERS, NOW)
    assert "\x1b" not in found.detail, "a terminal must not obey it"


@pytest.mark.parametrize("headers", [(), (("dead-letter-topic", b"t"),), (("dead-letter-topic", None),)])
def test_what_is_no_letter_is_passed_by(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    assert letter_of(Record("dead", 0, 0, None, b"", headers)) is None


def test_headers_of_a_stranger_are_not_believed() -> None:
    forged = tuple((name, b"forged") for name in ("dead-letter-topic", "dead-letter-stack", "dead-letter-attempts"))
    record = Record("t", 1, 2, b"k", b"v", (*forged, *HEADERS))
    found = letter_of(buried(record))
    assert found is not None
    assert (found.topic, found.stack, found.attempts, found.headers) == ("t", "stack", 1, HEADERS)


def test_what_dies_again_counts_its_attempts() -> None:
    first = letter(7)
    sent = Record("t", 3, 90, b"k", b"v", tuple(redriven_headers(first)))
    second = letter_of(buried(sent))
    assert second is not None
    assert (second.id, second.redrive_of, second.attempts, second.headers) == ("t-3-90", "t-3-7", 2, HEADERS)
    assert dict(redriven_headers(second))["dead-letter-attempts"] == b"3"
    assert [name for name, _ in redriven_headers(second)].count("dead-letter-redrive") == 1


@given(st.binary(max_size=30))
def test_any_attempts_header_is_a_number(text: bytes) -> None:
    assert 0 <= attempts_of([("dead-letter-attempts", text)]) < 1_000_000


def test_the_same_letter_twice_is_one_as_first_written() -> None:
    again = letter(7, written=NOW + timedelta(hours=1))
    assert list(known(again, letter(7)).values()) == [Case(letter(7))]


def test_the_trail_says_the_state_and_what_is_sent() -> None:
    name = letter(7).id
    trail = (done(name, Action.EDIT, key=b"new"), done(name, Action.EDIT, value=b"1"))
    case = known(letter(7), trail=trail)[name]
    assert (case.state, case.key, case.value) == (State.WAITING, b"new", b"1")
    assert known(letter(7), trail=(*trail, done(name, Action.REDRIVE)))[name].state is State.REDRIVEN
    assert known(letter(7), trail=(done(name, Action.DROP),))[name].state is State.DROPPED


@given(st.permutations(range(5)))
def test_letters_are_sent_in_the_order_of_their_origin(order: list[int]) -> None:
    all_of = known(*(letter(offset) for offset in order))
    chosen = {f"t-3-{offset}" for offset in order}
    assert [case.letter.offset for case in redrive_order(all_of, chosen)] == [0, 1, 2, 3, 4]


def test_a_letter_does_not_overtake_a_waiting_one_of_its_key() -> None:
    letters = letter(1), letter(2), letter(3, key=b"other"), letter(0, topic="u")
    with pytest.raises(OutOfOrderError, match=r"t-3-2 comes after t-3-1 \(not_json\)"):
        redrive_order(known(*letters), {"t-3-2"})
    assert len(redrive_order(known(*letters), {"t-3-2"}, force=True)) == 1
    assert len(redrive_order(known(*letters), {"t-3-1", "t-3-3", "u-3-0"})) == 3
    for action in (Action.DROP, Action.REDRIVE):
        assert len(redrive_order(known(*letters, trail=(done("t-3-1", action),)), {"t-3-2"})) == 1


def test_letters_without_a_key_have_no_order() -> None:
    for nothing in (None, b""):
        assert len(redrive_order(known(letter(1, key=nothing), letter(2, key=nothing)), {"t-3-2"})) == 1


def test_a_corrected_key_has_the_order_of_the_new_one() -> None:
    trail = (done("t-3-2", Action.EDIT, key=b"other"),)
    assert len(redrive_order(known(letter(1), letter(2), trail=trail), {"t-3-2"})) == 1


def test_what_died_again_keeps_its_place() -> None:
    trail = (done("t-3-1", Action.REDRIVE), done("t-3-90", Action.REDRIVE))
    letters = letter(1), letter(5), letter(90, redrive_of="t-3-1"), letter(95, redrive_of="t-3-90")
    for order in permutations(letters):
        found = known(*order, trail=trail)
        assert [case.letter.offset for case in found.values()] == [1, 90, 95, 5]
        with pytest.raises(OutOfOrderError, match="t-3-5 comes after t-3-95"):
            redrive_order(found, {"t-3-5"})


def test_letters_that_name_each_other_end_nowhere() -> None:
    assert len(known(letter(1, redrive_of="t-3-2"), letter(2, redrive_of="t-3-1"))) == 2


def test_a_record_goes_back_to_its_partition_or_to_that_of_its_new_key() -> None:
    assert target_partition(Case(letter(1, partition=5)), 24) == 5
    murmur = letter(1, key=b"a key", partition=murmur2_partition(b"a key", 24))
    fnv = letter(1, key=b"a key", partition=fnv1a_partition(b"a key", 24))
    assert murmur.partition != fnv.partition
    edit = (done("x", Action.EDIT, key=b"new key"),)
    assert target_partition(Case(murmur, edit), 24) == murmur2_partition(b"new key", 24)
    assert target_partition(Case(fnv, edit), 24) == fnv1a_partition(b"new key", 24)
    assert target_partition(Case(letter(1, key=None, partition=30)), 24) == 6


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Filter(), True),
        (Filter(frozenset({"t-3-7"})), True),
        (Filter(frozenset({"t-3-8"})), False),
        (Filter(key="k"), True),
        (Filter(key="new"), True),
        (Filter(key="x"), False),
        (Filter(reason="not_json", topic="t"), True),
        (Filter(reason="not_utf8"), False),
        (Filter(topic="u"), False),
        (Filter(since=NOW, until=NOW + timedelta(seconds=1)), True),
        (Filter(until=NOW), False),
        (Filter(since=NOW + timedelta(seconds=1)), False),
        (Filter(states=frozenset({State.WAITING})), True),
        (Filter(states=frozenset({State.DROPPED})), False),
    ],
)
def test_letters_are_chosen(wanted: Filter, fits: bool) -> None:
    assert wanted.fits(Case(letter(7), (done("t-3-7", Action.EDIT, key=b"new"),))) is fits


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_bytes_are_shown_without_anything_to_obey(data: bytes) -> None:
    text = shown(data)
    assert all(c.isprintable() or c in "\n\t" for c in text)
    assert text.encode() == data or bytes.fromhex(text.removeprefix("0x")) == data


def test_what_is_shown_of_known_values() -> None:
    assert [shown(None), shown(b""), shown("grün".encode()), shown(b"\x1b[2J")] == ["(none)", "", "grün", "0x1b5b324a"]


@given(st.none() | st.binary(), st.none() | st.binary(), st.text())
def test_an_audit_entry_comes_back(key: bytes | None, value: bytes | None, reason: str) -> None:
    entry = done("t-3-7", Action.EDIT, key=key, value=value, reason=reason, digest=digest_of(value), sent_as="t-3-9")
    assert decode_audit(encode_audit(entry)) == entry
    assert digest_of(value) == ("" if value is None else sha256(value).hexdigest())


@pytest.mark.parametrize("data", [None, b"", b"[]", b"{}", b'{"letter": "x", "action": "burn"}', b"\xff"])
def test_a_strange_audit_record_is_passed_by(data: bytes | None) -> None:
    assert decode_audit(data) is None
