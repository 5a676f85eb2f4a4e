"""What a run says: tables, JSON, and a page with a picture for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import terminal
from benchmarks.picture import Bars
from benchmarks.regions.figures import percentile
from benchmarks.requests.report import machine
from benchmarks.traces.calls import LIMITS, Times
from benchmarks.traces.overhead import GROUPS, Cost
from deploy.local.layout import PROJECT

PAGE = PROJECT / "docs" / "benchmarks" / "traces.md"
PICTURE = PAGE.with_suffix(".svg")
# Targets: ingest carries so many events a second, or this share of COPY; an index may cost so much (seed 002).
INGEST_RATE, INGEST_SHARE, INDEX_SHARE = 10_000, 0.7, 0.3
#: What goes on while questions are asked.
ASIDE = {"nothing": "nothing", "1,000/s": "ingest of 1,000 events a second", "full speed": "ingest at full speed"}


@dataclass
class Results:
    """Rates in events a second, one a round; times in seconds. `load` is the machine's before the run."""

    events: int
    ingest: int
    calls: int
    load: float
    stored: int = 0
    fill_rate: float = 0.0
    ours: list[float] = field(default_factory=list)
    copy: list[float] = field(default_factory=list)
    redelivered: int = 0
    added: int = 0
    #: By what went on aside: the seconds of every call, by method; and events a second that were stored meanwhile.
    answers: dict[str, Times] = field(default_factory=dict)
    aside: dict[str, float] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)


Row = tuple[str, ...]
TableOf = tuple[str, Row, list[Row]]
_ASKED = ("meanwhile", "events/s", "question", "calls", "p50 ms", "p95 ms", "target")
_COSTS = ("indexes", "rows/s", "time", "table MB", "indexes MB", "target")


def tables(results: Results) -> Iterator[TableOf]:
    """Title, columns and rows of every table."""
    if results.ours:
        yield "Ingest", ("", "what", "events/s", "least to most", "share", "target"), list(_rates(results))
        redelivered = (f"{results.redelivered:,}", f"{results.added:,}", f"0: {verdict(results.added == 0)}")
        yield "Redelivery", ("events that came again", "rows added", "target"), [redelivered]
    yield "Questions", _ASKED, list(_questions(results))
    yield "What indexes cost", _COSTS, list(_costs(results))


def _rates(results: Results) -> Iterator[Row]:
    share = median(results.ours) / median(results.copy)
    met = median(results.ours) >= INGEST_RATE or share >= INGEST_SHARE
    says = "a worker: from the topics, checked, each event once"
    target = f"{INGEST_RATE:,}/s or {INGEST_SHARE}: {verdict(met)}"
    yield "ingest", says, f"{median(results.ours):,.0f}", _span(results.ours), f"{share:.2f}", target
    says = "rows that are ready, one COPY a region"
    yield "COPY", says, f"{median(results.copy):,.0f}", _span(results.copy), "1.00", ""


def _questions(results: Results) -> Iterator[Row]:
    for aside, times in results.answers.items():
        rate = f"{results.aside[aside]:,.0f}" if aside in results.aside else ""
        for name, seconds in times.items():
            p50, p95 = (percentile(seconds, fraction) * 1000 for fraction in (0.5, 0.95))
            target = f"{LIMITS[name]:g}: {verdict(p95 < LIMITS[name])}"
            yield ASIDE[aside], rate, name, str(len(seconds)), f"{p50:.1f}", f"{p95:.1f}", target


def _costs(results: Results) -> Iterator[Row]:
    base = results.costs[next(iter(GROUPS))]
    for name in GROUPS:
        cost = results.costs[name]
        more = cost.seconds / base.seconds - 1
        target = f"{INDEX_SHARE:.0%}: {verdict(more <= INDEX_SHARE)}" if name.startswith("all") else ""
        size = (f"{cost.table / 1e6:,.1f}", f"{cost.indexes / 1e6:,.1f}")
        yield name, f"{results.ingest / cost.seconds:,.0f}", f"{more:+.0%}", *size, target


def verdict(met: bool) -> str:
    """A word for it."""
    return "met" if met else "missed"


def _span(rates: Sequence[float]) -> str:
    return f"{min(rates):,.0f} to {max(rates):,.0f}"


def explanation(results: Results) -> str:
    """What the figures are."""
    return (
        f"{results.stored:,} stored events of about 600 bytes in three regions, copied at {results.fill_rate:,.0f} a "
        f"second; ingest of {results.ingest:,} events a round, medians of {len(results.ours)} rounds in turns with "
        f"COPY; "
        f"{machine()}; three PostgreSQL behind PgBouncer and one broker on the same processors; load before the run: "
        f"{results.load:.1f}."
    )


def show(results: Results, as_json: bool) -> None:
    """Print tables, or one JSON document."""
    terminal.show(results, explanation(results), tables(results), as_json)


def write_page(results: Results) -> None:
    """Write the page and its picture."""
    terminal.write_page(PAGE, Path(__file__).with_name("page.md"), explanation(results), tables(results))
    rates = {"ingest": results.ours, "COPY": results.copy}
    rates |= {name: [results.ingest / results.costs[name].seconds] for name in GROUPS}
    bars = [(name, median(found), min(found), max(found)) for name, found in rates.items()]
    PICTURE.write_text(
        Bars(bars, "rows a second: into the store, and into a table with some indexes", 190).draw(), "utf-8"
    )
