"""`allocations groups`: which accounts a rebalance takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import orjson

from streams_app.commands.console import asynchronous, json_option, print_json, print_rows, say
from streams_app.systems.allocations.criteria import CriteriaError, read_criteria
from streams_app.systems.allocations.groups import put_groups, read_groups, remove_group, stored_groups
from streams_app.systems.allocations.opening import opened_domains


@click.group("groups", invoke_without_command=True)
@json_option
@click.pass_context
def groups_group(context: click.Context, as_json: bool) -> None:
    """Show the groups of accounts; or add, load and remove some."""
    if context.invoked_subcommand is None:
        _show(as_json)


@asynchronous
async def _show(as_json: bool) -> None:
    async with opened_domains("readonly") as (_, databases):
        found = await stored_groups(databases)
    if as_json:
        print_json({group.name: group.criteria.as_json() for group in found})
        return
    rows = [(g.name, orjson.dumps(g.criteria.as_json()).decode(), f"{g.updated_at:%Y-%m-%d %H:%M:%S}") for g in found]
    print_rows("Groups", ("group", "criteria", "since"), rows)
    say(f"{len(found):,} groups; what a group does not name holds for all accounts")


@groups_group.command("add")
@click.argument("name")
@click.option("--segment", "segments", multiple=True, help="Accounts of this segment; may be given again.")
@click.option("--risk", help="From the least to the greatest, such as 2-4.")
@click.option("--model", "models", type=int, multiple=True, help="Accounts of this model; may be given again.")
@click.option("--bucket", "buckets", type=int, multiple=True, help="Accounts of this bucket; may be given again.")
@click.option("--min-cash", help="Accounts with at least so much cash.")
@click.option("--max-cash", help="Accounts with at most so much cash.")
@click.option("--holds", multiple=True, help="Accounts with a position in it, by symbol or id; may be given again.")
@click.option("--drift", help="How far a position must be from its target, a share of the account.  [default: 0.01]")
@click.option("--cash-kept", help="The share of an account that stays cash.  [default: allocations.cash_kept]")
@asynchronous
async def add_command(name: str, **criteria: Any) -> None:
    """Define a group, or define it anew. Accounts must fit every criterion that is given."""
    given = {key: value for key, value in criteria.items() if value not in (None, ())}
    if "risk" in given:
        given["risk"] = [int(part) if part.isdigit() else part for part in given["risk"].split("-")]
    if "holds" in given:
        given["holds"] = [int(item) if item.isdigit() else item for item in given["holds"]]
    try:
        found = read_criteria(given)
    except CriteriaError as error:
        raise click.UsageError(str(error)) from None
    if not 0 < len(name) <= 60:
        raise click.UsageError(f"{name!r}: expected a name of 1 to 60 letters")
    async with opened_domains("app") as (_, databases):
        await put_groups(databases, {name: found})
    say(f"group {name}: {orjson.dumps(found.as_json()).decode()}")


@groups_group.command("load")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("config/allocations/groups.toml"))
@asynchronous
async def load_command(file: Path) -> None:
    """Define the groups of a TOML file, a table of criteria for each.  [default: config/allocations/groups.toml]"""
    groups = read_groups(file)
    async with opened_domains("app") as (_, databases):
        await put_groups(databases, groups)
    say(f"{len(groups):,} groups of {file}: {', '.join(groups)}")


@groups_group.command("remove")
@click.argument("name")
@asynchronous
async def remove_command(name: str) -> int:
    """Forget a group; rebalances that have begun go on. Exit status 1: there is none of that name."""
    async with opened_domains("app") as (_, databases):
        was_there = await remove_group(databases, name)
    say(f"group {name} is gone" if was_there else f"no group {name!r}")
    return 0 if was_there else 1
