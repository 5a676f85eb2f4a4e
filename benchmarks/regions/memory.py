"""What a process takes of the memory."""

from __future__ import annotations

import re
from pathlib import Path


def proportional_bytes(pid: int) -> int:
    """Its private pages, and of shared ones its share; 0 of a process that is gone or somebody else's."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"(?m)^Pss: +(\d+) kB", text)
    return 1024 * int(found[1]) if found else 0
