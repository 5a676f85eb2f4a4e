"""The golden samples: records as text, and what they must become."""

import json
from pathlib import Path
from typing import Any

from streams_app.changefeed import Record

FILES = sorted((Path(__file__).parent / "golden").glob("*.json"))
SAMPLES: dict[str, dict[str, Any]] = {
    f"{path.stem}: {sample['name']}": sample for path in FILES for sample in json.loads(path.read_text())
}


def record_of(sample: dict[str, Any]) -> Record:
    """Return the sample as a consumed message, at an arbitrary place."""
    key, value = (text if text is None else text.encode() for text in (sample["key"], sample["value"]))
    headers = tuple((name, text.encode()) for name, text in sample.get("headers", []))
    return Record("requests", 7, 41, key, value, headers)
