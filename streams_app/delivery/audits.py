"""The audit trail of dead letters: what people did with them, as it is stored."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson


class Action(StrEnum):
    """What a person did with a letter."""

    EDIT = "edit"
    REDRIVE = "redrive"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Audit:
    """One thing done with a letter. An edit has the new `key` or `value` (None: as it was); a redrive has in `sent_as`
    the name its record would have as a dead letter; `digest` is the SHA-256 of the value that was edited in or sent."""

    letter: str
    action: Action
    who: str
    when: datetime
    reason: str = ""
    key: bytes | None = None
    value: bytes | None = None
    digest: str = ""
    sent_as: str = ""


def digest_of(value: bytes | None) -> str:
    """The SHA-256 of a value in hexadecimal; empty when there is none."""
    return "" if value is None else sha256(value).hexdigest()


def encode_audit(entry: Audit) -> bytes:
    """An audit entry as it is stored."""
    stored = {
        "letter": entry.letter,
        "action": entry.action,
        "who": entry.who,
        "when": entry.when.isoformat(),
        "reason": entry.reason,
        "sha256": entry.digest,
        "sent_as": entry.sent_as,
    }
    if entry.key is not None:
        stored["key_base64"] = b64encode(entry.key).decode()
    if entry.value is not None:
        stored["value_base64"] = b64encode(entry.value).decode()
    return orjson.dumps(stored)


def decode_audit(data: bytes | None) -> Audit | None:
    """The audit entry in a record of the audit topic, or None when it is none of ours."""
    try:
        row: dict[str, Any] = orjson.loads(data or b"")
        return Audit(
            letter=row["letter"],
            action=Action(row["action"]),
            who=row["who"],
            when=datetime.fromisoformat(row["when"]),
            reason=row["reason"],
            key=b64decode(row["key_base64"]) if "key_base64" in row else None,
            value=b64decode(row["value_base64"]) if "value_base64" in row else None,
            digest=row["sha256"],
            sent_as=row["sent_as"],
        )
    except (ValueError, KeyError, TypeError):
        return None
