"""A few words of HTTP with the parts that speak it; all of them on this machine."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT = 2.0
# A proxy that the environment names has no business between us and the loopback address.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def answers(url: str) -> bool:
    """True when a GET of `url` succeeds."""
    try:
        with _opener.open(url, timeout=TIMEOUT):
            return True
    except OSError:
        return False


def get_json(url: str) -> Any:
    """Return the JSON that `url` answers with. Raises OSError when it does not, or with an error status."""
    with _opener.open(url, timeout=TIMEOUT) as answer:
        return json.load(answer)


def put_json(url: str, body: object, seconds: float) -> None:
    """PUT `body` to `url`, waiting at most `seconds`.

    Raises urllib.error.HTTPError (an OSError) for an error status.
    """
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data=data, headers=headers, method="PUT")  # noqa: S310
    with _opener.open(request, timeout=seconds):
        return


def delete(url: str, seconds: float) -> None:
    """DELETE `url`, waiting at most `seconds`. Raises urllib.error.HTTPError (an OSError) for an error status."""
    request = urllib.request.Request(url, method="DELETE")  # noqa: S310
    with _opener.open(request, timeout=seconds):
        return
