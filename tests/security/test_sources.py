"""What the sources may not contain: pickle, SQL put together from strings, registry hosts, paths of one machine."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted((ROOT / "streams_app").rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_pickle(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            assert not {"pickle", "marshal", "shelve"} & {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_statements_are_never_put_together_from_values(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("execute", "executemany")
        ):
            statement = node.args[0]
            built = isinstance(statement, ast.JoinedStr) or (
                isinstance(statement, ast.Call) and getattr(statement.func, "attr", "") == "format"
            )
            assert not built, f"{path}:{node.lineno}"


def test_every_statement_with_values_uses_parameters() -> None:
    for path in (ROOT / "streams_app").rglob("*.sql"):
        assert not re.search(r"(?<!%)\{[a-z_]+\}", path.read_text()), path
