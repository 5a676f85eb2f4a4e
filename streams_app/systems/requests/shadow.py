"""A shadow run: the records of a range once more through the code as it is now, with no effect, against the record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from streams_app.changefeed import Change, RecordLike, Undecodable
from streams_app.databases import Databases
from streams_app.delivery.letters import letter_id
from streams_app.delivery.ports import Rejected
from streams_app.delivery.sequencer import sequence_number
from streams_app.systems.requests.agents import request_key
from streams_app.systems.requests.recorded_store import load_recorded
from streams_app.systems.requests.redecide import Difference, redecide
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.workflow import WorkflowBook
from streams_app.topics import NEW_REQUESTS

_AT_ONCE = 2000
_NOT_FOUND = "request_not_found"


class Decoder(Protocol):
    """What the shadow run asks of the requests system's handler."""

    def decode(self, record: RecordLike) -> Change | None:
        """As `Handler.decode`."""
        ...


@dataclass(frozen=True, slots=True)
class LetterDifference:
    """A record that would now be a dead letter and is none, or the other way round; empty: no dead letter."""

    record: str
    recorded: str
    decided: str


@dataclass(slots=True)
class Comparison:
    """What a shadow run found. `not_comparable` counts steps and dead letters that depend on what is not known."""

    records: int = 0
    requests: int = 0
    same: int = 0
    not_comparable: int = 0
    steps: list[Difference] = field(default_factory=list)
    letters: list[LetterDifference] = field(default_factory=list)

    @property
    def differences(self) -> int:
        """How many steps and dead letters would differ."""
        return len(self.steps) + len(self.letters)

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON has it."""
        return {"verdict": "difference" if self.differences else "no difference", **asdict(self)}


async def shadow(
    records: AsyncIterator[RecordLike],
    decoder: Decoder,
    databases: Databases,
    book: WorkflowBook,
    letters: Mapping[str, str],
    parked: Collection[str],
) -> Comparison:
    """Run `records` in the shadow. Records are named as dead letters are: `letters` has the reasons of all letters,
    `parked` the records that wait for their region. Raises what psycopg raises.
    """
    result = Comparison()
    seen: dict[RequestKey, int | None] = {}
    asked: dict[str, RequestKey] = {}
    async for record in records:
        result.records += 1
        name = letter_id(record.topic, record.partition, record.offset)
        change = _decoded(record, name, decoder, letters, result)
        if change is None:
            continue
        key = request_key(change)
        known = seen.setdefault(key, None)
        if name in letters:
            asked[name] = key
        # What is set aside has no effect yet: the step after it is not missed.
        elif name not in parked:
            version = 0 if record.topic == NEW_REQUESTS.name else sequence_number(change)
            if version is not None:
                seen[key] = max(version, known or 0)
    missing = await _compare(seen, databases, book, result)
    for name, key in asked.items():
        _compare_letter(name, letters[name], key in missing, result)
    return result


def _decoded(
    record: RecordLike, name: str, decoder: Decoder, letters: Mapping[str, str], result: Comparison
) -> Change | None:
    """What one record asks for, None when nothing; whether it is a dead letter is compared here."""
    try:
        return decoder.decode(record)
    except (Undecodable, Rejected) as error:
        if letters.get(name) == error.reason:
            result.same += 1
        else:
            result.letters.append(LetterDifference(name, letters.get(name, ""), error.reason))
        return None


async def _compare(
    seen: Mapping[RequestKey, int | None], databases: Databases, book: WorkflowBook, result: Comparison
) -> set[RequestKey]:
    """Decide all steps of the requests again; returns the requests that are not there."""
    by_region: dict[str, list[RequestKey]] = defaultdict(list)
    for key in seen:
        by_region[databases.regions.of(key.locality)].append(key)
    missing: set[RequestKey] = set()
    for region, keys in by_region.items():
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            recorded = await load_recorded(databases, region, part)
            for key in part:
                history = recorded.get(key.request_id)
                if history is None:
                    missing.add(key)
                    continue
                again = redecide(history, book, seen[key])
                result.requests += 1
                result.same += again.same
                result.not_comparable += again.not_comparable
                result.steps += again.differences
    return missing


def _compare_letter(name: str, reason: str, missing: bool, result: Comparison) -> None:
    """A dead letter whose record decodes: it was set aside later on, because of the rows as they were then."""
    if missing == (reason == _NOT_FOUND):
        result.same += missing
        result.not_comparable += not missing
    else:
        result.letters.append(LetterDifference(name, reason, _NOT_FOUND if missing else ""))
