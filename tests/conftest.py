"""Fixtures of all tests; those that need real parts are in fix_stack.py."""

import pytest

pytest_plugins = ["tests.fix_stack", "tests.fix_domains"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs no parts comes first, beside what was begun early; then what has real parts, and what waits for the
    runs that were begun early; what takes figures last, alone."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    path = str(item.path)
    if "/unit/" in path or "/cockroachdb_grammar/" in path:
        return 0
    if item.get_closest_marker("begin_early") is not None:
        return 2
    return 3 if "/performance/" in path else 1


def pytest_collection_finish(session: pytest.Session) -> None:
    """Long runs begin at once: most other tests leave the processors to wait."""
    if not session.config.option.collectonly:
        for run in _early(session):
            run.begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was begun early and nobody waits for ends."""
    for run in _early(session):
        run.end()


def _early(session: pytest.Session) -> list:  # type: ignore[type-arg]
    markers = (item.get_closest_marker("begin_early") for item in session.items)
    # Several tests may wait for one run.
    return list(dict.fromkeys(marker.args[0] for marker in markers if marker is not None))
