"""Prices: the same in every process, as futures are quoted, and such that windows see trends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from streams_app.system_settings import TradingSettings
from streams_app.systems.trading.generate.signals import Market, signals
from streams_app.systems.trading.generate.walk import CONTRACTS, DEFAULT, MOST_GAP, MOST_TICKS, Contract, price
from streams_app.systems.trading.model import TIMEFRAMES
from streams_app.systems.trading.rules import decide, order_of, take
from streams_app.systems.trading.windows import Known, Window

DAY = datetime(2026, 11, 2, tzinfo=UTC)
SETTINGS = TradingSettings()
PRINT = """
from datetime import UTC, datetime
from streams_app.systems.trading.generate.walk import price
print([price(5, symbol, datetime(2026, 11, 2, 13, 7, tzinfo=UTC)) for symbol in ("ES", "6E", "OTHER")])
"""


def test_two_processes_work_out_the_same_prices() -> None:
    def said(hash_seed: str) -> bytes:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run([sys.executable, "-c", PRINT], env=environment, check=True, capture_output=True).stdout

    assert said("1") == said("2") != b""


def test_a_seed_a_symbol_and_a_day_have_prices_of_their_own() -> None:
    def hour(seed: int, symbol: str, start: datetime) -> list[Decimal]:
        ticks = CONTRACTS[symbol].tick
        prices = [Decimal(price(seed, symbol, start + timedelta(minutes=minute))) for minute in range(60)]
        return [(value - CONTRACTS[symbol].base) / ticks for value in prices]

    assert hour(1, "ES", DAY) == hour(1, "ES", DAY)
    others = [hour(2, "ES", DAY), hour(1, "NQ", DAY), hour(1, "ES", DAY + timedelta(days=1))]
    assert all(other != hour(1, "ES", DAY) for other in others)


@pytest.mark.parametrize("symbol", [*CONTRACTS, "OTHER"])
def test_prices_are_whole_ticks_near_the_base(symbol: str) -> None:
    contract = CONTRACTS.get(symbol, DEFAULT)
    prices = [price(1, symbol, DAY + timedelta(minutes=minute)) for minute in range(24 * 60)]
    for text in prices:
        assert text.replace(".", "").isdecimal()
        assert len(text.partition(".")[2]) <= 6
        assert Decimal(text) % contract.tick == 0
        assert abs(Decimal(text) / contract.base - 1) < Decimal("0.25")
    assert len(set(prices)) > 50


@pytest.mark.parametrize("contract", [*CONTRACTS.values(), DEFAULT])
def test_no_day_is_long_enough_to_end_at_nothing(contract: Contract) -> None:
    assert contract.base / contract.tick > 24 * 60 * MOST_TICKS + MOST_GAP


def test_all_configured_symbols_are_known() -> None:
    assert set(CONTRACTS) == set(SETTINGS.symbols)


def test_about_a_quarter_of_decisions_leads_to_orders_on_both_sides() -> None:
    market = Market(0, SETTINGS.symbols[:6])
    windows: dict[str, dict[str, Window]] = {s: {name: Window() for name in TIMEFRAMES} for s in market.symbols}
    ids: dict[tuple[str, str], Known] = defaultdict(Known)
    sides: list[object] = []
    decisions = 0
    for signal in signals(market, DAY, DAY + timedelta(days=1)):
        mine = windows[signal.symbol]
        known = ids[signal.symbol, signal.timeframe]
        assert take(mine[signal.timeframe], known, signal, SETTINGS.window, SETTINGS.stale_after)
        order = order_of(decide(signal, mine, SETTINGS.window), SETTINGS)
        decisions += 1
        sides += [order.side] if order is not None else []
    assert 0.2 < len(sides) / decisions < 0.4
    assert {side: sides.count(side) > decisions / 20 for side in set(sides)} == {"BUY": True, "SELL": True}
