"""The closer: what the market made of block orders is written down beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streams_app.allocation_settings import DomainName, StepName
from streams_app.databases import Statements
from streams_app.databases.connecting import Connection
from streams_app.delivery.events import Event
from streams_app.systems.allocations.closings import arguments_of, closings_of
from streams_app.systems.allocations.messages import CLOSED, Payload

SQL = Statements(Path(__file__).with_name("closer.sql"))


class Closer:
    """Ends block orders, and rebalances whose block orders have all ended."""

    name: StepName = "closer"
    domain: DomainName = "orders"
    topic = CLOSED

    async def work(self, connection: Connection, payloads: Sequence[Payload]) -> Sequence[Event]:
        """Write what was executed, of each block order the newest; nothing follows.

        Raises LookupError for a block order that is not there.
        """
        closings = closings_of(payloads)
        arguments = arguments_of(closings)
        # The rebalance first, as everybody does: two last block orders are not both taken for the last but one.
        await connection.execute(SQL["hold_rebalances"], arguments)
        found = await (await connection.execute(SQL["hold_block_orders"], arguments)).fetchall()
        if len(found) < len(closings):
            known = {block_order_id for (block_order_id,) in found}
            missing = min(closing.block_order_id for closing in closings if closing.block_order_id not in known)
            raise LookupError(f"no block order {missing}")
        await connection.execute(SQL["close_block_orders"], arguments)
        await connection.execute(SQL["close_rebalances"], arguments)
        return []
