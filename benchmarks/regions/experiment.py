"""What an experiment is, and what it hands to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.picture import Chart
from benchmarks.regions.figures import Figures
from benchmarks.regions.load import Window
from benchmarks.regions.place import Place

#: What is varied: the values of one cell of the experiment's plan.
Cell = tuple[str | int | float, ...]
#: The medians over the rounds.
Results = Mapping[Cell, Figures]


class RunError(RuntimeError):
    """A run left other rows than it should have, or could not be made; the message says which."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done: rounds of every cell, seconds of each, and fewer cells when `quick`."""

    rounds: int
    seconds: float
    quick: bool
    seed: int

    @property
    def window(self) -> Window:
        """What counts of a run of one cell."""
        return Window(self.seconds / 3, self.seconds)

    def some(self, values: Sequence[int]) -> list[int]:
        """All values; when quick the first, the middle and the last."""
        if not self.quick or len(values) < 4:
            return list(values)
        return [values[0], values[len(values) // 2], values[-1]]


@dataclass(frozen=True, slots=True)
class Section:
    """One experiment as people read it. The three paragraphs: what was done, what it shows, the recommended value."""

    title: str
    done: str
    shows: str
    advice: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    charts: Mapping[str, Chart]


class Experiment(Protocol):
    """One experiment. `cells` are run in a shuffled order, each once a round."""

    name: str

    def cells(self, size: Size) -> list[Cell]:
        """What is varied."""

    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """Measure one cell once. Raises RunError."""

    def section(self, results: Results, size: Size) -> Section:
        """What came out."""
