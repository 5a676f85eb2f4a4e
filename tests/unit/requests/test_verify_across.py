"""Rows of several regions are compared in pieces, wherever the pieces end."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import Any
from uuid import UUID

import pytest

from streams_app.systems.requests import verify_across
from streams_app.systems.requests.verify_across import Snapshot, check_across
from streams_app.systems.requests.verify_checks import ACROSS

REGIONS = ("us-east", "us-central", "us-west")
Rows = dict[tuple[str, str], list[tuple[Any, ...]]]


class Cursor:
    """Rows in the order of their keys, a few at a time."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = sorted(rows, key=lambda row: row[0])

    async def __aenter__(self) -> Cursor:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def execute(self, *_: object) -> None:
        pass

    async def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        taken, self._rows = self._rows[:size], self._rows[size:]
        return taken


class Connection:
    """Stands for the snapshot of one region."""

    def __init__(self, region: str, rows: Rows) -> None:
        self._region = region
        self._rows = rows

    def cursor(self, *, name: str, binary: bool) -> Cursor:
        assert binary
        return Cursor(self._rows.get((self._region, name), []))


def snapshots(rows: Rows) -> list[Snapshot]:
    return [Snapshot(region, Connection(region, rows), {}) for region in REGIONS]  # type: ignore[arg-type]


async def found(rows: Rows) -> dict[str, list[str]]:
    findings = await check_across(snapshots(rows), 1000)
    assert [finding.check for finding in findings] == list(ACROSS)
    assert all(len(finding.samples) == finding.violations for finding in findings)
    return {finding.check.name: [str(v) for v in finding.samples] for finding in findings if finding.violations}


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(12))
async def test_every_id_that_stands_twice_is_found_once(monkeypatch: pytest.MonkeyPatch, size: int, seed: int) -> None:
    monkeypatch.setattr(verify_across, "ROWS_AT_ONCE", size)
    rng, rows, where = Random(seed), defaultdict(list), defaultdict(list)
    for _ in range(rng.randrange(60)):
        region, key = rng.choice(REGIONS), UUID(int=rng.randrange(40))
        rows[region, "request_ids"].append((key,))
        where[key].append(region)
    expected = [
        f"{' and '.join(region for region in REGIONS if region in regions)}: request {key}"
        for key, regions in sorted(where.items())
        if len(regions) > 1
    ]
    assert (await found(rows)).get("requests_are_unique", []) == expected


NUMBER, ONE, OTHER = UUID(int=9), UUID(int=1), UUID(int=2)


def numbered(*accounts: UUID, claims: tuple[UUID, ...] = ()) -> Rows:
    """Accounts with the same number, each in another region, and claims of it, each in another region."""
    rows: Rows = {(r, "account_numbers"): [(NUMBER, "A-1", a)] for r, a in zip(REGIONS, accounts, strict=False)}
    return rows | {(r, "claimed_numbers"): [(NUMBER, "A-1", a)] for r, a in zip(REGIONS[::-1], claims, strict=False)}


@pytest.mark.parametrize(
    ("rows", "checks"),
    [
        (numbered(ONE), set()),
        (numbered(claims=(ONE,)), set()),
        (numbered(ONE, claims=(ONE,)), set()),
        (numbered(ONE, OTHER), {"account_numbers_are_unique"}),
        (numbered(ONE, claims=(OTHER,)), {"claims_name_their_account"}),
        (numbered(claims=(ONE, ONE)), {"claims_name_their_account"}),
        (numbered(ONE, OTHER, claims=(ONE,)), {"account_numbers_are_unique", "claims_name_their_account"}),
    ],
)
async def test_numbers_and_their_claims(rows: Rows, checks: set[str]) -> None:
    assert set(await found(rows)) == checks
