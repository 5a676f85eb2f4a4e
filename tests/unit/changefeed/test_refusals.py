"""What must not become a change, and the reason given for it."""

import gzip
import pickle
from typing import get_args

import orjson
import pytest

from streams_app.changefeed import Change, FeedSpec, Op, Reason, Record, Resolved, Undecodable, decode

KEY = b"r-1"
ARRAY_KEY = b'["us-east", 3, "r-1"]'
SOURCE = b'"source":{"name":"us-east","table":"t","lsn":5}'


def message(value: bytes | None, key: bytes | None = KEY, **headers: bytes) -> Record:
    return Record("requests", 0, 0, key, value, tuple(headers.items()))


def reason_of(record: Record, spec: FeedSpec | None = None) -> str:
    with pytest.raises(Undecodable) as refused:
        decode(record, spec or FeedSpec())
    return refused.value.reason


def debezium(after: bytes, op: bytes = b"c", source: bytes = SOURCE) -> bytes:
    return b'{"before":null,"after":%b,%b,"op":"%b","ts_ms":1}' % (after, source, op)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b'{"after": NaN}', "not_json"),
        (b'{"after": -Infinity}', "not_json"),
        (b'{"after": 1e999}', "not_json"),
        (b'{"after": %b}' % (b"9" * 5000), "not_json"),
        (b'{"a": "\\ud800"}', "not_json"),
        (b'{"a": "\xed\xa0\x80"}', "not_utf8"),
        (b"\xff\xfe{}", "not_utf8"),
        (gzip.compress(b'{"after": null}'), "compressed"),
        (b"[]", "not_an_object"),
        (b"5", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "null_value"),
        (None, "null_value"),
        (b'{"after": {}, "after": null}', "duplicate_key"),
        (b'{"after":{"a":1,"a":2}}', "duplicate_key"),
        (b'{"after":{"a":1,"a":"\\u0022"}}', "duplicate_key"),
        (b'{"after":{"a":1,"b\\\\":{"a":1},"b\\u005c":2}}', "duplicate_key"),
        (b'{"after":{"n":%b,"a":1,"a":1}}' % (b"9" * 300), "duplicate_key"),
        (b'{"after":{"a":"\\u0000"}}', "nul_in_text"),
        (b'{"after":{"a\\u0000":[1]}}', "nul_in_text"),
        (b'{"after":{"a":[{"b":"x\\u0000y"}]}}', "nul_in_text"),
        (b'{"request_id":"r-1"}', "unknown_envelope"),
        (b"{}", "unknown_envelope"),
        (b'{"resolved":"1.0000000000"}', "unknown_envelope"),
        (debezium(b"null"), "bad_row"),
        (debezium(b"[]"), "bad_row"),
        (debezium(b"{}", op=b"d"), "bad_row"),
        (debezium(b"{}", op=b"z"), "bad_op"),
        (debezium(b"{}", source=b'"source":null'), "unknown_envelope"),
        (debezium(b"{}", source=b'"source":{"lsn":true}'), "bad_version"),
        (debezium(b"{}", source=b'"source":{"lsn":-1}'), "bad_version"),
        (debezium(b'{"request_id":"r-2"}'), "key_mismatch"),
        (debezium(b'{"request_id":null}'), "key_mismatch"),
        (b'{"before":{"request_id":"r-2"},"after":null,%b,"op":"d","ts_ms":1}' % SOURCE, "key_mismatch"),
        (b'{"before":[],"after":null,%b,"op":"d","ts_ms":1}' % SOURCE, "bad_row"),
        (b'{"after":{},"op":"r","ts_ns":1}', "bad_op"),
        (b'{"after":{},"op":"d","ts_ns":1}', "bad_row"),
        (b'{"after":null,"op":"c","ts_ns":1}', "bad_row"),
        (b'{"after":{},"op":"c","ts_ns":1,"source":1}', "bad_row"),
    ],
)
def test_value(value: bytes | None, reason: str) -> None:
    assert reason_of(message(value)) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"after": 5}', "bad_row"),
        (b'{"after": {}, "before": 5}', "bad_row"),
        (b'{"after": {"request_id": "r-2"}}', "key_mismatch"),
        (b'{"after": null, "before": {"request_id": "r-2"}}', "key_mismatch"),
        (b'{"request_id": "r-2"}', "key_mismatch"),
        (b'{"__crdb__": 5}', "bad_row"),
        (b'{"after": {}, "updated": 1701102296662969433.0}', "bad_version"),
        (b'{"after": {}, "updated": "1701102296662969433"}', "bad_version"),
        (b'{"after": {}, "updated": "1701102296662969433.5"}', "bad_version"),
        (b'{"after": {}, "updated": "-1.0000000000"}', "bad_version"),
        (b'{"after": {}, "updated": "1.0000000000\\n"}', "bad_version"),
        ('{"after": {}, "updated": "٣.0000000000"}'.encode(), "bad_version"),
        (b'{"after": {}, "updated": "%b.0000000000"}' % (b"9" * 5000), "bad_version"),
        (b'{"after": {}, "mvcc_timestamp": null}', "bad_version"),
    ],
)
def test_value_under_an_array_key(value: bytes, reason: str) -> None:
    assert reason_of(message(value, ARRAY_KEY)) == reason


