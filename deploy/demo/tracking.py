"""What the demo asks of the tracking system at the end: its proof, and its rates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Runs a command of the application and returns the JSON it prints.
Ask = Callable[..., Any]

# Seconds that the last events may take to their topics and consumers.
PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Tracked:
    """Events of the run by what became of them; violations by harm; rates of the window, and times in milliseconds."""

    published: int
    processed: int
    failed: int
    harms: dict[str, int]
    published_per_minute: float
    processed_per_minute: float
    publish_p99: float | None
    processing_p99: float | None

    def __str__(self) -> str:
        return (
            f"Tracked events: {self.published:,} published ({self.published_per_minute:,.0f} a minute, commit to topic "
            f"p99 {self.publish_p99 or 0:,.0f} ms), {self.processed:,} processed ({self.processed_per_minute:,.0f} a "
            f"minute, p99 {self.processing_p99 or 0:,.0f} ms), {self.failed} failed."
        )


def tracked(ask: Ask, minutes: float) -> Tracked:
    """Wait until every event has come to its end; read the logs of the last `minutes`. Raises what `ask` raises."""
    window = "--window", f"{max(60, round(minutes * 60))}s", "--json"
    status = ask("tracking", "status", *window)
    deadline = time.monotonic() + PATIENCE
    while _waiting(status) and time.monotonic() < deadline:
        time.sleep(0.5)
        status = ask("tracking", "status", *window)
    proof = ask("verify", "--system", "tracking", "--topics", "--grace", "1", "--json")
    produced, consumed = (status["regions"]["all"][side] for side in ("produced", "consumed"))
    return Tracked(
        published=proof["published"],
        processed=proof["processed"],
        failed=proof["failed"],
        harms=proof["totals"],
        published_per_minute=produced["done_per_minute"],
        processed_per_minute=consumed["done_per_minute"],
        publish_p99=produced["p99_ms"],
        processing_p99=consumed["p99_ms"],
    )


def _waiting(status: Any) -> int:
    counts = status["regions"]["all"]["backlog"]["counts"]
    open_states = ("PENDING", "PUBLISHING", "RECEIVED", "PROCESSING")
    return sum(count for side in counts.values() for state, count in side.items() if state in open_states)
