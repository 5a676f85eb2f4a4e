"""App B: which topics the requests system consumes, what a record asks for, and how a batch is processed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from streams_app.backoff import Backoff
from streams_app.changefeed import Change, FeedSpec, Op, RecordLike, Resolved, decode
from streams_app.databases import Regions
from streams_app.delivery.ports import Outcome, Rejected, Rejection
from streams_app.delivery.sequencer import sequence_number
from streams_app.systems.requests.model import Context, Status
from streams_app.systems.requests.orchestrator import SYSTEM, Orchestrator, observe_end_to_end
from streams_app.systems.requests.store import RequestKey
from streams_app.systems.requests.workflow import WorkflowBook
from streams_app.topics import NEW_REQUESTS, REQUEST_SIGNALS, REQUEST_STATUS

TERMINAL = frozenset(status.value for status in Status if not status.is_open)
# How often a request is looked for, over about a second. The log of the database is read as soon as it is flushed: a
# change may be here before the commit that made it can be seen by others; never for as long as NEW_SECONDS.
LOOKS = 5
NEW_SECONDS = 30.0
_PATIENCE = Backoff(first=0.05, most=0.5)
TOPICS = (NEW_REQUESTS, REQUEST_STATUS, REQUEST_SIGNALS)


class RequestsHandler:
    """The requests system as the delivery core sees it.

    Every change of a request, whatever its topic, says one thing: look at this request. What happens is decided from
    the request's rows, never from the message, so that late, repeated and reordered messages do no harm.
    """

    system = SYSTEM
    # A change of a head tells of all that came before it.
    history = None

    def __init__(self, orchestrator: Orchestrator, book: WorkflowBook, regions: Regions, max_value_bytes: int) -> None:
        self._orchestrator = orchestrator
        self._book = book
        self._regions = regions
        plain = FeedSpec(key_column="request_id", max_value_bytes=max_value_bytes)
        numbered = FeedSpec(key_column="request_id", version_column="seq_num", max_value_bytes=max_value_bytes)
        self._specs = {NEW_REQUESTS.name: plain, REQUEST_STATUS.name: numbered, REQUEST_SIGNALS.name: plain}

    def decode(self, record: RecordLike) -> Change | None:
        """The change, or None for resolved timestamps and echoes of our own writes. Raises Undecodable, Rejected."""
        change = decode(record, self._specs[record.topic])
        if isinstance(change, Resolved):
            return None
        if change.op is Op.DELETE:
            raise Rejected("unexpected_delete", "rows of requests are never deleted")
        self._check_region(change, request_key(change))
        row = change.after or {}
        self._check_codes(row)
        # request_info follows the head: its later changes are our own, and ask for nothing.
        if record.topic == NEW_REQUESTS.name and row.get("request_status_id", Status.PENDING) != Status.PENDING:
            return None
        # Only the heads are numbered; the other feeds' log positions do not compare with those numbers.
        return change if sequence_number(change) is not None else replace(change, version=None)

    def _check_region(self, change: Change, key: RequestKey) -> None:
        """CockroachDB puts the row's home before the other columns of its key."""
        if len(change.key_parts) < 3 or not isinstance(home := change.key_parts[0], str):
            return
        expected = self._regions.of(key.locality)
        if home != expected:
            known = home in self._regions.names
            raise Rejected(
                "wrong_region" if known else "unknown_region",
                f"region {home[:40]!r}, expected {expected!r} for locality {key.locality}",
            )

    def _check_codes(self, row: dict[str, Any]) -> None:
        type_id, link_id = row.get("request_type_id"), row.get("action_state_link_id")
        if type_id is not None and type_id not in self._book.by_type:
            raise Rejected("unknown_request_type", f"request_type_id {type_id!r}")
        if link_id is not None and link_id not in self._book.by_link:
            raise Rejected("unknown_link", f"action_state_link_id {link_id!r}")

    def route(self, change: Change) -> str:
        """The region of the change's request."""
        return self._regions.of(request_key(change).locality)

    def ended(self, change: Change) -> bool:
        """Whether the request has reached a terminal state."""
        return (change.after or {}).get("status_id") in TERMINAL

    async def process(self, route: str, changes: Sequence[Change]) -> Outcome:
        """Give every changed request its next step."""
        found = await self._advance(route, changes)
        rejections = []
        for change in changes:
            key = request_key(change)
            rejection = self._rejection(change, found[key.request_id])
            if rejection is None:
                observe_end_to_end(route, change.source_time)
            else:
                rejections.append(rejection)
        return Outcome(rejections)

    async def _advance(self, route: str, changes: Sequence[Change]) -> dict[UUID, Context | None]:
        found = await self._orchestrator.advance_region(route, [request_key(change) for change in changes])
        for look in range(1, LOOKS):
            unseen = [c for c in changes if _is_new(c) and _is_behind(c, found[request_key(c).request_id])]
            if not unseen:
                break
            await asyncio.sleep(_PATIENCE.pause(look, 0))
            found |= await self._orchestrator.advance_region(route, [request_key(change) for change in unseen])
        return found

    def _rejection(self, change: Change, context: Context | None) -> Rejection | None:
        if context is None:
            return Rejection(change, "request_not_found", "no such request in the region of its locality")
        if not self._orchestrator.knows(context):
            return Rejection(change, "unknown_request_type", f"request_type_id {context.request.type_id}")
        if _is_behind(change, context):
            # A message that the database never wrote, or a restored database.
            version, head = sequence_number(change), context.head
            return Rejection(change, "ahead_of_head", f"seq_num {version}, head {head.seq_num if head else None}")
        return None


def _is_new(change: Change) -> bool:
    return change.source_time is None or time.time() - change.source_time < NEW_SECONDS


def _is_behind(change: Change, context: Context | None) -> bool:
    """Whether the database does not show yet what the change tells of."""
    if context is None:
        return True
    version, head = sequence_number(change), context.head
    return version is not None and (head is None or head.seq_num < version)


def request_key(change: Change) -> RequestKey:
    """Where the change's request is: from the row, else from the key's columns. Raises Rejected."""
    try:
        request_id = UUID(change.key)
    except ValueError:
        raise Rejected("bad_request_id", f"not a uuid: {change.key[:80]!r}") from None
    locality = (change.after or change.before or {}).get("locality")
    if locality is None and len(change.key_parts) > 1:
        locality = change.key_parts[-2]
    if isinstance(locality, bool) or not isinstance(locality, int) or not 0 <= locality <= 29:
        raise Rejected("bad_locality", f"locality {str(locality)[:20]}, expected 0 to 29")
    return RequestKey(locality, request_id)
