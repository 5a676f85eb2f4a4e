"""The trades that a rebalance makes: exact, balanced, the same however often they are computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from uuid import NAMESPACE_OID, UUID, uuid5

from streams_app.systems.requests.model import AccountLink, Context, Status, Trade

_STEP = Decimal("0.0001")
_OPPOSITE = {"BUY": "SELL", "SELL": "BUY"}


def rebalance_trades(context: Context) -> tuple[Trade, ...]:
    """The primary account takes one side of the whole quantity, the linked accounts share the other side.

    Shares follow allocation_pct; what rounding leaves over goes to the largest remainders, so that both sides
    are equal to the last ten-thousandth. A share that rounds to nothing makes no trade.
    """
    details, primary = context.request.details, context.primary
    assert primary is not None
    quantity, price = Decimal(details["quantity"]), Decimal(details["price"])
    linked = sorted(
        (link for link in context.links if link.account_id != primary.account_id),
        key=lambda link: link.account_id,
    )
    sides = [(primary.account_id, details["side"], quantity)]
    sides += [
        (link.account_id, _OPPOSITE[details["side"]], share)
        for link, share in zip(linked, shares(quantity, linked), strict=True)
        if share > 0
    ]
    return tuple(
        Trade(
            trade_id=trade_id(context.request.request_id, account_id, details["symbol"]),
            account_id=account_id,
            symbol=details["symbol"],
            side=side,
            quantity=share,
            price=price,
            currency=primary.base_currency or "",
            status=Status.PENDING,
        )
        for account_id, side, share in sides
    )


def shares(quantity: Decimal, links: list[AccountLink]) -> list[Decimal]:
    """`quantity` split by allocation_pct (summing to 100) in steps of 0.0001, by largest remainder."""
    exact = [quantity * (link.allocation_pct or 0) / 100 for link in links]
    rounded = [value.quantize(_STEP, ROUND_DOWN) for value in exact]
    left = int((quantity - sum(rounded)) / _STEP)
    by_remainder = sorted(range(len(links)), key=lambda i: (rounded[i] - exact[i], links[i].account_id))
    for index in by_remainder[:left]:
        rounded[index] += _STEP
    return rounded


def following(trades: Iterable[Trade], status: Status) -> tuple[Trade, ...]:
    """The trades of a request after it moved them to `status`: the open ones follow, settled ones only a cancellation.

    The statement update_trades says the same of the table.
    """
    follow = {Status.PENDING, Status.IN_PROGRESS} | ({Status.COMPLETE} if status is Status.CANCELLED else set())
    return tuple(replace(trade, status=status) if trade.status in follow else trade for trade in trades)


def trade_id(request_id: UUID, account_id: UUID, symbol: str) -> UUID:
    """The identity of a generated trade: one per request, account and security."""
    return uuid5(NAMESPACE_OID, f"{request_id}:{account_id}:{symbol}")
