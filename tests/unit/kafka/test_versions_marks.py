"""Marks survive the way into a changelog value and memory and back; what no worker wrote is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.changefeed import Version, VersionKind
from streams_app.delivery.ports import Mark
from streams_app.kafka.marks import (
    VOID_KEY,
    BadMarkError,
    Packed,
    decode,
    decode_key,
    encode,
    has_ended,
    pack,
    unpack,
)

NUMBERS = st.integers(0, 2**63 - 1)
VERSIONS = st.one_of(
    st.builds(Version, NUMBERS, st.just(0), st.sampled_from([VersionKind.SEQ, VersionKind.LSN])),
    st.builds(Version, NUMBERS, st.integers(0, 10**10 - 1), st.just(VersionKind.HLC)),
)
MARKS = st.builds(Mark, VERSIONS, st.none() | VERSIONS, st.booleans())


@given(MARKS)
def test_a_mark_comes_back_from_memory(mark: Mark) -> None:
    assert unpack(pack(mark)) == mark
    assert has_ended(pack(mark)) == mark.ended


@given(MARKS)
def test_a_mark_comes_back_from_the_changelog(mark: Mark) -> None:
    packed, ended = decode(encode(mark, 1_764_000_000))
    assert unpack(packed) == mark
    assert ended == (1_764_000_000 if mark.ended else None)


def test_nearly_every_mark_is_a_small_integer() -> None:
    assert encode(Mark(Version(7)), 5) == b"7"
    assert pack(Mark(Version(7), ended=True)) < 257  # type: ignore[operator]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"true",
        b"-1",
        b"1.5",
        b"9223372036854775808",
        b'"7"',
        b"[7]",
        b"{}",
        b'{"seq":true}',
        b'{"seq":"7"}',
        b'{"seq":7,"hlc":[1,2]}',
        b'{"seq":7,"ended":"today"}',
        b'{"seq":7,"ended":-1}',
        b'{"seq":7,"dead":8}',
        b'{"seq":7,"dead":{}}',
        b'{"hlc":7}',
        b'{"hlc":[1]}',
        b'{"lsn":[1]}',
        b'{"ended":5}',
        b'{"colour":7}',
    ],
)
def test_what_no_worker_wrote_is_refused(raw: bytes) -> None:
    with pytest.raises(BadMarkError):
        decode(raw)


@given(st.binary())
def test_no_bytes_break_the_decoder(raw: bytes) -> None:
    for decoder in (decode, decode_key):
        try:
            decoder(raw)
        except BadMarkError:
            continue


@pytest.mark.parametrize("raw", [None, b"", b"k", b"7", b"[]", VOID_KEY])
def test_a_key_is_a_json_string(raw: bytes | None) -> None:
    with pytest.raises(BadMarkError):
        decode_key(raw)


@given(st.integers(1, 2**62), st.booleans())
def test_marks_are_shared_only_when_they_are_equal(number: int, ended: bool) -> None:
    packed: Packed = pack(Mark(Version(number), ended=ended))
    assert unpack(packed) is unpack(packed)
    assert unpack(pack(Mark(Version(number), ended=not ended))) != unpack(packed)
