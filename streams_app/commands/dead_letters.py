"""`dead-letters`: look at records that were set aside, correct them, send them again, or give them up."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO, TypeVar

import click

from streams_app.commands.console import asynchronous, console, json_option, print_json, print_table, progress
from streams_app.commands.letter_pages import case_fields, plan_rows, print_case, summary
from streams_app.delivery.audits import Action, Audit, digest_of
from streams_app.delivery.letters import Case, Filter, OutOfOrderError, State, redrive_order, shown
from streams_app.delivery.replays import moment
from streams_app.errors import StartError
from streams_app.kafka.letter_store import LetterWriter, read_cases
from streams_app.settings import Settings, load_settings
from streams_app.systems.requests.agents import TOPICS
from streams_app.topics import EVENT_TOPICS, TRACE_TOPICS

F = TypeVar("F", bound=Callable[..., Any])
actor_option = click.option("--actor", default=getpass.getuser, help="Who does it.  [default: your user name]")


@click.group("dead-letters")
def dead_letters_group() -> None:
    """Records that could not be processed: look at them, correct them, send them again, or give them up."""


class Moment(click.ParamType):
    """A point in time on the command line."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time in `value`, which is ISO 8601 text."""
        try:
            return value if isinstance(value, datetime) else moment(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def filter_options(command: F) -> F:
    """The options that choose letters."""
    for option in (
        click.option("--until", type=Moment(), help="Only letters written before this time (ISO 8601, else UTC)."),
        click.option("--since", type=Moment(), help="Only letters written at this time or later."),
        click.option("--topic", help="Only records of this topic."),
        click.option("--reason", help="Only letters of this reason, such as not_json."),
        click.option("--key", help="Only this key, as `list` shows it."),
    ):
        command = option(command)
    return command


@dead_letters_group.command("list")
@click.option("--id", "ids", multiple=True, help="Only this letter; may be given many times.")
@filter_options
@click.option(
    "--state", "states", type=click.Choice([s.value for s in State]), multiple=True, help="Only letters in this state."
)
@click.option("--limit", type=click.IntRange(1), help="Most to show: the first ones in the order of their origin.")
@json_option
@asynchronous
async def list_command(
    ids: tuple[str, ...], states: tuple[str, ...], limit: int | None, as_json: bool, **options: Any
) -> None:
    """List dead letters, in the order in which their records lay in their topics."""
    wanted = Filter(frozenset(ids), states=frozenset(State(state) for state in states), **options)
    known = await _read(load_settings())
    found = [case for case in known.values() if wanted.fits(case)][:limit]
    if as_json:
        print_json([summary(case) for case in found])
        return
    columns = ("id", "key", "reason", "attempts", "written", "state")
    rows = [[summary(case)[column] for column in columns] for case in found]
    print_table(f"{len(found)} of {len(known)} dead letters", columns, rows)


@dead_letters_group.command("show")
@click.argument("letter_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the value's bytes alone, as they are, to be edited elsewhere.")
@json_option
@asynchronous
async def show_command(letter_id: str, raw: bool, as_json: bool) -> None:
    """Show one letter whole, and what was done with it. Bytes that are not printable are shown in hexadecimal."""
    case = _one(await _read(load_settings()), letter_id)
    if raw:
        sys.stdout.buffer.write(case.value or b"")
    elif as_json:
        print_json(case_fields(case))
    else:
        print_case(case)


@dead_letters_group.command("edit")
@click.argument("letter_id", metavar="ID")
@click.option("--value-file", type=click.File("rb"), help="The corrected value, byte for byte; - reads standard input.")
@click.option("--editor", is_flag=True, help="Correct the value in $EDITOR; it must be text.")
@click.option("--key", help="The corrected key.")
@actor_option
@asynchronous
async def edit_command(letter_id: str, value_file: BinaryIO | None, editor: bool, key: str | None, actor: str) -> None:
    """Write a corrected version of a letter, for `redrive` to send. The letter itself stays as it is."""
    if value_file is not None and editor:
        raise click.UsageError("give --value-file or --editor, not both")
    if value_file is None and not editor and key is None:
        raise click.UsageError("give --value-file, --editor or --key")
    settings = load_settings()
    case = _waiting(_one(await _read(settings), letter_id))
    value = value_file.read() if value_file is not None else _edited(case) if editor else None
    new_key = None if key is None else key.encode()
    entry = Audit(letter_id, Action.EDIT, actor, datetime.now(UTC), key=new_key, value=value, digest=digest_of(value))
    async with LetterWriter(settings, _origins()) as writer:
        await writer.note([entry])
    _say(f"{letter_id} is corrected; `dead-letters redrive {letter_id}` sends it")


@dead_letters_group.command("redrive")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@filter_options
@click.option("--limit", type=click.IntRange(1), help="Most to send: the first ones in the order of their origin.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--force", is_flag=True, help="Also before earlier letters of a key, and what was redriven or dropped.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@actor_option
@json_option
@asynchronous
async def redrive_command(
    ids: tuple[str, ...],
    limit: int | None,
    dry_run: bool,
    force: bool,
    yes: bool,
    actor: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Send waiting letters back to their topics, as corrected, in the order in which their records lay.

    Letters are chosen by ID or by the options. A letter whose key has an earlier one that waits is refused.
    """
    if not ids and not any(options.values()):
        raise click.UsageError("name letters, or choose them by --key, --reason, --topic, --since or --until")
    if as_json and not (dry_run or yes):
        raise click.UsageError("--json asks nothing: add --yes or --dry-run")
    settings = load_settings()
    wanted = Filter(frozenset(ids), **options)
    if dry_run:
        plan = _plan(await _read(settings), wanted, limit, force)
        _show_plan(plan, as_json, "would be sent")
        return
    async with LetterWriter(settings, _origins()) as writer:
        plan = _plan(await _read(settings), wanted, limit, force)
        if plan and not yes:
            _show_plan(plan, False, "to be sent")
            click.confirm(f"Send {len(plan)} records?", abort=True, err=True)
        with progress("sending") as advance:
            await writer.redrive(plan, actor, lambda sent: advance(sent, len(plan)))
    _show_plan(plan, as_json, "sent")


@dead_letters_group.command("drop")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--reason", required=True, help="Why they are given up; kept in the audit trail.")
@actor_option
@asynchronous
async def drop_command(ids: tuple[str, ...], reason: str, actor: str) -> None:
    """Give letters up: they stay readable, and are sent no more."""
    settings = load_settings()
    known = await _read(settings)
    chosen = [_waiting(_one(known, name)) for name in dict.fromkeys(ids)]
    now = datetime.now(UTC)
    async with LetterWriter(settings, _origins()) as writer:
        await writer.note([Audit(case.letter.id, Action.DROP, actor, now, reason) for case in chosen])
    _say(f"{len(chosen)} dropped")


def _plan(known: dict[str, Case], wanted: Filter, limit: int | None, force: bool) -> list[Case]:
    """What to send, in order. Named letters must be there and waiting; of the others those that wait are taken."""
    for name in wanted.ids:
        case = _one(known, name)
        if not force:
            _waiting(case)
    chosen = [case for case in known.values() if wanted.fits(case) and (case.state is State.WAITING or wanted.ids)][
        :limit
    ]
    try:
        plan = redrive_order(known, {case.letter.id for case in chosen}, force=force)
    except OutOfOrderError as error:
        raise StartError(str(error)) from None
    empty = [case.letter.id for case in plan if not case.key and case.value is None]
    if empty:
        raise StartError(f"{', '.join(empty)}: has neither key nor value: edit or drop it")
    return plan


def _show_plan(plan: Sequence[Case], as_json: bool, done: str) -> None:
    if as_json:
        print_json([summary(case) for case in plan])
        return
    if plan:
        print_table("", ("id", "key", "reason", "attempts", "corrected"), plan_rows(plan))
    _say(f"{len(plan)} {done}" if plan else "no waiting letter fits")


def _one(known: dict[str, Case], name: str) -> Case:
    if name not in known:
        raise StartError(f"there is no dead letter {name}; `dead-letters list` shows all {len(known)}")
    return known[name]


def _waiting(case: Case) -> Case:
    if case.state is not State.WAITING:
        last = case.trail[-1]
        raise StartError(f"{case.letter.id} is {case.state} ({last.who}, {last.when:%Y-%m-%d %H:%M:%S} UTC)")
    return case


def _edited(case: Case) -> bytes:
    text = shown(case.value)
    if case.value is None or text.encode() != case.value:
        raise StartError(f"{case.letter.id} is not printable text: `show --raw` writes it, `--value-file` reads it")
    edited = click.edit(text)
    # Editors end a file with a newline; a value that had none keeps none.
    if edited is not None and not text.endswith("\n"):
        edited = edited.removesuffix("\n")
    if edited is None or edited == text:
        raise StartError("the editor left the value as it was: nothing is changed")
    return edited.encode()


def _origins() -> frozenset[str]:
    return frozenset(topic.name for topic in (*TOPICS, *EVENT_TOPICS, *TRACE_TOPICS))


async def _read(settings: Settings) -> dict[str, Case]:
    with progress("reading dead letters") as advance:
        return await read_cases(settings, advance)


def _say(text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


COMMANDS: list[click.Command] = [dead_letters_group]
