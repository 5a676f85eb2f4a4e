"""Literals of arrays are read back as what they were made of, by psycopg's own reading of PostgreSQL's text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg.adapt import Transformer
from psycopg.postgres import types
from psycopg.pq import Format

from streams_app.databases.arrays import numbers, texts

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def read(literal: str, element: str) -> Any:
    return Transformer().get_loader(types[element].array_oid, Format.TEXT).load(literal.encode())


@given(st.lists(st.none() | TEXT | st.text('{}",\\\\ NUL\x1e', max_size=5)))
@example(["", None, "NULL", '"', "\\", "a,b", "{}", "\x1e"])
@example(["\x1e"])
@example(["\x1e", "a"])
@example([""])
def test_texts(values: list[str | None]) -> None:
    assert read(texts(values), "text") == values


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers(values: list[int]) -> None:
    assert read(numbers(values), "int8") == values


@pytest.mark.parametrize("values", [["a", "b"], ['{"a":"\\\\ \\""}', '{"b":"x"}']])
def test_whole_batches_are_written_as_single_elements_are(values: list[str]) -> None:
    assert texts(values) == texts([*values, None]).removesuffix(",NULL}") + "}"
