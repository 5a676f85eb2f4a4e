"""How far stock agents have come: a position per partition before which everything that was delivered is acked.

Faust's own watermark (`Consumer._new_offset`) is off by one: it commits past the first event after the committed offset
while that event is still in flight, and from offset 0 past any number of them.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol


class Delivered(Protocol):
    """What is asked of a message of Faust's."""

    offset: int
    acked: bool


class Watermark:
    """One partition's messages in the order of their delivery, as long as they hold the position back.

    Offsets that were never delivered (transaction markers, compacted records) hold nothing back.
    """

    def __init__(self) -> None:
        self._waiting: deque[Delivered] = deque()
        self._position: int | None = None
        self._last = -1

    def delivered(self, message: Delivered) -> None:
        """Take note of a message that goes to the agents; one that comes again is theirs already."""
        if message.offset > self._last:
            self._last = message.offset
            self._waiting.append(message)

    def advance(self) -> int | None:
        """The next offset to commit, None while nothing is acked from the first one on."""
        waiting = self._waiting
        while waiting and waiting[0].acked:
            self._position = waiting.popleft().offset + 1
        return self._position
