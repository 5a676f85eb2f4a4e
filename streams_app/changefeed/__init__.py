"""Changefeed messages as they lie in Kafka, decoded: bytes in, a `Change` or a `Resolved` out, no I/O."""

from streams_app.changefeed.change import (
    Change,
    FeedSpec,
    Op,
    Reason,
    Record,
    RecordLike,
    Resolved,
    Undecodable,
    Version,
    VersionKind,
)
from streams_app.changefeed.decoding import decode

__all__ = [
    "Change",
    "FeedSpec",
    "Op",
    "Reason",
    "Record",
    "RecordLike",
    "Resolved",
    "Undecodable",
    "Version",
    "VersionKind",
    "decode",
]
