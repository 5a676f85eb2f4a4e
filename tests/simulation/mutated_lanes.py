"""Lanes with one guard taken out."""

from __future__ import annotations

from typing import Any

from streams_app.kafka.lanes import Lane


class AckBeforeCommit(Lane):
    """Positions move when a batch is taken."""

    def _following(self) -> Any:
        following = super()._following()
        self.positions.update(following[1] if following else {})
        return following


class AckOfBuffered(Lane):
    """What was only buffered when the partitions went counts as done."""

    async def drain(self) -> None:
        buffered = {tp: records[-1].offset + 1 for tp, records in self._buffer._chunks}
        await super().drain()
        self.positions.update(buffered)


class AckAfterRevoke(Lane):
    """A batch that was given up when the partitions went counts as done."""

    taken: Any = None

    def _following(self) -> Any:
        following = super()._following()
        self.taken = following[1] if following else self.taken
        return following

    async def drain(self) -> None:
        await super().drain()
        self.positions.update(self.taken or {})

    def reset(self) -> None:
        super().reset()
        self.taken = None
