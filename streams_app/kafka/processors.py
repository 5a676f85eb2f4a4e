"""What a batch agent is declared with: processors of record lists, or a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from streams_app.changefeed import RecordLike

Process: TypeAlias = Callable[[Sequence[Any]], Awaitable[None]]


@runtime_checkable
class Processor(Protocol):
    """What a lane does with records: delivery.batches.BatchProcessor, and `Plain`."""

    def decode(self, records: Sequence[Any], earlier: Any = None) -> Any:
        """The stage without I/O: its result, behind the one of `earlier` records, goes to `process`."""
        ...

    async def process(self, batch: Any) -> None:
        """Bring a batch to its end: when it returns, everything but what `held` names may be acked."""
        ...

    def held(self) -> Iterable[RecordLike]:
        """The records, of those that went to `decode`, that must not be acked yet."""
        ...

    def due(self) -> float | None:
        """Seconds until `process` wants to be called, if need be with an empty batch; None: not at all."""
        ...

    def clear(self) -> None:
        """The partitions are gone."""
        ...


class Plain:
    """A processor of one function that holds nothing."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def process(self, batch: Any) -> None:
        """Call the function."""
        await self._process(batch)

    def decode(self, records: Sequence[Any], earlier: Any = None) -> Sequence[Any]:
        """The records as they are."""
        return [*earlier, *records] if earlier else records

    def held(self) -> Iterable[RecordLike]:
        """Nothing."""
        return ()

    def due(self) -> None:
        """Never."""

    def clear(self) -> None:
        """Nothing is kept."""


def processors_of(process: Process | Processor | Sequence[Processor]) -> Sequence[Processor]:
    """The processor of each lane of an agent that is declared with `process`."""
    if isinstance(process, Processor):
        return [process]
    return process if isinstance(process, Sequence) else [Plain(process)]
