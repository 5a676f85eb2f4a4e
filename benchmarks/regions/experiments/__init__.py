"""The experiments, one module each."""

from benchmarks.regions.experiment import Experiment
from benchmarks.regions.experiments.direct import Direct
from benchmarks.regions.experiments.pool_size import PoolSize

EXPERIMENTS: tuple[Experiment, ...] = (PoolSize(), Direct())
