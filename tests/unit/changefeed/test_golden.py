"""One sample of every envelope, as it lies in Kafka, and the change it must become."""

from typing import Any

import pytest

from streams_app.changefeed import Change, FeedSpec, Op, Resolved, Undecodable, Version, VersionKind, decode

from .samples import FILES, SAMPLES, record_of


def version(expected: dict[str, Any] | None) -> Version | None:
    return expected and Version(expected["major"], expected["minor"], VersionKind(expected["kind"]))


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_sample(sample: dict[str, Any]) -> None:
    record, spec = record_of(sample), FeedSpec(**sample.get("spec", {}))
    expect = sample["expect"]
    if "undecodable" in expect:
        with pytest.raises(Undecodable) as refused:
            decode(record, spec)
        assert refused.value.reason == expect["undecodable"]
    elif "resolved" in expect:
        assert decode(record, spec) == Resolved("requests", 7, 41, version(expect["resolved"]))
    else:
        fields = expect["change"] | {
            "version": version(expect["change"]["version"]),
            "op": Op(expect["change"]["op"]),
            "key_parts": tuple(expect["change"]["key_parts"]),
        }
        assert decode(record, spec) == Change(
            topic="requests", partition=7, offset=41, headers=record.headers, **fields
        )


def test_every_envelope_has_samples() -> None:
    assert {path.stem for path in FILES} == {
        "cockroachdb_bare",
        "cockroachdb_enriched",
        "cockroachdb_key_only",
        "cockroachdb_resolved",
        "cockroachdb_row",
        "cockroachdb_wrapped",
        "cockroachdb_wrapped_all_options",
        "cockroachdb_wrapped_diff",
        "debezium",
        "outbox",
    }
