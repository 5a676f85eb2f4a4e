"""Criteria of groups: read from JSON and TOML, written as they were read, refused with what is expected."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams_app.errors import SettingsError
from streams_app.systems.allocations.criteria import Criteria, CriteriaError, read_criteria
from streams_app.systems.allocations.groups import read_groups

FILE = Path(__file__).parents[3] / "config" / "allocations" / "groups.toml"


def test_nothing_is_everybody() -> None:
    assert read_criteria({}) == Criteria()
    assert Criteria().as_json() == {}


def test_toml_and_json_say_the_same() -> None:
    text = """
        segments = ["retail"]
        risk = [2, 4]
        models = [1, 3]
        min_cash = 100.5
        max_cash = "2000"
        holds = ["ABC", 7]
        drift = 0.02
    """
    expected = Criteria(
        ("retail",), (2, 4), (1, 3), (), Decimal("100.5"), Decimal(2000), ("ABC", 7), Decimal("0.02")
    )  # fmt: skip
    assert read_criteria(tomllib.loads(text)) == expected
    assert read_criteria(orjson.loads(orjson.dumps(expected.as_json()))) == expected


NUMBERS = st.lists(st.integers(0, 1000), max_size=3).map(tuple)
SHARES = st.decimals(0, Decimal("0.9999"), places=4)
MONEY = st.decimals(-1000, 10**9, places=4)


@given(
    st.builds(
        Criteria,
        segments=st.lists(st.sampled_from(["retail", "private"]), max_size=2).map(tuple),
        risk=st.sampled_from([(1, 5), (2, 2), (3, 5)]),
        models=NUMBERS,
        buckets=NUMBERS,
        min_cash=st.none() | MONEY,
        holds=st.lists(st.integers(1, 99) | st.sampled_from(["ABC", "X"]), max_size=3).map(tuple),
        drift=SHARES,
        cash_kept=st.none() | SHARES,
    )
)
def test_what_is_written_is_read_again(criteria: Criteria) -> None:
    assert read_criteria(orjson.loads(orjson.dumps(criteria.as_json()))) == criteria


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "expected a table"),
        ({"segment": ["retail"]}, "segment: expected one of segments, risk"),
        ({"segments": "retail"}, "segments = 'retail': expected a list of words"),
        ({"segments": [""]}, "a list of words"),
        ({"risk": [4, 2]}, r"risk = \[4, 2\]: expected two numbers from 1 to 5"),
        ({"risk": [0, 2]}, "two numbers from 1 to 5"),
        ({"risk": [2]}, "two numbers from 1 to 5"),
        ({"models": [True]}, "models = .*: expected a list of whole numbers"),
        ({"buckets": [-1]}, "buckets = .*: expected a list of whole numbers"),
        ({"min_cash": "much"}, "min_cash = 'much': expected an amount of money"),
        ({"min_cash": True}, "an amount of money"),
        ({"max_cash": "0.00001"}, "at most four decimals"),
        ({"max_cash": "1e16"}, "an amount of money"),
        ({"max_cash": float("inf")}, "an amount of money"),
        ({"min_cash": 5, "max_cash": 4}, "max_cash 4: expected no less than min_cash, 5"),
        ({"holds": [1.5]}, "holds = .*: expected a list of symbols or ids"),
        ({"drift": 1}, "drift = 1: expected a share from 0 to 1"),
        ({"cash_kept": "-0.1"}, "cash_kept = '-0.1': expected a share"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_is_expected(data: Any, words: str) -> None:
    with pytest.raises(CriteriaError, match=words):
        read_criteria(data)


def test_the_groups_of_the_repository_can_be_read() -> None:
    groups = read_groups(FILE)
    assert groups["all"] == Criteria()
    assert {"conservative", "growth", "institutional"} < groups.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]\nrisk = 3", "group a: risk = 3: expected two numbers"),
        ("a = 3", "group a: 3: expected a table"),
        ("[", "groups.toml: "),
        (f"[{'a' * 61}]", "expected a name of 1 to 60 letters"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "groups.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_groups(path)
    with pytest.raises(SettingsError, match=r"no\.toml"):
        read_groups(tmp_path / "no.toml")
