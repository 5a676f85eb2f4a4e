"""What a verification finds, as plain data: the same for every system, whoever reads or prints it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Harm(StrEnum):
    """What a violation means for the people whose requests these are."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    OUT_OF_ORDER = "out_of_order"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold. `proves` is a full sentence: what is true when nothing is found."""

    name: str
    harm: Harm
    proves: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One offender: the region it was found in, and the text that leads to its rows."""

    region: str
    offender: str

    def __str__(self) -> str:
        return f"{self.region}: {self.offender}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: how many violations, and the first few of them."""

    check: Check
    violations: int
    samples: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one verification. `figures` say how much was looked at; they are no judgement."""

    system: str
    findings: tuple[Finding, ...]
    figures: Mapping[str, Any]

    @property
    def clean(self) -> bool:
        """True when no check found anything."""
        return not any(finding.violations for finding in self.findings)

    @property
    def totals(self) -> dict[str, int]:
        """Violations by harm; every harm is named, zero or not."""
        totals = {harm.value: 0 for harm in Harm}
        for finding in self.findings:
            totals[finding.check.harm] += finding.violations
        return totals

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "verdict": "ok" if self.clean else "violated",
            "system": self.system,
            **self.figures,
            "checks": [
                {
                    "name": finding.check.name,
                    "proves": finding.check.proves,
                    "class": finding.check.harm.value,
                    "violations": finding.violations,
                    "samples": [str(sample) for sample in finding.samples],
                }
                for finding in self.findings
            ],
            "totals": self.totals,
        }


def merged(findings: Iterable[Finding], samples: int) -> tuple[Finding, ...]:
    """One finding per check from those of several regions, in the order the checks first appear.

    Keeps at most `samples` of the samples of each check, taking them in the order given.
    """
    by_check: dict[Check, list[Finding]] = {}
    for finding in findings:
        by_check.setdefault(finding.check, []).append(finding)
    return tuple(
        Finding(
            check,
            sum(part.violations for part in parts),
            tuple(sample for part in parts for sample in part.samples)[:samples],
        )
        for check, parts in by_check.items()
    )
