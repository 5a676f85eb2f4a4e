"""The static tables hold what config/workflows.toml says: written by `migrate`, checked when a worker starts."""

from __future__ import annotations

from pathlib import Path

import psycopg

from streams_app.databases import Databases, Statements
from streams_app.errors import StartError
from streams_app.systems.requests.workflow import WorkflowBook

SQL = Statements(Path(__file__).with_name("static.sql"))


def write_static_tables(connection: psycopg.Connection, book: WorkflowBook) -> None:
    """Make the static tables equal to `book`, in one transaction. Rows that are no longer in the file stay: the
    history of old requests refers to them."""
    with connection.transaction(), connection.cursor() as cursor:
        for kind in ("statuses", "actions", "states"):
            rows = [(number, code, text) for code, (number, text) in book.codes[kind].items()]
            cursor.executemany(SQL[f"upsert_{kind}"], rows)
        types = [(w.type_id, w.code, w.description) for w in book.by_type.values()]
        cursor.executemany(SQL["upsert_types"], types)
        cursor.executemany(SQL["upsert_links"], link_rows(book))


def link_rows(book: WorkflowBook) -> list[tuple[int, int, int, int, bool, bool, int]]:
    """The rows of request_action_state_link that `book` describes."""
    return [
        (
            node.link_id,
            workflow.type_id,
            book.codes["actions"][node.action][0],
            book.codes["states"][node.state][0],
            node is workflow.initial,
            node.is_terminal,
            node.sort_order,
        )
        for workflow, node in book.by_link.values()
    ]


async def check_static_tables(databases: Databases, book: WorkflowBook, region: str) -> None:
    """Compare the workflow file with the tables of `region`. Raises StartError when they differ."""
    async with databases.connection(region) as connection:
        rows = set(await (await connection.execute(SQL["read_links"])).fetchall())
    missing = [row for row in link_rows(book) if row not in rows]
    if missing:
        raise StartError(
            f"region {region}: request_action_state_link differs from the workflow file, first at link "
            f"{missing[0][0]}: run `faust -A streams_app migrate` with the same file"
        )
