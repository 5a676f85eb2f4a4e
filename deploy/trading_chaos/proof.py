"""What a run has to show: each number is read from the topics, the databases and the exchange. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from deploy.trading_chaos.plan import GENTLE, Kind

COUNTS = ("signals", "repeated", "refused", "decisions", "wanted", "orders", "outbox", "published", "executions")


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found. `report` is that of `eos-verify`, `bad` the number of bad signals that were sent, `done` how
    often each thing happened."""

    report: Mapping[str, Any]
    transactions: Mapping[str, int]
    bad: int
    done: Mapping[Kind, int]
    seconds: float

    @property
    def unequal(self) -> list[str]:
        """Numbers that should be equal and are not, in words."""
        counts = {name: int(self.report[name]) for name in COUNTS}
        counts |= {"accepted": counts["signals"] - counts["repeated"] - counts["refused"], "bad": self.bad}
        pairs = [("decisions", "accepted"), ("refused", "bad"), ("orders", "wanted"), ("outbox", "orders")]
        pairs += [("published", "outbox"), ("executions", "orders")]
        return [
            f"{counts[one]:,} {one}, but {counts[other]:,} {other}"
            for one, other in pairs
            if counts[one] != counts[other]
        ]

    @property
    def totals(self) -> dict[str, int]:
        """What is lost, duplicated or wrong; numbers that are not equal are wrong."""
        found = self.report["totals"]
        wrong = found["wrong"] + found["out_of_order"] + len(self.unequal)
        return {"lost": found["lost"], "duplicated": found["duplicated"], "wrong": wrong}

    @property
    def proved(self) -> bool:
        """Whether each signal counted once, all the way."""
        worked_out = self.report["verdict"] == "ok" and self.report["recomputed"]
        return bool(worked_out and self.report["executions"]) and not any(self.totals.values())

    def line(self) -> str:
        """The last line of the run."""
        kills = sum(count for kind, count in self.done.items() if kind not in GENTLE)
        words = [f"{name}={self.report[name]}" for name in ("signals", "repeated", "decisions", "orders", "executions")]
        words += [f"kills={kills}", f"stops={sum(self.done.values()) - kills}"]
        words += [f"aborted={self.transactions['aborted']}"]
        words += [f"{name}={count}" for name, count in self.totals.items()]
        return f"TRADING CHAOS {'OK' if self.proved else 'FAILED'} {' '.join(words)} seconds={self.seconds:.0f}"


def tables(result: Result) -> list[Table]:
    """Counts, and what was done."""
    counts = Table("", "count", title="Read from the topics, the databases and the exchange", title_justify="left")
    for name in COUNTS:
        counts.add_row(name, f"{result.report[name]:,}")
    counts.add_row("bad signals sent", f"{result.bad:,}")
    for name in ("committed", "aborted"):
        counts.add_row(f"transactions {name}", f"{result.transactions[name]:,}")
    done = Table("", "times", title="Faults", title_justify="left")
    for kind, times in sorted(result.done.items()):
        done.add_row(kind, str(times))
    return [counts, done]
