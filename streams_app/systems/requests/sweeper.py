"""What no change asks for any more: deadlines that passed, steps that stood back, signals whose change went astray."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from streams_app import metrics
from streams_app.errors import RegionUnavailableError
from streams_app.systems.requests.model import SignalKind
from streams_app.systems.requests.orchestrator import SYSTEM, Orchestrator
from streams_app.systems.requests.store import RequestKey, Store
from streams_app.systems.requests.workflow import WorkflowBook

logger = logging.getLogger(__name__)

LIMIT = 500
# Looking for unheard signals reads every waiting request: not at every sweep.
THOROUGH_EVERY = 12


class Sweeper:
    """Looks after one region. Any number of workers may sweep it: the guards make their steps once."""

    def __init__(
        self,
        store: Store,
        orchestrator: Orchestrator,
        book: WorkflowBook,
        region: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._orchestrator = orchestrator
        self._region = region
        self._clock = clock
        self._nodes = [node for _, node in book.by_link.values() if not node.is_terminal]
        self._redrive = min(node.deadline for node in self._nodes if node.run is not None)
        self._heard = [
            (node.link_id, kind.value)
            for workflow, node in book.by_link.values()
            for kind in SignalKind
            if (node.name, kind.value) in workflow.rules
        ]
        self._sweeps = 0

    async def sweep(self) -> int:
        """Drive what needs it, at most LIMIT requests; returns how many. Raises what the database raises."""
        now = self._clock()
        before = {node.link_id: now - timedelta(seconds=node.deadline) for node in self._nodes}
        long_ago = now - timedelta(seconds=self._redrive)
        keys = await self._store.overdue(self._region, before, long_ago, LIMIT)
        if self._sweeps % THOROUGH_EVERY == 0:
            keys += await self._store.unheard(self._region, self._heard, long_ago, LIMIT)
        self._sweeps += 1
        metrics.BACKLOG.labels(SYSTEM, "overdue", self._region).set(len(keys))
        await self._drive(keys)
        return len(keys)

    async def resume(self) -> None:
        """Drive what stood back while another region was down, for as long as that helps. Raises as `sweep` does."""
        postponed = self._orchestrator.postponed[self._region]
        while keys := list(islice(postponed, LIMIT)):
            await self._drive(keys)
            if any(key in postponed for key in keys):
                return

    async def _drive(self, keys: Sequence[RequestKey]) -> None:
        try:
            await self._orchestrator.advance(keys)
        except RegionUnavailableError:
            raise
        except Exception:
            # One request that fails for good must not keep the others from their deadlines.
            for key in keys:
                try:
                    await self._orchestrator.advance([key])
                except Exception:
                    extra = {"request_id": key.request_id, "region": self._region}
                    logger.exception("an overdue request fails for good", extra=extra)
