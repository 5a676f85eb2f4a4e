"""The signal processor's step: a record, and the state of its partition, lead to a decision or to none. Pure."""

from __future__ import annotations

from collections.abc import MutableMapping

from streams_app.changefeed import RecordLike
from streams_app.systems.trading.messages import read_signal
from streams_app.systems.trading.model import TIMEFRAMES, Decision
from streams_app.systems.trading.rules import Watching, decide, take
from streams_app.systems.trading.windows import (
    known_key,
    read_known,
    read_window,
    window_key,
    write_known,
    write_window,
)


def step(record: RecordLike, state: MutableMapping[bytes, bytes], settings: Watching) -> Decision | None:
    """Let a signal into its window in `state`, and decide; None when it is there already.

    Raises Undecodable and Rejected; then `state` is as it was.
    """
    signal = read_signal(record, settings.symbols, settings.clock_tolerance)
    symbol, timeframe = signal.symbol, signal.timeframe
    windows = {name: read_window(state.get(window_key(symbol, name))) for name in TIMEFRAMES}
    known = read_known(state.get(known_key(symbol, timeframe)))
    if not take(windows[timeframe], known, signal, settings.window, settings.stale_after):
        return None
    state[window_key(symbol, timeframe)] = write_window(windows[timeframe])
    state[known_key(symbol, timeframe)] = write_known(known)
    return decide(signal, windows, settings.window)
