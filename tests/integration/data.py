"""Single requests for tests, written as a front office would: the request alone, without a first event."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import orjson

from streams_app.databases import Databases, locality_of
from streams_app.systems.requests.model import RequestType, Status
from streams_app.systems.requests.store import RequestKey

PROFILE = {"changes": {"contact_email": "someone@example.com"}}


async def insert_account(databases: Databases, account_id: UUID | None = None, **columns: Any) -> UUID:
    """An open account; `columns` override."""
    account_id = account_id or uuid4()
    row = {
        "account_id": account_id,
        "account_number": f"T-{account_id.hex[:8]}",
        "account_name": "Test",
        "strategy": "Growth",
        "base_currency": "USD",
        "risk_profile": "LOW",
        **columns,
    }
    async with databases.transaction(databases.regions.of_account(account_id)) as connection:
        names = ", ".join(row)
        values = ", ".join(f"%({name})s" for name in row)
        await connection.execute(f"INSERT INTO account_info ({names}) VALUES ({values})".encode(), row)
    return account_id


async def insert_request(
    databases: Databases,
    account_id: UUID | None = None,
    type_id: int = RequestType.ACCOUNT_PROFILE_UPDATE,
    details: dict[str, Any] | None = None,
) -> RequestKey:
    """A request for an account (a new one unless given)."""
    account_id = account_id or await insert_account(databases)
    key = RequestKey(locality_of(account_id), uuid4())
    async with databases.transaction(databases.regions.of(key.locality)) as connection:
        await connection.execute(
            b"INSERT INTO request_info (locality, request_id, request_type_id, primary_account_id, requested_by,"
            b" request_status_id, details) VALUES (%s, %s, %s, %s, 'tester', 1, %s)",
            (key.locality, key.request_id, type_id, account_id, orjson.dumps(details or PROFILE).decode()),
        )
    return key


async def insert_requests(databases: Databases, region: str, count: int) -> list[RequestKey]:
    """Requests of `region`, each for a new account."""
    accounts = [await insert_account(databases, account_in(databases, region)) for _ in range(count)]
    return [await insert_request(databases, account) for account in accounts]


async def complete(databases: Databases, keys: list[RequestKey]) -> bool:
    """Whether all these requests are complete."""
    heads = [await head(databases, key) for key in keys]
    return all(found is not None and found[0] == Status.COMPLETE for found in heads)


async def head(databases: Databases, key: RequestKey) -> tuple[int, int, int] | None:
    """Status, link and seq_num of a request's head."""
    async with databases.connection(databases.regions.of(key.locality)) as connection:
        cursor = await connection.execute(
            b"SELECT status_id, action_state_link_id, seq_num FROM request_status_head"
            b" WHERE locality = %s AND request_id = %s",
            (key.locality, key.request_id),
        )
        row: Any = await cursor.fetchone()
        return row


async def last_event(databases: Databases, key: RequestKey) -> dict[str, Any]:
    """Metadata of the last event of a request."""
    async with databases.connection(databases.regions.of(key.locality)) as connection:
        cursor = await connection.execute(
            b"SELECT metadata FROM request_event_log WHERE locality = %s AND request_id = %s"
            b" ORDER BY seq_num DESC LIMIT 1",
            (key.locality, key.request_id),
        )
        row: Any = await cursor.fetchone()
        return dict(row[0])


async def log_rows(databases: Databases) -> int:
    """All rows of all logs."""
    count = 0
    for region in databases.regions.names:
        async with databases.connection(region) as connection:
            row: Any = await (await connection.execute(b"SELECT count(*) FROM request_event_log")).fetchone()
            count += row[0]
    return count


def account_in(databases: Databases, region: str) -> UUID:
    """An account id whose rows live in `region`."""
    return next(i for i in iter(uuid4, None) if databases.regions.of_account(i) == region)
