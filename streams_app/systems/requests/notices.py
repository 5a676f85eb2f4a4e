"""Clients are told how their requests ended: the effect of the requests' own events, made once by the inbox."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from streams_app.databases import Regions, Statements
from streams_app.databases.connecting import Connection
from streams_app.delivery.ports import Rejected

SQL = Statements(Path(__file__).with_name("notices.sql"))
SYSTEM = "notices"


class Told(Protocol):
    """An event, as far as it is looked at here."""

    @property
    def event_id(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


class Notices:
    """The consumer of the requests' outcomes."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    def route(self, event: Told) -> str:
        """The region of the event's request. Raises Rejected."""
        locality = event.data.get("locality")
        if isinstance(locality, bool) or not isinstance(locality, int) or not 0 <= locality <= 29:
            raise Rejected("bad_locality", f"locality {str(locality)[:20]}, expected 0 to 29")
        return self._regions.of(locality)

    async def tell(self, connection: Connection, region: str, events: Sequence[Told]) -> None:
        """Write the notices of events."""
        await connection.execute(
            SQL["tell"],
            {
                "localities": [event.data["locality"] for event in events],
                "request_ids": [event.data.get("request_id") for event in events],
                "status_ids": [event.data.get("status_id") for event in events],
                "event_ids": [event.event_id for event in events],
            },
        )
