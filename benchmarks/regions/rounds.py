"""Rounds: in each, every cell of an experiment runs once, in an order drawn by the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from benchmarks.regions.experiment import Cell, Experiment, Size
from benchmarks.regions.figures import Figures
from benchmarks.regions.place import Place

#: By cell, what each round measured.
Rounds = dict[Cell, list[Figures]]


def run_rounds(place: Place, experiment: Experiment, size: Size, note: Callable[[str], None]) -> Rounds:
    """Run all cells `size.rounds` times; `note` is told what runs. Raises RunError."""
    cells: Sequence[Cell] = experiment.cells(size)
    found: Rounds = {cell: [] for cell in cells}
    rng = random.Random(f"{size.seed}-{experiment.name}")  # noqa: S311
    with experiment.prepared(place):
        for _ in range(min(size.rounds, experiment.most_rounds)):
            for cell in rng.sample(cells, len(cells)):
                note(f"{experiment.name}: {', '.join(map(str, cell))}")
                found[cell].append(experiment.run(place, cell, size))
    return found
