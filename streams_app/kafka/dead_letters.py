"""Dead letters on a topic: the record's own key and value, byte for byte, and headers that tell the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka.errors import KafkaError

from streams_app.delivery.letters import ATTEMPTS, PREFIX, REDRIVE, attempts_of, letter_id
from streams_app.delivery.ports import DeadLetter
from streams_app.kafka.app import StreamsApp
from streams_app.kafka.event_sender import EventSender
from streams_app.systems.tracking.ports import OutgoingRecord, Refused
from streams_app.topics import TopicSpec

# A header is for people and filters; a stack longer than this says nothing more.
_MAX_HEADER_BYTES = 8_000


class TopicDeadLetterSink:
    """Writes dead letters to `topic` and waits until the broker has them.

    A letter is named by the origin of its record, so that a repetition after a crash is recognisable.
    """

    def __init__(self, app: StreamsApp, topic: TopicSpec) -> None:
        self._app = app
        self._topic = topic

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Store every letter. Raises ConnectionError, to be tried again."""
        try:
            await asyncio.gather(*(self._send(letter) for letter in letters))
        except KafkaError as error:
            raise ConnectionError(f"{self._topic.name}: {error}") from error

    async def _send(self, letter: DeadLetter) -> None:
        key, value = key_and_value(letter)
        await self._app.producer.send_and_wait(self._topic.name, key, value, None, None, dead_letter_headers(letter))


class SentDeadLetters:
    """Writes the dead letters of a relay through its own sender. Their rows keep the payload: a letter that is too
    large for the topic goes without its value."""

    def __init__(self, sender: EventSender, topic: TopicSpec) -> None:
        self._sender = sender
        self._topic = topic.name

    async def send(self, letters: Sequence[DeadLetter]) -> None:
        """Store every letter. Raises ConnectionError, to be tried again."""
        whole = [self._record(letter, letter.record.value or b"") for letter in letters]
        await self._store([self._record(letters[n], b"") for n in await self._store(whole)])

    async def _store(self, records: Sequence[OutgoingRecord]) -> list[int]:
        """Returns the places of those that the topic never takes."""
        try:
            answers = await self._sender.send(records) if records else []
        except KafkaError as error:
            raise ConnectionError(f"{self._topic}: {error}") from error
        refused = [(n, answer) for n, answer in enumerate(answers) if isinstance(answer, Refused)]
        again = next((answer for _, answer in refused if not answer.permanent), None)
        if again is not None:
            raise ConnectionError(f"{self._topic}: {again.reason}")
        return [n for n, _ in refused]

    def _record(self, letter: DeadLetter, value: bytes) -> OutgoingRecord:
        return OutgoingRecord(self._topic, key_and_value(letter)[0], value, tuple(dead_letter_headers(letter)))


def key_and_value(letter: DeadLetter) -> tuple[bytes | None, bytes | None]:
    """Those of the record, byte for byte.

    Kafka clients refuse a message without key and value; an empty key stands for "no key" then.
    """
    record = letter.record
    return b"" if record.key is None and record.value is None else record.key, record.value


def dead_letter_headers(letter: DeadLetter) -> list[tuple[str, bytes | None]]:
    """The headers of a dead letter: its own begin with `dead-letter-`, those of the record follow as they were.

    Of headers in the record that bear such a name only what a redrive wrote is kept: the letter it was before.
    """
    record = letter.record
    own = {
        "dead-letter-id": letter_id(record.topic, record.partition, record.offset),
        "dead-letter-system": letter.system,
        "dead-letter-reason": letter.reason,
        "dead-letter-detail": letter.detail,
        "dead-letter-topic": record.topic,
        "dead-letter-partition": str(record.partition),
        "dead-letter-offset": str(record.offset),
        ATTEMPTS: str(attempts_of(record.headers or ())),
        "dead-letter-stack": letter.stack,
    }
    cut = {name: text.encode("utf-8", "replace")[:_MAX_HEADER_BYTES] for name, text in own.items() if text}
    kept = [item for item in record.headers or () if item[0] == REDRIVE or not item[0].startswith(PREFIX)]
    return [*cut.items(), *kept]
