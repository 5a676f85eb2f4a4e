"""What a worker does beside its batches: it sweeps its regions, watches itself, and says where it can be scraped."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

from streams_app.errors import RegionUnavailableError, StalledError
from streams_app.kafka.app import StreamsApp
from streams_app.observability.pages import Observer
from streams_app.observability.targets import announce, withdraw

logger = logging.getLogger(__name__)

Task: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


def announce_to_prometheus(app: StreamsApp, targets_file: Path) -> None:
    """Keep the worker's address in the target file as long as it runs."""

    async def add() -> None:
        announce(targets_file, f"{app.conf.web_bind}:{app.conf.web_port}")

    async def remove() -> None:
        withdraw(targets_file, f"{app.conf.web_bind}:{app.conf.web_port}")

    app.before_start.append(add)
    app.after_stop.append(remove)


def watchdog(app: StreamsApp, observer: Observer, patience: float) -> Task:
    """End a worker that has been unhealthy for `patience` seconds, so that something starts it again."""

    async def watch() -> None:
        stalled_since: float | None = None
        while not app.should_stop:
            await app.sleep(1.0)
            if observer.health().healthy:
                stalled_since = None
                continue
            stalled_since = stalled_since or time.monotonic()
            if time.monotonic() - stalled_since > patience:
                # Nothing of what is in flight is acked: another worker, or the next start, does it again.
                await app.crash(StalledError(f"no progress for {2 * patience:.0f} s although there is work"))
                return

    return watch


def repeating(app: StreamsApp, call: Callable[[], Awaitable[object]], region: str, interval: float) -> Task:
    """Do something for a region about every `interval` seconds."""
    name = f"{call.__name__}-{region}"

    async def repeat() -> None:
        while not app.should_stop:
            # Workers look at the same rows: uneven pauses keep them from doing it at the same moment.
            await app.sleep(interval * random.uniform(0.7, 1.3))  # noqa: S311
            try:
                await call()
            except RegionUnavailableError:
                continue
            except Exception as error:
                logger.warning("%s failed: %s: %s", name, type(error).__name__, error, extra={"region": region})

    repeat.__name__ = name
    return repeat


def named(name: str, call: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """`call` under a name: what `repeating` calls it in the log."""

    async def run() -> object:
        return await call()

    run.__name__ = name
    return run
