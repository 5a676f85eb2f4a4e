"""Free ports on the loopback address, below the range the kernel hands out by itself."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

HOST = "127.0.0.1"
# From 32768 on an outgoing connection may hold the port at the moment a part wants to listen.
FIRST, LAST = 20000, 32000


def is_free(port: int) -> bool:
    """True when nothing listens on `port` of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], remembered: dict[str, int], held: Iterable[str]) -> dict[str, int]:
    """Return a port for each of `names`: the remembered one while it is free, else a new free one.

    The ports of the names in `held` are in use by our own running parts and stay.
    """
    keep = set(held)
    ports = {name: port for name, port in remembered.items() if name in names and (name in keep or is_free(port))}
    for name in names:
        if name not in ports:
            ports[name] = _free_port(set(ports.values()))
    return ports


def _free_port(taken: set[int]) -> int:
    # A random first try keeps two stacks that start together apart.
    while True:
        port = random.randint(FIRST, LAST)  # noqa: S311
        if port not in taken and is_free(port):
            return port
