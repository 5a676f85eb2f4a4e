"""What a run says: tables, JSON, and a page with a picture for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import terminal
from benchmarks.picture import Bars
from benchmarks.requests.report import machine
from deploy.local.layout import PROJECT

PAGE = PROJECT / "docs" / "benchmarks" / "tracking.md"
PICTURE = PAGE.with_suffix(".svg")
# Targets: the relay carries so many events a second, or this share of the bare producer's rate; tracking leaves an
# agent this share of its own rate.
RELAY_RATE, RELAY_SHARE, TRACKED_SHARE = 10_000, 0.5, 0.6
_SAYS = {
    "relay": "the relay: take, send, write down where each event is",
    "bare producer": "aiokafka, idempotent, record by record, fed from the same SELECT; writes nothing down",
    "record batches": "the relay's sender fed from the same SELECT; writes nothing down",
    "untracked": "the agent alone",
    "off": "with the inbox: each event once",
    "outcome": "with the inbox and one row an event",
    "full": "with the inbox and every state: RECEIVED, PROCESSING, PROCESSED",
}


@dataclass
class Results:
    """Rates in events a second, one a round; latencies in seconds, sorted. `load` is the machine's before the run."""

    events: int
    rounds: int
    batch: int
    timed: int
    requests: int
    load: float
    relays: dict[str, list[float]] = field(default_factory=dict)
    consumption: dict[str, list[float]] = field(default_factory=dict)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    steps: dict[str, list[float]] = field(default_factory=dict)


Row = tuple[str, ...]
_RATES = ("", "what", "events/s", "least to most", "share", "target")
_STEPS = ("", "what", "steps/s", "least to most", "share", "target")


def tables(results: Results) -> Iterator[tuple[str, Row, list[Row]]]:
    """Title, columns and rows of every table."""
    yield "Log to topic", _RATES, list(_rates(results.relays, "bare producer"))
    yield "The same agent, tracked", _RATES, list(_rates(results.consumption, "untracked"))
    yield "The requests system, observed", _STEPS, list(_steps(results.steps))
    columns = ("commit to topic", "p50 ms", "p99 ms", "most ms")
    yield "Latency", columns, [(way, *_times(found)) for way, found in results.latencies.items()]


def _rates(found: dict[str, list[float]], base: str) -> Iterator[Row]:
    for name in (name for name in _SAYS if name in found):
        rates = found[name]
        share = median(rates) / median(found[base])
        yield name, _SAYS[name], f"{median(rates):,.0f}", _span(rates), f"{share:.2f}", _target(name, rates, share)


def _steps(found: dict[str, list[float]]) -> Iterator[Row]:
    says = {"off": "its changes leave no trace in the log", "outcome": "one row of the log for each change consumed"}
    for name, text in says.items():
        share = median(found[name]) / median(found["off"])
        target = f"{TRACKED_SHARE}: {_verdict(share >= TRACKED_SHARE)}" if name != "off" else ""
        yield name, text, f"{median(found[name]):,.0f}", _span(found[name]), f"{share:.2f}", target


def _target(name: str, rates: Sequence[float], share: float) -> str:
    if name == "relay":
        met = median(rates) >= RELAY_RATE or share >= RELAY_SHARE
        return f"{RELAY_RATE:,}/s or {RELAY_SHARE}: {_verdict(met)}"
    return f"{TRACKED_SHARE}: {_verdict(share >= TRACKED_SHARE)}" if name in ("outcome", "full") else ""


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def _span(rates: Sequence[float]) -> str:
    return f"{min(rates):,.0f} to {max(rates):,.0f}"


def _times(seconds: Sequence[float]) -> Row:
    places = (len(seconds) // 2, len(seconds) * 99 // 100, -1)
    return tuple(f"{seconds[place] * 1000:,.0f}" for place in places)


def explanation(results: Results) -> str:
    """What the figures are."""
    return (
        f"{results.events:,} events of about 200 bytes, a thousand keys, 8 partitions; medians of {results.rounds} "
        f"rounds in turns; consumed in batches of {results.batch:,}; latency of {results.timed:,} events at 100 a "
        f"second; "
        f"backlogs of {results.requests:,} requests. {machine()}; "
        f"one PostgreSQL behind PgBouncer, one broker; load before the run: {results.load:.1f}."
    )


def show(results: Results, as_json: bool) -> None:
    """Print tables, or one JSON document."""
    terminal.show(results, explanation(results), tables(results), as_json)


def write_page(results: Results) -> None:
    """Write the page and its picture."""
    terminal.write_page(PAGE, Path(__file__).with_name("page.md"), explanation(results), tables(results))
    both = {**results.relays, **results.consumption}
    bars = [(name, median(rates), min(rates), max(rates)) for name, rates in both.items()]
    PICTURE.write_text(Bars(bars, "events a second, median").draw(), "utf-8")
