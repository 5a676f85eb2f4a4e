"""Versions, the frozen types, and the records that transports hand over."""

from dataclasses import FrozenInstanceError, replace

import pytest
from aiokafka.structs import ConsumerRecord

from streams_app.changefeed import Change, Op, Record, Version, VersionKind, decode
from streams_app.changefeed.change import new_change


def test_versions_of_one_kind_are_ordered() -> None:
    first, second, third = Version(1, 9), Version(2, 0), Version(2, 1)
    assert first < second < third
    assert third > second >= first
    assert sorted([third, first, second]) == [first, second, third]
    assert second <= Version(2, 0)
    assert not second < Version(2, 0)


def test_equal_versions_are_the_same_change() -> None:
    assert Version(2, 1, VersionKind.HLC) == Version(2, 1, VersionKind.HLC)
    assert len({Version(2), Version(2), Version(3)}) == 2
    assert Version(2, 0, VersionKind.LSN) != Version(2, 0, VersionKind.SEQ)


def test_versions_of_two_kinds_have_no_order() -> None:
    sequence, log = Version(1), Version(2, 0, VersionKind.LSN)
    for ask in (
        lambda: sequence < log,
        lambda: sequence <= log,
        lambda: sequence > log,
        lambda: sequence >= log,
        lambda: max(sequence, log),
    ):
        with pytest.raises(TypeError, match="no order"):
            ask()


def test_a_built_change_is_an_ordinary_frozen_change() -> None:
    values = ("t", 1, 2, "k", Version(3), Op.READ, None, {"a": 1}, (), 1.5, "table", "us-east", ("k",))
    built, ordinary = new_change(*values), Change(*values)
    assert type(built) is Change
    assert built == ordinary
    assert repr(built) == repr(ordinary)
    assert replace(built, key="other").key == "other"
    with pytest.raises(FrozenInstanceError):
        built.key = "other"  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        built.extra = 1  # type: ignore[attr-defined]


def test_aiokafka_records_are_decoded_as_they_are() -> None:
    key, value = b'["us-east", 3, "r-1"]', b'{"after": {"request_id": "r-1"}}'
    record = ConsumerRecord("t", 4, 17, 1_763_633_472_123, 0, key, value, None, len(key), len(value), (("h", b"1"),))
    change = decode(record)
    assert change == decode(Record("t", 4, 17, key, value, (("h", b"1"),)))
    assert isinstance(change, Change)
    assert (change.partition, change.offset, change.headers) == (4, 17, (("h", b"1"),))
