"""What a transactional agent knows of one partition: its state, and how far it has come. Both are in its changelog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams_app.errors import StartError
from streams_app.kafka.reading import reader, records_between
from streams_app.kafka.transactional_producer import Output

# What a changelog record is about: an entry of the state, or the position in a source topic.
_ENTRY, _POSITION = b"k:", b"p:"


class State(MutableMapping[bytes, bytes]):
    """The state of one partition as its handler sees it: what is committed, under what this transaction changes.

    What one record changed is dropped when its handling fails, and becomes part of the transaction otherwise.
    """

    def __init__(self, committed: Mapping[bytes, bytes]) -> None:
        self._committed = committed
        self._by_record: dict[bytes, bytes | None] = {}
        #: New value per key; None: deleted.
        self.changes: dict[bytes, bytes | None] = {}

    def __getitem__(self, key: bytes) -> bytes:
        layer = next((layer for layer in (self._by_record, self.changes) if key in layer), self._committed)
        value = layer.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        if not isinstance(key, bytes) or not isinstance(value, bytes):
            raise TypeError(f"state is bytes to bytes, not {type(key).__name__} to {type(value).__name__}")
        self._by_record[key] = value

    def __delitem__(self, key: bytes) -> None:
        self[key]
        self._by_record[key] = None

    def __iter__(self) -> Iterator[bytes]:
        known = {**self._committed, **self.changes, **self._by_record}
        return (key for key, value in known.items() if value is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def keep(self) -> None:
        """The record is handled: what it changed stays."""
        self.changes.update(self._by_record)
        self._by_record.clear()

    def drop(self) -> None:
        """The record could not be handled: what it changed never was."""
        self._by_record.clear()


@dataclass(slots=True)
class Recovered:
    """The committed state of one partition, and the next offset to process of each source topic that was begun."""

    entries: dict[bytes, bytes] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take note of one changelog record."""
        kind, name = key[:2], key[2:]
        if kind == _POSITION and value is not None:
            self.positions[name.decode()] = int(value)
        elif value is None:
            self.entries.pop(name, None)
        else:
            self.entries[name] = value


def changelog_records(
    changelog: str, partition: int, changes: Mapping[bytes, bytes | None], positions: Mapping[str, int]
) -> list[Output]:
    """The changelog records of one transaction."""
    entries = [Output(changelog, _ENTRY + key, value, partition=partition) for key, value in changes.items()]
    places = [
        Output(changelog, _POSITION + topic.encode(), str(position).encode(), partition=partition)
        for topic, position in positions.items()
    ]
    return entries + places


async def recover(broker_url: str, changelog: str, partition: int) -> Recovered:
    """Read a partition of the changelog to its end, only what is committed.

    Raises ConnectionError, to be tried again; StartError when the changelog is ahead of a source topic, which then is
    another topic of that name: its records would all be passed over.
    """
    recovered = Recovered()
    place = TopicPartition(changelog, partition)
    try:
        async with reader(broker_url) as consumer:
            low, high = await consumer.beginning_offsets([place]), await consumer.end_offsets([place])
            async for record in records_between(consumer, {place: (low[place], high[place])}):
                if record.key is not None:
                    recovered.take(record.key, record.value)
            sources = [TopicPartition(topic, partition) for topic in recovered.positions]
            ends = await consumer.end_offsets(sources) if sources else {}
    except KafkaError as error:
        raise ConnectionError(f"{changelog} {partition}: {error!r}") from error
    for source, end in ends.items():
        position = recovered.positions[source.topic]
        if position > end:
            raise StartError(
                f"{source.topic} {partition} ends at {end}, but {changelog} has come to {position}: "
                f"was the topic made anew? Delete and create {changelog} as well"
            )
    return recovered
