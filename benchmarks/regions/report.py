"""What a run says: tables, JSON, and a page with pictures for the documentation."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.regions.experiment import Experiment, Section, Size
from benchmarks.regions.figures import Figures, medians
from benchmarks.regions.rounds import Rounds
from benchmarks.requests.report import machine
from deploy.local.layout import PROJECT

PAGE = PROJECT / "docs" / "benchmarks" / "regions.md"
_WIDTH = 140


@dataclass(frozen=True, slots=True)
class Report:
    """All experiments that ran. `load` is the machine's load (one minute) before the run."""

    size: Size
    load: float
    experiments: Mapping[str, Experiment]
    rounds: Mapping[str, Rounds]

    def sections(self) -> Iterator[tuple[str, Section]]:
        """By the experiment's name, what came out."""
        for name, experiment in self.experiments.items():
            results = {cell: medians(found) for cell, found in self.rounds[name].items()}
            yield name, experiment.section(results, self.size)

    def show(self, as_json: bool) -> None:
        """Print tables, or one JSON document with every single run."""
        if as_json:
            print(json.dumps(self.document(), indent=2))
            return
        console = Console(width=_WIDTH)
        console.print(self.explanation(), highlight=False)
        for _, section in self.sections():
            table = Table(title=section.title, title_justify="left")
            for column in section.columns:
                table.add_column(column, justify="left" if column in ("", section.columns[0]) else "right")
            for row in section.rows:
                table.add_row(*row)
            console.print(table)
            for words in (section.done, section.shows, section.advice):
                console.print(words, highlight=False)

    def document(self) -> dict[str, Any]:
        """Everything as JSON holds it."""
        runs = {
            name: [{"cell": cell, "rounds": [_plain(one) for one in found]} for cell, found in rounds.items()]
            for name, rounds in self.rounds.items()
        }
        sections = {
            name: {"columns": section.columns, "rows": section.rows, "shows": section.shows, "advice": section.advice}
            for name, section in self.sections()
        }
        return {"size": asdict(self.size), "machine": machine(), "load": self.load, "runs": runs, "summary": sections}

    def explanation(self) -> str:
        """What the figures are."""
        return (
            f"{machine()}; clients, poolers and databases share them; load before the run: {self.load:.1f}. Medians "
            f"of {self.size.rounds}, in shuffled turns, {self.size.seconds:g} s each after a third of that to warm up."
        )

    def write(self) -> None:
        """Write the page and its pictures."""
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        template = Path(__file__).with_name("page.md").read_text(encoding="utf-8")
        sections = "\n".join(_markdown(name, section) for name, section in self.sections())
        page = template.replace("{{setup}}", _wrapped(self.explanation())).replace("{{sections}}", sections.rstrip())
        PAGE.write_text(page, encoding="utf-8")
        for name, section in self.sections():
            for suffix, chart in section.charts.items():
                _picture(name, suffix).write_text(chart.draw(), encoding="utf-8")


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _WIDTH - 4, break_long_words=False, break_on_hyphens=False)


def _plain(figures: Figures) -> dict[str, float | None]:
    """As JSON holds it, which has no NaN."""
    return {name: None if math.isnan(value) else value for name, value in figures.items()}


def _picture(name: str, suffix: str) -> Path:
    return PAGE.with_name("-".join(part for part in ("regions", name, suffix) if part) + ".svg")


def _markdown(name: str, section: Section) -> str:
    rows = [section.columns, ("---",) * len(section.columns), *section.rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    pictures = "\n".join(
        f"![{re.sub('[^a-z]+', ' ', f'{name} {suffix}').strip()}]({_picture(name, suffix).name})"
        for suffix in section.charts
    )
    words = [
        _wrapped(f"**{title}.** {text}")
        for title, text in (("Done", section.done), ("Shows", section.shows), ("Recommended", section.advice))
    ]
    return "\n\n".join([f"## {section.title}", *words, table, pictures, ""])