@pytest.mark.parametrize("seq", [b"true", b"null", b'"4"', b"4.0", b"-1", b"9223372036854775808", b"1" + b"0" * 30])
def test_sequence_column(seq: bytes) -> None:
    spec = FeedSpec(version_column="seq_num")
    assert reason_of(message(debezium(b'{"seq_num":%b}' % seq)), spec) == "bad_version"
    assert reason_of(message(b'{"after": {"seq_num": %b}}' % seq, ARRAY_KEY), spec) == "bad_version"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "missing_key"),
        (b"", "missing_key"),
        (b'""', "missing_key"),
        (b'[""]', "missing_key"),
        (b"\xff", "not_utf8"),
        (b'"\xff"', "not_utf8"),
        (b"a\x00b", "nul_in_text"),
        (b'"a\\u0000b"', "nul_in_text"),
        (b'["\\u0000", "r-1"]', "nul_in_text"),
        (b'["r-1"', "bad_key"),
        (b'{"request_id"}', "bad_key"),
        (b"[]", "bad_key"),
        (b"[null]", "bad_key"),
        (b"[true]", "bad_key"),
        (b"[1.5]", "bad_key"),
        (b"[123456789012345678901234567890]", "bad_key"),
        (b'[["r-1"]]', "bad_key"),
        (b"{}", "bad_key"),
        (b'{"id":"r-1"}', "bad_key"),
        (b'{"request_id":null}', "bad_key"),
        (b'{"request_id":"r-2","request_id":"r-1"}', "duplicate_key"),
        (b'{"schema":null,"payload":null}', "bad_key"),
        (b"[" * 65 + b"]" * 65, "too_deep"),
    ],
)
def test_key(key: bytes | None, reason: str) -> None:
    assert reason_of(message(debezium(b"{}"), key)) == reason


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"request_id": "r-1", "status": 1}', "missing_key"),
        (b'{"after": {"request_id": "r-1"}}', "missing_key"),
        (b'{"after": {"request_id": "r-1"}, "op": "c", "ts_ns": 1}', "missing_key"),
        (b'{"status": 1}', "unknown_envelope"),
        (b'{"resolved": "1.0000000000", "more": 1}', "unknown_envelope"),
        (b'{"__crdb__": {"resolved": "1.0000000000"}, "more": 1}', "unknown_envelope"),
        (b'{"resolved": "yesterday"}', "bad_version"),
        (b'{"resolved": null}', "bad_version"),
        (None, "null_value"),
    ],
)
def test_value_without_a_key(value: bytes | None, reason: str) -> None:
    assert reason_of(message(value, None)) == reason
    assert reason_of(message(value, b"")) == reason


@pytest.mark.parametrize(("key", "column"), [(b"None", b"null"), (b"True", b"true"), (b"1.5", b"1.5"), (b"05", b"5")])
def test_only_text_and_integers_can_match_the_key(key: bytes, column: bytes) -> None:
    assert reason_of(message(debezium(b'{"request_id":%b}' % column), key)) == "key_mismatch"


