"""The embedded local stack: Kafka, Connect with Debezium, PostgreSQL and PgBouncer per region, Prometheus.

Real parts without containers, for the demo, the tests, chaos runs and benchmarks. Everything lies in one
folder, listens on the loopback address alone, and is gone after `clean`. Linux only.
"""

from .errors import PartError, StackError
from .layout import DEFAULT_ROOT, REGIONS
from .stack import Prepare, Stack, prepare_application

__all__ = ["DEFAULT_ROOT", "REGIONS", "PartError", "Prepare", "Stack", "StackError", "prepare_application"]
