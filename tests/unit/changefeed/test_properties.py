"""Laws that hold for any message, searched for counterexamples."""

import json
from typing import Any, get_args

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams_app.changefeed import Change, FeedSpec, Op, Reason, Record, Resolved, Undecodable, cockroachdb, decode

from .samples import SAMPLES, record_of

SPECS = st.sampled_from([FeedSpec(), FeedSpec(version_column="seq_num"), FeedSpec(key_column="id", max_depth=3)])
INT8 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
LEAVES = st.none() | st.booleans() | INT8 | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
ROWS = st.dictionaries(
    TEXT.filter(lambda name: name not in ("request_id", "crdb_region", "__crdb__", "event_op")), JSON
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["id", "event_id", "event_type", "aggregate_id", "occurred_at"]),
        st.none() | st.binary(max_size=30) | st.datetimes().map(lambda moment: moment.isoformat().encode()),
    ),
    max_size=5,
).map(tuple)
GOLDEN = list(SAMPLES.values())


def decoded_or_reason(record: Record, spec: FeedSpec) -> Change | Resolved | str:
    try:
        return decode(record, spec)
    except Undecodable as refused:
        return refused.reason


def outcome(record: Record, spec: FeedSpec) -> Change | Resolved | None:
    """Decode; check what is promised of every outcome."""
    decoded = decoded_or_reason(record, spec)
    if isinstance(decoded, str):
        assert decoded in get_args(Reason)
        return None
    assert (decoded.topic, decoded.partition, decoded.offset) == (record.topic, record.partition, record.offset)
    if isinstance(decoded, Change):
        assert type(decoded.key) is str
        assert decoded.key
        assert "\0" not in decoded.key
        assert "\\u0000" not in json.dumps([decoded.before, decoded.after]).replace("\\\\", "")
        assert isinstance(decoded.op, Op)
        assert decoded.source_time is None or isinstance(decoded.source_time, float)
        assert all(text is None or isinstance(text, str) for text in (decoded.table, decoded.region))
    return decoded


@given(st.none() | st.binary(), st.none() | st.binary(), HEADERS, SPECS)
def test_any_bytes(key: bytes | None, value: bytes | None, headers: Any, spec: FeedSpec) -> None:
    outcome(Record("t", 1, 2, key, value, headers), spec)


@given(st.none() | JSON, st.none() | JSON, HEADERS, SPECS)
def test_any_json(key: Any, value: Any, headers: Any, spec: FeedSpec) -> None:
    outcome(Record("t", 1, 2, orjson.dumps(key), orjson.dumps(value), headers), spec)


@given(st.sampled_from(GOLDEN), st.data())
def test_damaged_bytes(sample: dict[str, Any], data: st.DataObject) -> None:
    record = record_of(sample)
    damaged = bytearray(record.value or b"")
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(damaged)))
        damaged[start : start + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    outcome(Record("t", 1, 2, record.key, bytes(damaged), record.headers), FeedSpec(**sample.get("spec", {})))


def replace_somewhere(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: replace_somewhere(value[name], data)}
    return data.draw(JSON)


@given(st.sampled_from([sample for sample in GOLDEN if sample["value"]]), st.data())
@settings(max_examples=300)
def test_wrong_types_anywhere(sample: dict[str, Any], data: st.DataObject) -> None:
    record = record_of(sample)
    value = orjson.dumps(replace_somewhere(orjson.loads(sample["value"]), data))
    outcome(Record("t", 1, 2, record.key, value, record.headers), FeedSpec(**sample.get("spec", {})))


NAMES = st.sampled_from(['"a"', '"\\u0061"', '"b\\""', '"c\\\\"', '"é"'])
SCALARS = st.sampled_from(["1", "1.50", "-0", "null", '"x"', '"\\u0022"', '"\\\\"', '"\\\\\\""', '"\\/"'])
GAPS = st.sampled_from(["", " ", "\n"])


def objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(GAPS, NAMES, GAPS, inner).map(lambda part: f"{part[0]}{part[1]}{part[2]}:{part[3]}")
    return st.lists(members, max_size=4).map(lambda parts: "{" + ",".join(parts) + "}")


def lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]")


TEXTS = st.recursive(SCALARS, lambda inner: objects(inner) | lists(inner), max_leaves=12)


def says_a_name_twice(source: str) -> bool:
    found = []
    json.loads(source, object_pairs_hook=lambda pairs: found.append(len(dict(pairs)) < len(pairs)))
    return any(found)


