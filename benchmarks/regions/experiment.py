"""What an experiment is, and what it hands to the report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

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


class Experiment(ABC):
    """One experiment. `cells` are run in a shuffled order, each once a round, while it is `prepared`."""

    name: str
    #: More rounds than these show nothing more.
    most_rounds = 100

    @abstractmethod
    def cells(self, size: Size) -> list[Cell]:
        """What is varied."""

    def prepared(self, place: Place) -> AbstractContextManager[None]:
        """What is needed beside the place, while it is needed."""
        return nullcontext()

    @abstractmethod
    def run(self, place: Place, cell: Cell, size: Size) -> Figures:
        """Measure one cell once. Raises RunError."""

    @abstractmethod
    def section(self, results: Results, size: Size) -> Section:
        """What came out."""
