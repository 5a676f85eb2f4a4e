"""Rows and lines on a terminal, as all systems print them."""

from __future__ import annotations

import pytest

from streams_app.commands.console import print_rows, say


def test_each_row_is_one_line_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("Events", ("event", "error"), [("e-1", "[red]" + "x" * 300), (None, 5)])
    title, head, first, second = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert (title, head.split(), second.split()) == ("Events", ["event", "error"], ["5"])
    assert first == "e-1    [red]" + "x" * 300


def test_no_rows_are_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("Events", ("event", "error"), [])
    assert capsys.readouterr().out == ""


def test_a_line_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    say("[bold]" + "x" * 300)
    assert capsys.readouterr().out == "[bold]" + "x" * 300 + "\n"