def nested(levels: int) -> bytes:
    return b'{"after":' + b'{"a":' * (levels - 1) + b"1" + b"}" * levels


def test_nesting_is_bounded() -> None:
    assert isinstance(decode(message(nested(64), ARRAY_KEY)), Change)
    assert reason_of(message(nested(65), ARRAY_KEY)) == "too_deep"
    assert isinstance(decode(message(nested(65), ARRAY_KEY), FeedSpec(max_depth=65)), Change)


@pytest.mark.parametrize("levels", [255, 300, 1024, 1025, 50_000])
def test_nesting_beyond_the_parser(levels: int) -> None:
    value = b'{"after":{"a":' + b"[" * levels + b"]" * levels + b"}}"
    assert reason_of(message(value, ARRAY_KEY)) == "too_deep"


def test_many_brackets_are_not_depth() -> None:
    value = b'{"after":{"a":[' + b"{}," * 500 + b"{}]}}"
    assert isinstance(decode(message(value, ARRAY_KEY)), Change)


def test_size_is_bounded() -> None:
    value = b'{"after": null}'
    assert isinstance(decode(message(value, ARRAY_KEY), FeedSpec(max_value_bytes=len(ARRAY_KEY))), Change)
    assert reason_of(message(value, ARRAY_KEY), FeedSpec(max_value_bytes=len(value) - 1)) == "oversized"
    assert reason_of(message(value, b"[%b]" % (b" " * 30)), FeedSpec(max_value_bytes=20)) == "oversized"
    assert reason_of(message(debezium(b"{}"), b"k" * 300), FeedSpec(max_value_bytes=200)) == "oversized"


def test_an_escaped_backslash_is_not_a_nul() -> None:
    change = decode(message(debezium(rb'{"path":"C:\\u0000"}')))
    assert isinstance(change, Change)
    assert change.after == {"path": r"C:\u0000"}


def test_escapes_are_not_duplicates() -> None:
    row = rb'{"a\"":"\"", "\u0061":"\u0022", "b":"\\\"", "c":"\u003c\/"}'
    change = decode(message(debezium(row)))
    assert isinstance(change, Change)
    assert change.after == {'a"': '"', "a": '"', "b": '\\"', "c": "</"}


def test_a_number_beyond_64_bits_is_let_through_outside_of_versions() -> None:
    change = decode(message(b'{"after": {"price": 123456789012345678901234567890}}', ARRAY_KEY))
    assert isinstance(change, Change)
    assert change.after == {"price": 1.2345678901234568e29}


def test_outbox_headers_under_an_array_key_are_a_row_of_cockroachdb() -> None:
    record = message(b'{"after": {"request_id": "r-1"}}', ARRAY_KEY, event_id=b"e-1", event_type=b"Created")
    change = decode(record)
    assert isinstance(change, Change)
    assert (change.op, change.headers) == (Op.UPSERT, record.headers)


@pytest.mark.parametrize("headers", [{"event_type": b"Created"}, {"id": b"e-1"}, {"trace": b"t"}])
def test_other_headers_make_no_outbox_record(headers: dict[str, bytes]) -> None:
    assert reason_of(message(b'{"qty": 3}', KEY, **headers)) == "unknown_envelope"


def test_resolved_needs_no_spec() -> None:
    value = b'{"resolved":"1.0000000002"}'
    assert isinstance(decode(message(value, None), FeedSpec(key_column="resolved")), Resolved)


def test_reasons_are_closed_and_survive_a_process_border() -> None:
    refused = Undecodable("bad_key", "x" * 1000)
    again = pickle.loads(pickle.dumps(refused))
    assert (again.reason, again.detail, str(again)) == ("bad_key", "x" * 200, "bad_key: " + "x" * 200)
    assert str(Undecodable("truncate")) == "truncate"
    assert all(reason.isidentifier() and reason.islower() for reason in get_args(Reason))


def test_detail_does_not_repeat_the_data() -> None:
    secret = "4111-1111"
    for value in (orjson.dumps({"after": {"request_id": secret}}), b'{"after": "%b' % secret.encode()):
        with pytest.raises(Undecodable) as refused:
            decode(message(value, ARRAY_KEY))
        assert secret not in str(refused.value)
