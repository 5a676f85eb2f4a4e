"""The window of a symbol and timeframe: what the signal processor keeps, as it stands in the changelog."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import orjson


@dataclass(slots=True)
class Window:
    """The last signals of a symbol and timeframe, in the order of their topic.

    `seen` counts all that ever came; `moves` is +1, 0 or -1 for each step between the last prices; `newest` is the
    latest time of a signal and `known` the time (both epoch seconds) and a digest of each whose repetition may come.
    """

    seen: int = 0
    last: str = ""
    moves: list[int] = field(default_factory=list)
    newest: int = 0
    known: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, price: str, size: int) -> None:
        """Take the price of a new signal; the window holds `size` prices."""
        if self.seen:
            now, before = Decimal(price), Decimal(self.last)
            self.moves = [*self.moves, (now > before) - (now < before)][-(size - 1) :]
        self.seen += 1
        self.last = price

    def forget(self, at: int, seconds: int) -> None:
        """A signal of the time `at` comes: forget those that are more than `seconds` behind the newest."""
        self.newest = max(self.newest, at)
        self.known = {each: mark for each, mark in self.known.items() if mark[0] >= self.newest - seconds}


def window_key(symbol: str, timeframe: str) -> bytes:
    """The key of a window in the state."""
    return f"{symbol}/{timeframe}".encode()


def read_window(raw: bytes | None) -> Window:
    """The window in a value of the state, or an empty one."""
    if raw is None:
        return Window()
    seen, last, moves, newest, known = orjson.loads(raw)
    return Window(seen, last, moves, newest, {name: (at, digest) for name, (at, digest) in known.items()})


def write_window(window: Window) -> bytes:
    """The value of the state."""
    return orjson.dumps([window.seen, window.last, window.moves, window.newest, window.known])
