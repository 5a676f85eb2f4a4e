"""Executions as changefeeds bring them, and what is no execution."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from streams_app.changefeed import Record, Undecodable
from streams_app.delivery.ports import Rejected
from streams_app.systems.allocations.execution_messages import read_execution
from streams_app.systems.allocations.executions import fault
from streams_app.systems.allocations.messages import EXECUTIONS
from tests.unit.allocations_fills.made import execution, record_of, row_of

FILL = execution(3, "FILL", 25, "100.12")
ROW = row_of(FILL)


def record(envelope: dict[str, Any], key: str = ROW["block_order_id"]) -> Record:
    return Record(EXECUTIONS, 2, 7, key.encode(), orjson.dumps(envelope))


def debezium(**changed: Any) -> Record:
    return record_of({**ROW, **changed}, 7)


def test_debezium_tells_of_an_execution() -> None:
    change = read_execution(debezium())
    assert change is not None
    assert (change.execution, change.execution_id) == (FILL, FILL.execution_id)
    assert (change.key, change.version, change.offset) == (ROW["block_order_id"], None, 7)
    assert change.source_time == 0.0015


def test_cockroachdb_tells_the_same_with_numbers_as_prices() -> None:
    row = {**ROW, "price": 100.12}
    made = record({"after": row, "updated": "1763649003000000000.0000000000"}, f'["{ROW["block_order_id"]}", 3]')
    # The key of a table's own feed ends with seq; one made with key_column has the block order alone.
    with pytest.raises(Undecodable, match="key_mismatch"):
        read_execution(made)
    made = record({"after": row, "updated": "1763649003000000000.0000000000"}, f'["{ROW["block_order_id"]}"]')
    change = read_execution(made)
    assert change is not None
    assert change.execution == FILL


def test_busts_and_corrections_name_an_earlier_one() -> None:
    change = read_execution(debezium(kind="CORRECT", ref_seq=2))
    assert change is not None
    assert change.execution.ref_seq == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"price": "-0.0100"}, "bad_price"),
        ({"price": "NaN"}, "bad_price"),
        ({"quantity": 0}, "bad_quantity"),
        ({"quantity": -5}, "bad_quantity"),
    ],
)
def test_what_a_row_can_hold_is_read_although_it_makes_no_sense(changed: dict[str, Any], reason: str) -> None:
    change = read_execution(debezium(**changed))
    assert change is not None
    assert fault(change.execution) == reason


@pytest.mark.parametrize(
    "changed",
    [
        {"price": "ten"},
        {"price": "1.00001"},
        {"price": "Infinity"},
        {"price": "sNaN"},
        {"price": "100000000000000"},
        {"price": "1" * 40},
        {"price": None},
        {"price": True},
        {"quantity": 1.5},
        {"quantity": 2**63},
        {"quantity": "25"},
        {"quantity": True},
        {"seq": 0},
        {"seq": 2**31},
        {"kind": "TRADE"},
        {"kind": ["FILL"]},
        {"kind": "BUST"},
        {"ref_seq": 2},
        {"kind": "BUST", "ref_seq": 3},
        {"kind": "BUST", "ref_seq": "2"},
        {"executed_at": "2026-11-20T14:30:03"},
        {"executed_at": 1763649003},
        {"execution_id": "x"},
    ],
    ids=str,
)
def test_what_no_row_can_hold_is_rejected(changed: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match="bad_execution"):
        read_execution(debezium(**changed))


def test_a_missing_column_and_a_key_that_is_no_id_are_rejected() -> None:
    row = {name: value for name, value in ROW.items() if name != "price"}
    for made in (
        record({"after": row, "source": {}, "op": "c", "ts_ms": 2}),
        record({"after": {**ROW, "block_order_id": "b-1"}, "source": {}, "op": "c", "ts_ms": 2}, "b-1"),
    ):
        with pytest.raises(Rejected, match="bad_execution"):
            read_execution(made)


def test_a_delete_asks_for_nothing() -> None:
    assert read_execution(record({"before": ROW, "after": None, "source": {}, "op": "d", "ts_ms": 2})) is None
