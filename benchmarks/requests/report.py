"""What a run says: tables, JSON, and a page with a picture for the documentation."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.picture import Bars
from benchmarks.requests.rivals import RIVALS
from benchmarks.requests.rounds import Contestant, Result, ratios
from benchmarks.requests.work import CHANGES_OF_A_KEY, PARTITIONS, REPEATS
from deploy.local.layout import PROJECT

PAGE = PROJECT / "docs" / "benchmarks" / "requests.md"
PICTURE = PAGE.with_suffix(".svg")
_WIDTH = 140
_SAYS = {rival.name: rival.says for rival in RIVALS}


@dataclass(frozen=True, slots=True)
class Setup:
    """What was asked for, and the machine's load (one minute) before it began."""

    events: int
    rounds: int
    batch: int
    seed: int
    load: float


@dataclass(frozen=True, slots=True)
class Line:
    """One contestant: rates in changes a second; `ratio` is our median over its median."""

    name: str
    says: str
    records: int
    batch: int
    median: float
    least: float
    most: float
    processor: float
    ratio: float | None
    target: float | None

    def cells(self) -> tuple[str, ...]:
        """As people read it."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        target = "" if self.target is None else f"≥ {self.target:g}"
        rates = f"{self.median:,.0f}", f"{self.least:,.0f} to {self.most:,.0f}"
        return self.name, self.says, *rates, f"{self.processor:.1f}", ratio, target


COLUMNS = ("", "what", "changes/s", "least to most", "own CPU µs", "ours is × of it", "target")


@dataclass(frozen=True, slots=True)
class Report:
    """Every contestant's rates."""

    setup: Setup
    results: Mapping[str, Result]
    contestants: Sequence[Contestant]

    def lines(self) -> list[Line]:
        """In the order of the contestants; those that are compared by nothing but their rate, fastest first."""
        found = ratios(self.results)
        lines = [
            Line(
                name=one.name,
                says=_SAYS.get(one.name, ""),
                records=one.records,
                batch=one.batch,
                median=self.results[one.name].median,
                least=min(self.results[one.name].rates),
                most=max(self.results[one.name].rates),
                processor=self.results[one.name].processor,
                ratio=found.get(one.name, (None, None))[0],
                target=found.get(one.name, (None, None))[1],
            )
            for one in self.contestants
        ]
        return lines if lines[0].says else sorted(lines, key=lambda line: -line.median)

    def show(self, as_json: bool) -> None:
        """Print a table, or one JSON document with every single run."""
        if as_json:
            runs = {name: [asdict(run) for run in result.runs] for name, result in self.results.items()}
            document = {"setup": asdict(self.setup), "machine": machine(), "runs": runs}
            print(json.dumps({**document, "summary": [asdict(line) for line in self.lines()]}, indent=2))
            return
        table = Table(title="\n".join(self.explanation()), title_justify="left", title_style="")
        for column in COLUMNS:
            table.add_column(column, justify="right" if column in COLUMNS[2:] else "left", no_wrap=True)
        for line in self.lines():
            table.add_row(*line.cells())
        Console(width=_WIDTH).print(table)

    def explanation(self) -> Iterator[str]:
        """What the figures are."""
        yield (
            f"{self.setup.events:,} records on {PARTITIONS} partitions, {CHANGES_OF_A_KEY} changes a key, one record "
            f"in {REPEATS} sent twice; medians of {self.setup.rounds}, in turns."
        )
        yield (
            f"{machine()}; one worker process, one PostgreSQL behind PgBouncer, one broker; "
            f"load before the run: {self.setup.load:.1f}."
        )

    def write(self) -> None:
        """Write the page and its picture."""
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        bars = [(line.name, line.median, line.least, line.most) for line in self.lines()]
        PICTURE.write_text(Bars(bars, "changes a second, median").draw(), "utf-8")
        rows = [COLUMNS, ("---",) * len(COLUMNS), *(line.cells() for line in self.lines())]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        template = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
        page = template.replace("{{figures}}", "\n".join([*self.explanation(), "", table]))
        PAGE.write_text(page.replace("{{batch}}", f"{self.setup.batch:,}"), encoding="utf-8")


def machine() -> str:
    """What the figures were measured on."""
    parts: list[Any] = [
        f"{os.cpu_count()} processors",
        f"Python {platform.python_version()}",
        f"psycopg {psycopg.__version__}",
    ]
    return ", ".join(parts)
