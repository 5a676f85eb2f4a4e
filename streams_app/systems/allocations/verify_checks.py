"""What must hold of allocations, each check with the sentence that it proves."""

from __future__ import annotations

from typing import Final

from streams_app.allocation_settings import DomainName
from streams_app.verification import Check, Harm

# Each is the statement of its name, in the domain that it is listed under.
STATEMENTS: Final[dict[DomainName, tuple[Check, ...]]] = {
    "allocations": (
        Check(
            "snapshots_add_up", Harm.WRONG, "What a block order has given to its accounts is what its snapshots say."
        ),
        Check(
            "done_is_allotted", Harm.LOST, "Of a block order that is done, all that stands is given to its accounts."
        ),
        Check("parts_add_up", Harm.WRONG, "The parts of a block order are its whole, in orders and in every snapshot."),
        Check("parts_are_filled", Harm.LOST, "What a snapshot gives to a part reaches its accounts."),
        Check("fills_are_due", Harm.WRONG, "The fills of a part are what a snapshot gave to it, no more and no less."),
        Check("accounts_are_filled", Harm.WRONG, "Each account has what its fills say, and no more than it ordered."),
    ),
    "holdings": (
        Check(
            "settlements_are_bookings", Harm.WRONG, "What is to be settled of a block order is what is booked of it."
        ),
        Check("positions_are_conserved", Harm.WRONG, "Every position is its opening and what was settled since."),
        Check("cash_is_conserved", Harm.WRONG, "The cash of every account is its opening and what was settled since."),
        Check("rebalances_end", Harm.LOST, "No rebalance stands still before its end."),
    ),
}

# The same of each outbox, where a relay carries the events: a connector does not note what it has sent.
RELAYED: Final = Check("events_are_relayed", Harm.LOST, "Every event of an outbox is on its topic.")

CAPTURED: Final = Check(
    "executions_are_captured", Harm.LOST, "Every execution of the market has come and had its effect."
)
CAPTURED_AS_MADE: Final = Check(
    "captured_as_made", Harm.WRONG, "Every execution that has come is what the market has written."
)
IN_SEQUENCE: Final = Check(
    "executions_are_in_sequence",
    Harm.OUT_OF_ORDER,
    "Executions of a block order are numbered from 1 without gaps, and none has its effect before an earlier one.",
)
STANDS: Final = Check(
    "what_stands_follows",
    Harm.WRONG,
    "What stands of a block order is what its executions lead to, worked out again from the market's.",
)
CLOSED_AS_STANDS: Final = Check(
    "closings_follow", Harm.WRONG, "What orders and holdings say of a block order's end is what stood then."
)
ARE_CLOSED: Final = Check("block_orders_are_closed", Harm.LOST, "The end of every block order is known to all domains.")
ORDERED: Final = Check(
    "block_orders_are_the_customers",
    Harm.WRONG,
    "Every block order is the sum of its customer orders, and no customer order is left out.",
)
SAME_ORDER: Final = Check(
    "domains_agree_on_orders", Harm.WRONG, "Market and allocations have the block order that was sent to them."
)
ARE_SENT: Final = Check("block_orders_are_sent", Harm.LOST, "Every block order is at the market, and ends there.")
SAME_CUSTOMERS: Final = Check(
    "allocations_are_the_customers", Harm.WRONG, "Every account has the allocation that it ordered."
)
ARE_BOOKED: Final = Check("fills_are_booked", Harm.LOST, "Every filled part is booked.")
BOOKED_AS_FILLED: Final = Check("bookings_are_fills", Harm.WRONG, "What is booked of a part is what was filled.")
SETTLED_AS_FILLED: Final = Check(
    "settlements_are_fills", Harm.WRONG, "What is to be settled for each account is what it was filled with."
)
ARE_CONSUMED: Final = Check("events_are_consumed", Harm.LOST, "Every event of every step has had its effect.")
CONSUMED_ONCE: Final = Check("events_are_consumed_once", Harm.DUPLICATED, "No event has had its effect twice.")
ARE_PRODUCED: Final = Check("consumed_events_were_produced", Harm.WRONG, "Every event that had an effect is a step's.")
ACROSS: Final = (
    CAPTURED,
    CAPTURED_AS_MADE,
    IN_SEQUENCE,
    STANDS,
    CLOSED_AS_STANDS,
    ARE_CLOSED,
    ORDERED,
    SAME_ORDER,
    ARE_SENT,
    SAME_CUSTOMERS,
    ARE_BOOKED,
    BOOKED_AS_FILLED,
    SETTLED_AS_FILLED,
    ARE_CONSUMED,
    CONSUMED_ONCE,
    ARE_PRODUCED,
)
CHECKS: Final = (*(check for checks in STATEMENTS.values() for check in checks), RELAYED, *ACROSS)
