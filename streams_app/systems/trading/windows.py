"""What the signal processor keeps of a symbol and timeframe, as it stands in the changelog: a window, and known ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import orjson

# Ids that nobody needs any more stay until there are so many more: forgetting costs as much as reading all.
_FORGET_EVERY = 64


@dataclass(slots=True)
class Window:
    """The last signals of a symbol and timeframe, in the order of their topic.

    `seen` counts all that ever came; `moves` is +1, 0 or -1 for each step between the last prices.
    """

    seen: int = 0
    last: str = ""
    moves: list[int] = field(default_factory=list)

    def add(self, price: str, size: int) -> None:
        """Take the price of a new signal; the window holds `size` prices."""
        if self.seen:
            now, before = Decimal(price), Decimal(self.last)
            self.moves = [*self.moves, (now > before) - (now < before)][-(size - 1) :]
        self.seen += 1
        self.last = price


@dataclass(slots=True)
class Known:
    """The signals that are known when they come again: the time (epoch seconds) and a digest of each, by id; and the
    latest time of all."""

    newest: int = 0
    ids: dict[str, tuple[int, str]] = field(default_factory=dict)

    def find(self, name: str, oldest: int) -> str | None:
        """The digest of a known signal; None when it is not known, or from before `oldest`."""
        found = self.ids.get(name)
        return None if found is None or found[0] < oldest else found[1]

    def count(self, oldest: int, limit: int) -> int:
        """How many there are since `oldest`, if those are `limit` or more; else how many are kept."""
        if len(self.ids) >= limit or len(self.ids) % _FORGET_EVERY == 0:
            self.ids = {name: mark for name, mark in self.ids.items() if mark[0] >= oldest}
        return len(self.ids)


def window_key(symbol: str, timeframe: str) -> bytes:
    """The key of a window in the state."""
    return f"{symbol}/{timeframe}".encode()


def known_key(symbol: str, timeframe: str) -> bytes:
    """The key of the known ids in the state."""
    return f"{symbol}/{timeframe}/ids".encode()


def read_window(raw: bytes | None) -> Window:
    """The window in a value of the state, or an empty one."""
    return Window() if raw is None else Window(*orjson.loads(raw))


def write_window(window: Window) -> bytes:
    """The value of the state."""
    return orjson.dumps([window.seen, window.last, window.moves])


def read_known(raw: bytes | None) -> Known:
    """The known ids in a value of the state, or none. What JSON makes of a mark is as good as a tuple."""
    return Known() if raw is None else Known(*orjson.loads(raw))


def write_known(known: Known) -> bytes:
    """The value of the state."""
    return orjson.dumps([known.newest, known.ids])
