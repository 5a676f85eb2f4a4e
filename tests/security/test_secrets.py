"""No password in a log, a configuration, a process list, or a metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local import Stack
from tests.fix_stack import Workers

pytestmark = pytest.mark.stack


def test_no_password_is_to_be_seen(stack: Stack, workers: Workers) -> None:
    [worker] = workers.start()
    worker.await_ready()
    passwords = [path.read_text().strip() for path in stack.layout.secrets.iterdir()]
    assert len(passwords) == 11
    seen = [worker.metrics(), worker.log.read_text(), stack.config_path.read_text()]
    seen += [path.read_text(errors="replace") for path in (stack.layout.root / "logs").iterdir() if path.is_file()]
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                seen.append((process / "cmdline").read_text())
            except OSError:
                continue
    for password in passwords:
        assert not any(password in text for text in seen)


def test_secret_files_are_for_their_owner_alone(stack: Stack) -> None:
    assert {path.stat().st_mode & 0o777 for path in stack.layout.secrets.iterdir()} == {0o600}
