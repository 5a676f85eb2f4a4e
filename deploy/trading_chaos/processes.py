"""The processes of a run: the applications of trading, the exchange, and those who send signals."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from pathlib import Path

from deploy.chaos.members import Member
from deploy.demo.run import APPLICATION
from deploy.local.ports import HOST, choose
from deploy.local.rest import get_json
from deploy.trading_chaos.plan import (
    EXCHANGE,
    EXECUTOR,
    GENERATOR,
    MANAGER,
    NOISE,
    PROCESSOR,
    REPEATED_SYMBOLS,
    SESSION,
    TIMES,
    Size,
)
from streams_app.systems.trading.model import TIMEFRAMES

WORKER = [*APPLICATION, "-L", "uvloop", "worker"]
ROLES = {PROCESSOR: "processor", MANAGER: "order_manager", EXECUTOR: "executor"}
# Of signal processors there are always two, so that one takes over what the other had.
PROCESSORS = 2
# What all processes are told, whatever they do.
COMMON = {
    "STREAMS_SYSTEMS": "trading",
    "STREAMS_SESSION_TIMEOUT": str(SESSION),
    # So that something is always under way.
    "STREAMS_BATCH_SIZE": "100",
    # Less than some answers take; more than those that are only slow.
    "STREAMS_TRADING__EXCHANGE_TIMEOUT": "0.5",
}


def worker_names(size: Size) -> list[str]:
    """The names of all workers: what they run, and a number."""
    counts = {PROCESSOR: PROCESSORS, MANAGER: size.members, EXECUTOR: size.members}
    return [f"{app}-{number + 1}" for app, count in counts.items() for number in range(count)]


def workers(size: Size, logs: Path, environment: Mapping[str, str]) -> tuple[list[Member], list[int]]:
    """Every worker, and the ports of their pages; `environment` is what all processes share."""
    names = worker_names(size)
    ports = choose(names, {}, [])
    made = []
    for name in names:
        app = name.rpartition("-")[0]
        own = {
            "STREAMS_APP_ID": app,
            "STREAMS_TRADING__ROLES": ROLES[app],
            "STREAMS_DATA_DIR": str(logs / name),
            "STREAMS_WEB_PORT": str(ports[name]),
            # Alone in its group, who is killed need not wait until the group has missed it.
            **({"STREAMS_INSTANCE_ID": name} if f"{app}-2" not in names else {}),
        }
        made.append(Member(name, WORKER, {**environment, **own}, logs, ends=False))
    return made, list(ports.values())


def are_ready(ports: Iterable[int]) -> bool:
    """Whether every worker is well and has partitions."""
    try:
        pages = [get_json(f"http://{HOST}:{port}/health") for port in ports]
    except OSError:
        return False
    return all(page["status"] == "ok" and page["partitions"] for page in pages)


def exchange(seed: int, logs: Path, environment: Mapping[str, str]) -> tuple[Member, str]:
    """The simulated exchange with all its faults, and its address."""
    port = choose([EXCHANGE], {}, [])[EXCHANGE]
    command = [*APPLICATION, "trading", "exchange", "--port", str(port), "--seed", str(seed)]
    command += ["--journal", str(logs / "exchange.jsonl")]
    return Member(EXCHANGE, command, environment, logs, ends=False), f"http://{HOST}:{port}"


def senders(
    size: Size, seed: int, symbols: Sequence[str], logs: Path, environment: Mapping[str, str]
) -> tuple[list[Member], float]:
    """Those who send signals, each of some symbols, and the seconds that it takes them."""
    once, repeated = symbols[REPEATED_SYMBOLS:], symbols[:REPEATED_SYMBOLS]
    shortest = min(TIMEFRAMES.values())
    of_a_bar = sum(shortest / seconds for seconds in TIMEFRAMES.values())
    bars = ceil(size.signals / (len(symbols) * of_a_bar))
    sent = len(once) + TIMES * len(repeated)
    made = []
    for number, (part, times) in enumerate(((once, 1), (repeated, TIMES)), 1):
        rate = size.rate * times * len(part) / sent
        command = [*APPLICATION, "trading", "generate", "--bars", str(bars), "--rate", str(rate)]
        command += ["--repeat", str(times), "--symbols", ",".join(part), "--seed", str(seed)]
        made.append(Member(f"{GENERATOR}-{number}", command, environment, logs, ends=True))
    command = [sys.executable, "-m", "deploy.trading_chaos.noise", "--seed", str(seed), "--total", str(bars * sent)]
    made.append(Member(NOISE, command, environment, logs, ends=True))
    return made, bars * of_a_bar * sent / size.rate
