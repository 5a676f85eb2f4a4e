"""Who runs what: PostgreSQL, PgBouncer and Prometheus refuse root, or should not have it."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from .errors import StackError
from .layout import Layout

CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class User:
    """An ordinary user of this machine."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """True when this user may look into `folder` and everything above it."""
        check = subprocess.run(["/usr/bin/test", "-x", str(folder)], cwd="/", check=False, **run_as(self))
        return check.returncode == 0


class RunAs(TypedDict):
    """The arguments of subprocess.run that change the user."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


def run_as(user: User | None) -> RunAs:
    """Say to subprocess.run to become `user`, or (None) to stay who we are."""
    if user is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": user.uid, "group": user.gid, "extra_groups": []}


def service_user() -> User | None:
    """The user the services run as: None (ourselves) unless we are root.

    Raises StackError on a machine that has none of the users in CANDIDATES.
    """
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(name, entry.pw_uid, entry.pw_gid)
    raise StackError(
        f"PostgreSQL does not run as root, and this machine has no user {' or '.join(CANDIDATES)}: "
        "create one, or start the stack as an ordinary user"
    )


def make_services_folder(layout: Layout, user: User | None) -> None:
    """Make the services' folder; below /var/tmp, with a link, when their user cannot reach the root."""
    if layout.services.exists():
        return
    if user is None or user.can_enter(layout.root):
        layout.services.unlink(missing_ok=True)  # a link whose target is gone
        layout.services.mkdir()
        return
    elsewhere = Path(tempfile.mkdtemp(prefix="streams-services-", dir="/var/tmp"))
    os.chown(elsewhere, user.uid, user.gid)
    layout.services.unlink(missing_ok=True)
    layout.services.symlink_to(elsewhere)


def make_service_folder(folder: Path, user: User | None) -> None:
    """Make `folder`, belonging to `user` and closed to everybody else."""
    folder.mkdir(mode=0o700, exist_ok=True)
    give(folder, user)


def write_private(path: Path, text: str, user: User | None) -> None:
    """Write `text` to `path` for the eyes of `user` (None: ourselves) alone, replacing it as a whole."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    give(draft, user)
    draft.replace(path)


def give(path: Path, user: User | None) -> None:
    """Hand `path` over to `user`; nothing to do when that is ourselves."""
    if user is not None:
        os.chown(path, user.uid, user.gid)
