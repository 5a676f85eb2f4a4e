"""The signal processor's step: a record, and the state of its partition, lead to a decision or to none. Pure."""

from __future__ import annotations

from collections.abc import MutableMapping

from streams_app.changefeed import RecordLike
from streams_app.systems.trading.messages import read_signal
from streams_app.systems.trading.model import TIMEFRAMES, Decision
from streams_app.systems.trading.rules import Watching, decide, take
from streams_app.systems.trading.windows import read_window, window_key, write_window


def step(record: RecordLike, state: MutableMapping[bytes, bytes], settings: Watching) -> Decision | None:
    """Let a signal into its window in `state`, and decide; None when it is there already.

    Raises Undecodable and Rejected; then `state` is as it was.
    """
    signal = read_signal(record, settings.symbols, settings.clock_tolerance)
    windows = {name: read_window(state.get(window_key(signal.symbol, name))) for name in TIMEFRAMES}
    window = windows[signal.timeframe]
    if not take(window, signal, settings.window, settings.stale_after):
        return None
    state[window_key(signal.symbol, signal.timeframe)] = write_window(window)
    return decide(signal, windows, settings.window)