@given(TEXTS)
@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
@example('{"a":"\\u0022","a":1}')
@example('{"a":"\\\\","a":"\\\\"}')
@example('{"a":"\\u0022\\u0022\\u0022\\u0022","\\u0061":1}')
def test_repeated_names_are_found_exactly(source: str) -> None:
    value = f'{{"after": {{"row": {source}}}}}'.encode()
    decoded = decoded_or_reason(Record("t", 1, 2, b'["r-1"]', value), FeedSpec())
    assert (decoded == "duplicate_key") == says_a_name_twice(source)
    assert decoded == "duplicate_key" or isinstance(decoded, Change)


@given(TEXT.filter(bool), ROWS, st.booleans())
def test_wrapped_rows_arrive_unchanged(key: str, row: dict[str, Any], spaced: bool) -> None:
    row = row | {"request_id": key}
    separators = (", ", ": ") if spaced else (",", ":")
    value = json.dumps({"after": row, "before": None}, separators=separators).encode()
    change = outcome(Record("t", 1, 2, json.dumps(["us-east", key]).encode(), value), FeedSpec())
    assert isinstance(change, Change)
    assert (change.key, change.op, change.after, change.key_parts) == (key, Op.INSERT, row, ("us-east", key))


@given(TEXT.filter(bool), ROWS, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_debezium_rows_arrive_unchanged(key: str, row: dict[str, Any], lsn: int, seq: int) -> None:
    row = row | {"request_id": key, "seq_num": seq}
    value = orjson.dumps({"before": row, "after": row, "source": {"lsn": lsn}, "op": "u", "ts_ms": 1})
    record = Record("t", 1, 2, orjson.dumps(key), value)
    by_log, by_sequence = (outcome(record, FeedSpec(version_column=column)) for column in (None, "seq_num"))
    assert isinstance(by_log, Change)
    assert isinstance(by_sequence, Change)
    assert by_log.before == by_log.after == by_sequence.after == row
    assert by_log.version is not None
    assert by_sequence.version is not None
    assert (by_log.version.major, by_sequence.version.major) == (lsn, seq)


@given(st.integers(0, 10**19 - 1), st.integers(0, 10**10 - 1), st.integers(-2, 2), st.integers(-2, 2))
def test_clocks_are_ordered_to_the_last_digit(wall: int, logical: int, wall_step: int, logical_step: int) -> None:
    later = (wall + wall_step, logical + logical_step)
    if not (0 <= later[0] < 10**19 and 0 <= later[1] < 10**10):
        return
    first, second = (
        decode(Record("t", 1, 2, None, b'{"resolved":"%d.%010d"}' % clock)) for clock in ((wall, logical), later)
    )
    assert isinstance(first, Resolved)
    assert isinstance(second, Resolved)
    assert (first.version < second.version) == ((wall, logical) < later)
    assert (first.version <= second.version) == ((wall, logical) <= later)
    assert (first.version == second.version) == ((wall, logical) == later)


@pytest.mark.parametrize("sample", GOLDEN, ids=SAMPLES)
def test_decoding_depends_on_the_message_alone(sample: dict[str, Any]) -> None:
    record, spec = record_of(sample), FeedSpec(**sample.get("spec", {}))
    assert outcome(record, spec) == outcome(record, spec)


WALLS = st.sampled_from(["1764000000000000000", "0", "", "12345678901234567890", "1.5", "²", "-1"])
STAMPS = st.builds("{}.{}".format, WALLS, st.sampled_from(["0000000000", "0000000003", "000", ""])) | LEAVES


@given(TEXT, ROWS, STAMPS, SPECS, LEAVES, st.sampled_from([(), ("seq_num",), ("crdb_region",), ("seq_num", "id")]))
@settings(max_examples=500)
def test_the_short_way_says_what_the_long_one_says(
    key: str, row: dict[str, Any], stamp: Any, spec: FeedSpec, column: Any, names: tuple[str, ...]
) -> None:
    row = row | {spec.key_column: key} | dict.fromkeys(names, column)
    record = Record("t", 1, 2, orjson.dumps([key]), orjson.dumps({"after": row, "updated": stamp}))
    short = decoded_or_reason(record, spec)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cockroachdb, "decode_plain", lambda *_: None)
        assert short == decoded_or_reason(record, spec)


def test_the_usual_message_goes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cockroachdb, "decode_wrapped", None)
    value = b'{"after":{"request_id":"r-1","seq_num":3},"updated":"1764000000000000000.0000000000"}'
    change = decode(Record("t", 1, 2, b'["r-1"]', value), FeedSpec(version_column="seq_num"))
    assert isinstance(change, Change)
    assert (change.key, change.op, change.source_time) == ("r-1", Op.UPSERT, 1764000000.0)
