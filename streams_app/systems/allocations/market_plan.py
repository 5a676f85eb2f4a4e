"""In which pieces the simulated market fills a block order: random, and the same whenever it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Final
from uuid import UUID

from streams_app.allocation_settings import MarketSettings
from streams_app.systems.allocations.model import ExecutionKind

_CENT: Final = Decimal("0.01")
_NO_PRICE: Final = Decimal(0)
# After so many times the usual pieces none is taken back or corrected any more: every order comes to its end.
_RESTLESS: Final = 3


@dataclass(frozen=True, slots=True)
class Piece:
    """An execution of a plan; its sequence number is its place in it, counted from 1, and `ref_seq` is such a one."""

    kind: ExecutionKind
    quantity: int = 0
    price: Decimal = _NO_PRICE
    ref_seq: int | None = None


def pieces(block_order_id: UUID, quantity: int, price: Decimal, settings: MarketSettings) -> list[Piece]:
    """The pieces of a block order of `quantity` shares at a market whose open price is `price`; the last is DONE.

    Shares that are taken back are executed again. Never more than `quantity` stand; fewer in the end of some orders
    only.
    """
    rng = Random(f"{settings.seed}:{block_order_id}")  # noqa: S311 (repeatable on purpose)
    wanted = quantity
    if rng.random() < settings.unfilled_rate:
        wanted = int(quantity * rng.random())
    plan, usual = _Plan(rng, price, settings.spread), max(1, quantity // settings.pieces)
    while plan.executed < wanted:
        is_restless = bool(plan.live) and len(plan.made) < _RESTLESS * settings.pieces
        luck, left = rng.random(), wanted - plan.executed
        if is_restless and luck < settings.bust_rate:
            plan.bust()
        elif is_restless and luck < settings.bust_rate + settings.correct_rate:
            plan.correct(left)
        else:
            plan.fill(min(left, rng.randint(1, 2 * usual - 1)))
    return [*plan.made, Piece(ExecutionKind.DONE)]


class _Plan:
    """Pieces as they are made; `live` are the shares of those that stand, by sequence number."""

    def __init__(self, rng: Random, price: Decimal, spread: Decimal) -> None:
        self._rng = rng
        self._price = price
        self._spread = spread
        self.made: list[Piece] = []
        self.live: dict[int, int] = {}
        self.executed = 0

    def fill(self, quantity: int) -> None:
        self._stand(ExecutionKind.FILL, quantity)

    def bust(self) -> None:
        seq, quantity = self._some()
        self.executed -= quantity
        self.made.append(Piece(ExecutionKind.BUST, ref_seq=seq))

    def correct(self, left: int) -> None:
        """`left`: how many shares more may stand."""
        seq, quantity = self._some()
        self.executed -= quantity
        self._stand(ExecutionKind.CORRECT, self._rng.randint(1, quantity + left), seq)

    def _some(self) -> tuple[int, int]:
        seq = self._rng.choice(list(self.live))
        return seq, self.live.pop(seq)

    def _stand(self, kind: ExecutionKind, quantity: int, ref_seq: int | None = None) -> None:
        away = self._spread * Decimal(round(self._rng.uniform(-1, 1), 6))
        price = max(_CENT, (self._price * (1 + away)).quantize(_CENT))
        self.made.append(Piece(kind, quantity, price, ref_seq))
        self.live[len(self.made)] = quantity
        self.executed += quantity
