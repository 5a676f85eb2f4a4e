"""The order management step: block orders go to the market and to allocations, at the day's open price."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from streams_app.allocation_settings import DomainName, StepName
from streams_app.databases import Statements
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.messages import BLOCK_ORDERS, Payload, order_sent
from streams_app.systems.allocations.model import Side
from streams_app.systems.allocations.quotes import Quotes

SQL = Statements(Path(__file__).with_name("orders.sql"))


class Oms:
    """Sends block orders that are NEW; one that was cancelled before stays where it is."""

    name: StepName = "oms"
    domain: DomainName = "orders"
    topic = BLOCK_ORDERS

    def __init__(self, quotes: Quotes) -> None:
        self._quotes = quotes

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Send block orders; returns the events of those that are. Raises StartError when the day has no prices."""
        where = {"blocks": [UUID(payload["block_order_id"]) for payload in payloads]}
        rows = await (await connection.execute(SQL["new_blocks"], where)).fetchall()
        events: list[Event] = []
        for block, rebalance_id, security_id, side, quantity, day in rows:
            price = (await self._quotes.of(day))[security_id].open_price
            events += order_sent(block, rebalance_id, security_id, Side(side), quantity, price, day)
        await connection.execute(SQL["sent"], {"blocks": [row[0] for row in rows]})
        return events
