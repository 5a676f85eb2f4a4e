"""What a run says: tables, JSON, and a page with pictures for the documentation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import terminal
from benchmarks.allocations.capture import BLOCKS
from benchmarks.allocations.cycles import PACED, WAYS, Cycle
from benchmarks.picture import Bars
from benchmarks.requests.report import machine
from benchmarks.terminal import Figures
from deploy.local.layout import PROJECT
from streams_app.systems.allocations.measured import Measured
from streams_app.systems.allocations.picture import svg
from streams_app.systems.allocations.report import GUARANTEED
from streams_app.systems.allocations.scenario import How, Way

PAGE = PROJECT / "docs" / "benchmarks" / "allocations.md"
PHASES = PAGE.with_name("allocations-phases.svg")
PICTURE = PAGE.with_suffix(".svg")
# Of the set-based inserts of the same rows.
TARGET = 0.6
_MEGABYTE = 1024 * 1024


@dataclass
class Results:
    """The rounds of everything. Rates in executions a second; `load` is the machine's before the run."""

    rounds: int
    executions: int
    load: float
    hows: dict[str, How]
    compared: list[Cycle] = field(default_factory=list)
    #: The same beside a market that takes its time.
    paced: list[Cycle] = field(default_factory=list)
    captured: list[float] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    grown: list[Cycle] = field(default_factory=list)


def tables(results: Results) -> Iterator[Figures]:
    """Title, columns and rows of every table."""
    if results.compared:
        yield _compared("as fast as it goes", WAYS, results.compared)
        yield _compared("beside a market that takes its time", PACED, results.paced)
        promised = [(way, GUARANTEED[how]) for way, how in results.hows.items()]
        yield "What each way promises, beside the transaction of every single step", ("way", "guaranteed"), promised
    if results.captured:
        yield _captured(results)
    if results.grown:
        yield _grown(results)


def _compared(when: str, ways: Sequence[Way], cycles: Sequence[Cycle]) -> Figures:
    first = cycles[0]
    columns = (
        *("way", "seconds", "least to most", "fills/s", "first fills s", "p50 s", "p99 s", "lock waits s"),
        *("deadlocks", "retries", "memory MB"),
    )
    rows = [_way(cycles, way.name) for way in ways]
    return f"{first.accounts:,} accounts, {first.orders:,} customer orders, {when}", columns, rows


def _way(cycles: Sequence[Cycle], way: str) -> Sequence[str]:
    rounds = [cycle for cycle in cycles if cycle.way == way]
    seconds = [cycle.seconds for cycle in rounds]
    return (
        way,
        f"{median(seconds):.1f}",
        f"{min(seconds):.1f} to {max(seconds):.1f}",
        f"{median(cycle.fills / cycle.seconds for cycle in rounds):,.0f}",
        f"{median(cycle.first for cycle in rounds):.1f}",
        f"{median(cycle.p50 for cycle in rounds):.2f}",
        f"{median(cycle.p99 for cycle in rounds):.2f}",
        f"{median(cycle.waited for cycle in rounds):.1f}",
        f"{sum(cycle.deadlocks for cycle in rounds):,}",
        f"{sum(cycle.retries for cycle in rounds):,}",
        f"{max(cycle.workers for cycle in rounds) / _MEGABYTE:,.0f}",
    )


def _captured(results: Results) -> Figures:
    columns = ("", "executions/s", "least to most", "share", "target")
    share = median(results.captured) / median(results.limits)
    verdict = f"≥ {TARGET:g}: {'met' if share >= TARGET else 'missed'}"
    ours = ("trade capture, one worker", *_rates(results.captured), f"{share:.2f}", verdict)
    return "Trade capture", columns, [ours, ("set-based inserts alone", *_rates(results.limits), "1", "")]


def _rates(found: Sequence[float]) -> tuple[str, str]:
    return f"{median(found):,.0f}", f"{min(found):,.0f} to {max(found):,.0f}"


def _grown(results: Results) -> Figures:
    columns = ("accounts", "customer orders", "fills", "seconds", "fills/s", "workers MB", "PostgreSQL MB", "growth")
    return "Growth, behind Kafka on two workers", columns, [_size(results.grown[0], cycle) for cycle in results.grown]


def _size(first: Cycle, cycle: Cycle) -> Sequence[str]:
    larger, longer = cycle.accounts / first.accounts, cycle.seconds / first.seconds
    return (
        *(f"{count:,}" for count in (cycle.accounts, cycle.orders, cycle.fills)),
        f"{cycle.seconds:.0f}",
        f"{cycle.fills / cycle.seconds:,.0f}",
        *(f"{size / _MEGABYTE:,.0f}" for size in (cycle.workers, cycle.databases)),
        f"× {longer:.1f} of time for × {larger:.0f} of accounts" if cycle is not first else "",
    )


def explanation(results: Results) -> str:
    """What the figures are."""
    return (
        f"Medians of {results.rounds} rounds in turns; p50 and p99: from an execution at the market to its fills in "
        f"all accounts; lock waits: of all sessions together; trade capture: {results.executions:,} executions of "
        f"{BLOCKS} block orders. {machine()}, with Kafka, Connect and three PostgreSQL on it; load before the run: "
        f"{results.load:.1f}."
    )


def show(results: Results, as_json: bool) -> None:
    """Print tables, or one JSON document."""
    terminal.show(results, explanation(results), tables(results), as_json)


def write_page(results: Results, last: Sequence[Measured]) -> None:
    """Write the page and its pictures; `last` is the comparison's last round."""
    terminal.write_page(PAGE, Path(__file__).with_name("page.md"), explanation(results), tables(results))
    PHASES.write_text(svg(last), encoding="utf-8")
    bars = [
        (name, median(found), min(found), max(found))
        for name, found in (("trade capture", results.captured), ("inserts alone", results.limits))
    ]
    PICTURE.write_text(Bars(bars, "executions a second", 130).draw(), encoding="utf-8")
