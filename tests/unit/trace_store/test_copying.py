"""Rows as COPY reads them: one line an event, whatever its texts hold."""

from __future__ import annotations

from streams_app.systems.trace_store.copying import copy_text
from streams_app.systems.trace_store.model import EventStatus, EventType, NewEvent

FULL = NewEvent(
    "e1",
    "s1",
    "c1",
    "p1",
    EventType.RESPONSE,
    "a_topic",
    "2026-03-01T12:00:00+00:00",
    EventStatus.FAILED,
    0,
    "{}",
    "{}",
)


def test_columns_are_in_the_order_of_the_statement() -> None:
    line = "us-east\te1\ts1\tc1\tp1\tresponse\ta_topic\t2026-03-01T12:00:00+00:00\tfailed\t0\t{}\t{}\n"
    assert copy_text("us-east", [FULL]) == line
    bare = FULL._replace(correlation_id=None, parent_correlation_id=None, processing_time_ms=None)
    assert copy_text("us-east", [FULL, bare]) == line + (
        "us-east\te1\ts1\t\\N\t\\N\tresponse\ta_topic\t2026-03-01T12:00:00+00:00\tfailed\t\\N\t{}\t{}\n"
    )


def test_an_event_stays_one_line_of_twelve_columns() -> None:
    payload = '{\r\n\t"text": "a\\tb \\\\ \\u00e9",\n\t"next": "\\\\N"\n}'
    text = copy_text("us-east", [FULL._replace(payload=payload, metadata='{"a":\t1}')])
    [line] = text.splitlines()
    columns = line.split("\t")
    assert len(columns) == 12
    # As PostgreSQL reads it back.
    read = [column.replace("\\\\", "\0") for column in columns[-2:]]
    for short, meant in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r")):
        read = [column.replace(short, meant) for column in read]
    assert [column.replace("\0", "\\") for column in read] == [payload, '{"a":\t1}']
