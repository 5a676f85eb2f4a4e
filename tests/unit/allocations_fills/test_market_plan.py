"""The simulated market: every block order is filled the same way again, and comes to its end."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.allocation_settings import MarketSettings
from streams_app.systems.allocations.executions import apply
from streams_app.systems.allocations.market_plan import Piece, pieces
from streams_app.systems.allocations.model import Block, ExecutionKind, named
from tests.unit.allocations_fills.made import block, execution

RATES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
SETTINGS = MarketSettings()


def applied(made: list[Piece], ordered: int) -> tuple[Block, list[tuple[int, str]]]:
    """A block order after all pieces, and what was refused of them."""
    sent = [
        execution(seq, piece.kind, piece.quantity, str(piece.price), piece.ref_seq)
        for seq, piece in enumerate(made, start=1)
    ]
    found = apply(block(ordered), sent, {}, (), Decimal("0.25"), Decimal("0.05"))
    return found.block, found.rejected


@hypothesis.settings(deadline=None)
@given(st.uuids(), st.integers(1, 50_000), st.integers(1, 10**7), RATES, RATES, RATES)
def test_no_piece_is_refused_and_the_last_is_done(
    name: UUID, quantity: int, cents: int, bust_rate: float, correct_rate: float, unfilled_rate: float
) -> None:
    settings = MarketSettings(bust_rate=bust_rate, correct_rate=correct_rate, unfilled_rate=unfilled_rate)
    price = Decimal(cents).scaleb(-2)
    made = pieces(name, quantity, price, settings)
    after, rejected = applied(made, quantity)
    assert (rejected, after.is_done) == ([], True)
    assert [piece.kind for piece in made].index(ExecutionKind.DONE) == len(made) - 1
    assert after.executed == quantity or unfilled_rate
    for piece in made:
        if piece.quantity:
            assert abs(piece.price - price) <= price * settings.spread + Decimal("0.01")
            assert piece.price > 0
            assert piece.price == piece.price.quantize(Decimal("0.01"))


def test_the_same_order_has_the_same_pieces_and_another_seed_has_others() -> None:
    first, second = (pieces(named("a"), 1000, Decimal(50), SETTINGS) for _ in range(2))
    assert first == second
    assert first != pieces(named("b"), 1000, Decimal(50), SETTINGS)
    assert first != pieces(named("a"), 1000, Decimal(50), MarketSettings(seed=2))


@pytest.mark.parametrize("wanted", [1, 8, 200])
def test_orders_have_about_as_many_pieces_as_the_settings_say(wanted: int) -> None:
    settings = MarketSettings(pieces=wanted, bust_rate=0, correct_rate=0, unfilled_rate=0)
    counts = [len(pieces(named(n), 100_000, Decimal(50), settings)) - 1 for n in range(100)]
    assert 0.8 * wanted <= sum(counts) / len(counts) <= 1.8 * wanted


def test_rates_are_shares_of_executions_and_of_orders() -> None:
    settings = MarketSettings(pieces=20, bust_rate=0.1, correct_rate=0.1, unfilled_rate=0.2)
    plans = [pieces(named(n), 10_000, Decimal(50), settings) for n in range(300)]
    kinds = [piece.kind for plan in plans for piece in plan[:-1]]
    for kind in (ExecutionKind.BUST, ExecutionKind.CORRECT):
        assert 0.07 <= kinds.count(kind) / len(kinds) <= 0.12
    unfilled = sum(applied(plan, 10_000)[0].executed < 10_000 for plan in plans)
    assert 40 <= unfilled <= 80
