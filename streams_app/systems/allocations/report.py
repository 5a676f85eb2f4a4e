"""What a simulation says: tables, a picture in the terminal, JSON, and the last line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from streams_app.commands.console import print_rows, say
from streams_app.systems.allocations.measured import Measured
from streams_app.systems.allocations.picture import lines, spark
from streams_app.systems.allocations.scenario import How, Scenario
from streams_app.verification import Harm

#: What each way promises, beside the transaction of every single step.
GUARANTEED: Final[Mapping[How, str]] = {
    "kafka": "every step once, also after a crash",
    "in_process": "nothing: a crash loses what waits",
    "one_batch": "nothing: a crash loses a whole step, and what follows",
}


def print_report(ways: Sequence[Measured]) -> None:
    """Print all that was measured, and what is wrong with it."""
    for measured in ways:
        _print_way(measured)
    columns = ("way", "seconds", "fills/s", "p50 s", "p99 s", "lock waits s", "deadlocks", "retries", "guaranteed")
    print_rows("Ways; p50 and p99: from an execution to its fills", columns, [tuple(_row(each)) for each in ways])


def _print_way(measured: Measured) -> None:
    rows = [
        (
            span.track.phase,
            span.track.words,
            f"{span.began:.1f}",
            f"{span.ended:.1f}",
            f"{span.rows:,}",
            f"{span.rate:,.0f}",
        )
        for span in measured.spans
    ]
    print_rows(f"\n{measured.way.name}", ("phase", "what", "from s", "to s", "rows", "rows/s"), rows)
    say("\n".join(lines(measured)))
    if drawn := spark(measured.lags):
        say(f"{'lag of capture':>20} ▏{drawn}▏ at most {max(measured.lags):,} executions")
    if measured.kills:
        say(f"{measured.kills} workers were killed with -9, and started again")
    for finding in measured.report.findings:
        if finding.violations:
            samples = ", ".join(map(str, finding.samples))
            say(f"{finding.check.name}: {finding.violations:,} violations: {samples}")


def _row(measured: Measured) -> Iterator[str]:
    yield measured.way.name
    yield f"{measured.seconds:.1f}"
    yield f"{measured.fills / max(measured.seconds, 0.001):,.0f}"
    yield from (f"{measured.latency(fraction):.2f}" for fraction in (0.5, 0.99))
    yield f"{measured.waited:.1f}"
    yield from (f"{count:,}" for count in (measured.deadlocks, measured.retries))
    yield GUARANTEED[measured.way.how]


def document(name: str, scenario: Scenario, ways: Sequence[Measured]) -> dict[str, Any]:
    """The report as JSON has it."""
    return {
        "scenario": name,
        **scenario.model_dump(exclude={"ways"}),
        "ways": [measured.as_dict() for measured in ways],
        "line": last_line(name, scenario, ways),
    }


def is_proved(ways: Sequence[Measured]) -> bool:
    """Whether every way has done all its work, and verification found nothing."""
    return all(measured.complete for measured in ways)


def last_line(name: str, scenario: Scenario, ways: Sequence[Measured]) -> str:
    """The last line: rows of the first way (the others have the same accounts), violations of all."""
    first = ways[0]
    rows = first.progress
    words = [f"scenario={name}", f"accounts={scenario.data.accounts}", f"orders={rows.orders}", f"blocks={rows.blocks}"]
    words += [f"executions={rows.executions}", f"fills={first.fills}", f"booked={rows.booked}"]
    words += [f"seconds={sum(measured.seconds for measured in ways):.1f}"]
    words += [f"{harm}={sum(measured.report.totals[harm] for measured in ways)}" for harm in Harm]
    return f"SIMULATION {'OK' if is_proved(ways) else 'FAILED'} {' '.join(words)}"
