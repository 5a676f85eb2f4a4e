"""Fixtures of all tests; those that need real parts are in fix_stack.py."""

import pytest

pytest_plugins = ["tests.fix_stack"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes figures comes last, when nothing else runs."""
    items.sort(key=lambda item: "/performance/" in str(item.path))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Long calculations begin at once: most other tests leave the processors to wait."""
    if not session.config.option.collectonly:
        for proof in _proofs(session):
            proof.begin()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What was begun early and nobody waits for ends."""
    for proof in _proofs(session):
        proof.end()


def _proofs(session: pytest.Session) -> list:  # type: ignore[type-arg]
    markers = (item.get_closest_marker("begin_early") for item in session.items)
    return [marker.args[0] for marker in markers if marker is not None]
