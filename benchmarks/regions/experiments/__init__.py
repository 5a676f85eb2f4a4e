"""The experiments, one module each."""

from benchmarks.regions.experiment import Experiment
from benchmarks.regions.experiments.batches import Batches
from benchmarks.regions.experiments.contention import Contention
from benchmarks.regions.experiments.direct import Direct
from benchmarks.regions.experiments.faults import Faults
from benchmarks.regions.experiments.pool_size import PoolSize
from benchmarks.regions.experiments.pooling import Pooling

EXPERIMENTS: tuple[Experiment, ...] = (Pooling(), PoolSize(), Direct(), Contention(), Batches(), Faults())
