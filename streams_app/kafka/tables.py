"""Where Faust's tables meet ours: Faust assigns partitions and holds the flow, we recover in its place."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import faust.stores.base
import faust.tables
import faust.tables.recovery
from faust.types import TP

from streams_app.kafka.recovery import recover
from streams_app.kafka.stores import Partition


class VersionStore(faust.stores.base.Store):  # type: ignore[misc]
    """Partitions of marks, as many as the worker has. Registered as `versions://…` under `faust.stores`.

    Options of its table: `partitions`, which makes them, and `broker_url`.
    """

    data: dict[Any, Any]
    #: By number; those of the changelog that this worker has.
    partitions: dict[int, Partition]
    _recovering: asyncio.Task[None] | None

    def __post_init__(self) -> None:
        self.data = {}  # Faust writes nothing here
        self.partitions = {}
        self._recovering = None

    def __len__(self) -> int:
        return sum(len(partition) for partition in self.partitions.values())

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Partitions that went are dropped; those that stay keep what they have, also of a recovery cut short."""
        await self._stop_recovering()
        mine = self._numbers(assigned)
        for number in self.partitions.keys() - mine:
            self.partitions.pop(number).close()

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Recover. Faust calls this when its own recovery is over, and lets no record through before it returns.

        A rebalance in the meantime cancels it; Faust then calls it again.
        """
        for number in sorted(self._numbers(active_tps) - self.partitions.keys()):
            self.partitions[number] = self.options["partitions"].open(number)
        topic = self.table.changelog_topic_name
        task = asyncio.ensure_future(recover(self.options["broker_url"], self.table.name, topic, self.partitions))
        self._recovering = task
        await asyncio.wait({task})
        # Faust would take no notice of an exception here.
        error = None if task.cancelled() else task.exception()
        if error is not None:
            await self.app.crash(error)

    async def on_stop(self) -> None:
        """Let go of every partition."""
        await self._stop_recovering()
        while self.partitions:
            self.partitions.popitem()[1].close()
        self.options["partitions"].release()

    async def _stop_recovering(self) -> None:
        if self._recovering is not None and not self._recovering.done():
            self._recovering.cancel()
            await asyncio.wait({self._recovering})

    def _numbers(self, tps: Iterable[TP]) -> set[int]:
        topic = self.table.changelog_topic_name
        return {tp.partition for tp in tps if tp.topic == topic}

    def persisted_offset(self, tp: TP) -> int | None:
        """Nothing that Faust would have to go on from."""
        return None

    def reset_state(self) -> None:
        """Delete what is on disk."""
        self.options["partitions"].delete()

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Faust's own recovery brings nothing: see `Recovery`."""

    async def backup_partition(self, tp: Any, flush: bool = True, purge: bool = False, keep: int = 1) -> None:
        """The changelog is the backup."""

    def restore_backup(self, tp: Any, latest: bool = True, backup_id: int = 0) -> None:
        """The changelog is the backup."""


class Recovery(faust.tables.recovery.Recovery):  # type: ignore[misc]
    """Faust's recovery, which takes its turn around ours: it finds nothing to read of a VersionStore.

    It goes record by record, about 12,000 a second, and waits for ever at the marker of a transaction.
    """

    def active_remaining(self) -> Counter[TP]:
        """Faust's own tables only."""
        remaining: Mapping[TP, int] = super().active_remaining()
        return Counter({tp: n for tp, n in remaining.items() if not isinstance(self._store(tp), VersionStore)})

    def _store(self, tp: TP) -> Any:
        return self.tp_to_table[tp].data


class TableManager(faust.tables.TableManager):  # type: ignore[misc]
    """Faust's manager of tables, with our Recovery; without the second that it sleeps first: all tables are declared
    before the app starts, none of them by an agent.
    """

    _recovery: Recovery | None

    async def on_start(self) -> None:
        """Subscribe to the changelogs and begin to recover."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        """The recovery service."""
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
