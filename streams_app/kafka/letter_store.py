"""Dead letters and their audit trail on the broker: read whole, added to in transactions, never deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerFenced

from streams_app.delivery.audits import Action, Audit, decode_audit, digest_of, encode_audit
from streams_app.delivery.letters import (
    Case,
    Letter,
    cases,
    letter_id,
    letter_of,
    redriven_headers,
    target_partition,
)
from streams_app.errors import StartError
from streams_app.kafka.admin import bootstrap_servers
from streams_app.kafka.reading import connected, partition_counts, reader, records_between, whole_topics
from streams_app.settings import Settings
from streams_app.topics import DEAD_LETTER_AUDIT, DEAD_LETTERS

_LETTERS, _AUDIT = DEAD_LETTERS.name, DEAD_LETTER_AUDIT.name
# Letters in one transaction: it must end before the broker gives it up after a minute.
_AT_ONCE: Final = 500


async def read_cases(settings: Settings, on_progress: Callable[[int, int], None]) -> dict[str, Case]:
    """Every letter with its trail, in the order of origin; `on_progress` hears offsets passed, and how many there are.

    Raises StartError when a topic is missing or the broker does not answer.
    """
    counts = await partition_counts(settings.broker_url, [_LETTERS, _AUDIT])
    letters: list[Letter] = []
    trail: list[Audit] = []
    async with reader(settings.broker_url) as consumer:
        stretches = await whole_topics(consumer, counts)
        total = sum(end - first for first, end in stretches.values())
        async for record in records_between(consumer, stretches, lambda passed: on_progress(passed, total)):
            if record.topic == _LETTERS:
                letter = letter_of(record)
                if letter is not None:
                    letters.append(letter)
            else:
                entry = decode_audit(record.value)
                if entry is not None:
                    trail.append(entry)
    return cases(letters, trail)


class LetterWriter:
    """Sends letters again and writes the audit trail, both in one transaction. Use as an async context manager.

    There is one at a time: whoever opens a second one ends the first, which then has done nothing by halves.
    """

    def __init__(self, settings: Settings, origins: Collection[str]) -> None:
        """`origins` are the topics that letters may go back to: a letter's headers are not trusted with any other."""
        self._broker_url = settings.broker_url
        self._origins = origins
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers(settings.broker_url),
            transactional_id=f"{settings.app_id}-dead-letters",
            max_request_size=13_631_488,
        )

    async def __aenter__(self) -> LetterWriter:
        await connected(self._producer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def note(self, entries: Sequence[Audit]) -> None:
        """Add to the audit trail. Raises StartError when another writer took over or the broker refuses."""
        await self._in_transaction(lambda: self._note(entries))

    async def redrive(self, plan: Sequence[Case], who: str, on_sent: Callable[[int], None]) -> None:
        """Send every record of `plan`, in its order, back to its topic, and note it; `on_sent` hears how many are done.

        Raises StartError; then what `on_sent` heard of is done, and nothing else.
        """
        origins = sorted({case.letter.topic for case in plan})
        unknown = [topic for topic in origins if topic not in self._origins]
        if unknown:
            raise StartError(f"{', '.join(unknown)}: not a topic that this application reads")
        counts = await partition_counts(self._broker_url, origins)
        for start in range(0, len(plan), _AT_ONCE):
            part = plan[start : start + _AT_ONCE]
            await self._in_transaction(lambda: self._redrive(part, counts, who))  # noqa: B023 (awaited here)
            on_sent(len(part))

    async def _redrive(self, plan: Sequence[Case], counts: dict[str, int], who: str) -> None:
        sent = []
        for case in plan:
            partition = target_partition(case, counts[case.letter.topic])
            headers = redriven_headers(case.letter)
            # Not awaited one by one: the producer keeps the order within a partition.
            sent.append(await self._producer.send(case.letter.topic, case.value, case.key, partition, None, headers))
        entries = []
        for case, future in zip(plan, sent, strict=True):
            place = await future
            name = letter_id(place.topic, place.partition, place.offset)
            entry = Audit(case.letter.id, Action.REDRIVE, who, datetime.now(UTC), digest=digest_of(case.value))
            entries.append(replace(entry, sent_as=name))
        await self._note(entries)

    async def _note(self, entries: Sequence[Audit]) -> None:
        for entry in entries:
            await (await self._producer.send(_AUDIT, encode_audit(entry), entry.letter.encode()))

    async def _in_transaction(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            async with self._producer.transaction():
                await work()
        except ProducerFenced:
            raise StartError("somebody else has begun to work on dead letters: nothing was done, try again") from None
        except MessageSizeTooLargeError as error:
            raise StartError(f"a value is too large for the broker: {error}") from None
        except KafkaError as error:
            raise StartError(f"the broker refuses: {error!r}") from error
