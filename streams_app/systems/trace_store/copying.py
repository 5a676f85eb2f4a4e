"""Rows of event_logs as the text format of COPY has them."""

from __future__ import annotations

from collections.abc import Sequence

from streams_app.systems.trace_store.model import NewEvent

_NULL = "\\N"


def copy_text(region: str, events: Sequence[NewEvent]) -> str:
    """A line for each event, its columns in the order of the statement `copy`."""
    return "".join([_line(region, *event) for event in events])


def _line(
    region: str,
    event_id: str,
    session: str,
    correlation: str | None,
    parent: str | None,
    event_type: str,
    topic: str,
    time: str,
    status: str,
    milliseconds: int | None,
    payload: str,
    metadata: str,
) -> str:
    took = _NULL if milliseconds is None else milliseconds
    return (
        f"{region}\t{event_id}\t{session}\t{correlation or _NULL}\t{parent or _NULL}\t{event_type}\t{topic}\t{time}\t"
        f"{status}\t{took}\t{_escaped(payload)}\t{_escaped(metadata)}\n"
    )


def _escaped(text: str) -> str:
    # JSON may have tabs and line ends between its words.
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
