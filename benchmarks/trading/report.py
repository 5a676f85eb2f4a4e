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
from benchmarks.terminal import Figures
from benchmarks.trading.work import WAYS, Round
from deploy.local.layout import PROJECT

PAGE = PROJECT / "docs" / "benchmarks" / "trading.md"
PICTURE = PAGE.with_suffix(".svg")
# What seed 004 says that exactly-once costs: so much less throughput, so many more milliseconds.
SHARE, MILLISECONDS = (0.2, 0.3), (10, 100)


@dataclass
class Results:
    """The rounds of each way. `load` is the machine's before the run."""

    signals: int
    rate: int
    brokers: int
    load: float
    rounds: dict[str, list[Round]] = field(default_factory=lambda: {way: [] for way in WAYS})

    def carried(self, way: str) -> list[float]:
        """Decisions a second, by round."""
        return [each.rate for each in self.rounds[way]]

    def milliseconds(self, way: str, share: float) -> float:
        """The percentile of all latencies."""
        return percentile([found for each in self.rounds[way] for found in each.latencies], share) * 1000


def tables(results: Results) -> Iterator[Figures]:
    """Title, columns and rows of every table."""
    exact, plain = WAYS
    columns = ("guarantee", "decisions/s", "least to most", "share", "p50 ms", "p99 ms")
    yield "A backlog, and single signals", columns, [_row(results, way) for way in WAYS]
    less = 1 - median(results.carried(exact)) / median(results.carried(plain))
    more = [results.milliseconds(exact, share) - results.milliseconds(plain, share) for share in (0.5, 0.99)]
    said = [f"{SHARE[0]:.0%} to {SHARE[1]:.0%}", *["{} to {} ms".format(*MILLISECONDS)] * 2]
    found = [f"{less:.0%}", *(f"{each:.1f} ms" for each in more)]
    names = ("less throughput", "more latency, median", "more latency, p99")
    yield (
        "What exactly-once costs",
        ("", "measured", "said of it (seed 004)"),
        list(zip(names, found, said, strict=True)),
    )


def _row(results: Results, way: str) -> Sequence[str]:
    rates = results.carried(way)
    share = median(rates) / median(results.carried(WAYS[1]))
    latencies = (f"{results.milliseconds(way, each):.1f}" for each in (0.5, 0.99))
    return way, f"{median(rates):,.0f}", f"{min(rates):,.0f} to {max(rates):,.0f}", f"{share:.2f}", *latencies


def explanation(results: Results) -> str:
    """What the figures are."""
    rounds = len(results.rounds[WAYS[0]])
    return (
        f"{results.signals:,} signals of ten symbols on nine partitions through one worker, medians of {rounds} rounds "
        f"in turns; then single signals, {results.rate} a second, timed until a read_committed consumer has the "
        f"decision. {results.brokers} broker{'s' if results.brokers > 1 else ''} on the same machine; {machine()}; "
        f"load before the run: {results.load:.1f}."
    )


def show(results: Results, as_json: bool) -> None:
    """Print tables, or one JSON document."""
    terminal.show(results, explanation(results), tables(results), as_json)


def write_page(results: Results) -> None:
    """Write the page and its picture."""
    terminal.write_page(PAGE, Path(__file__).with_name("page.md"), explanation(results), tables(results))
    bars = [(way, median(found), min(found), max(found)) for way in WAYS if (found := results.carried(way))]
    PICTURE.write_text(Bars(bars, "decisions a second, of a backlog", 130).draw(), encoding="utf-8")
