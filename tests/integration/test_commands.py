"""Every command answers --help; the commands of a running worker's application show what is there."""

from __future__ import annotations

import asyncio
import json

import click
import pytest
from faust.cli.base import cli

from streams_app.application import COMMANDS
from streams_app.databases import Databases
from tests.fix_stack import Application, Workers, eventually
from tests.integration.data import head, insert_request

pytestmark = pytest.mark.stack


def paths(command: click.Command, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words that lead to a command and to all below it."""
    own = (*prefix, command.name or "")
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return [own, *(path for child in below for path in paths(child, own))]


@pytest.mark.parametrize("words", [path for command in COMMANDS for path in paths(command)], ids=" ".join)
def test_help(words: tuple[str, ...]) -> None:
    command: click.Command = {c.name: c for c in COMMANDS}[words[0]]
    for word in words[1:]:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    text = command.get_help(click.Context(command))
    assert command.help, "a command says what it does"
    assert "Usage:" in text
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            assert parameter.help, f"{' '.join(words)} {parameter.opts[0]} says what it does"


def test_faust_knows_our_commands_and_the_batch_agent(application: Application) -> None:
    text = application.run("--help")
    assert all(f"  {command.name}" in text for command in COMMANDS)
    assert "requests" in application.run("agents")
    assert "requests-versions" in application.run("tables")
    assert cli is not None


def test_topics_fit(application: Application) -> None:
    rows = json.loads(application.run("topics", "--json"))
    assert {row["state"] for row in rows} == {"ok"}
    assert [r["partitions"] for r in rows if r["topic"] == "acct-mgmt.request-status-events"] == [24]


async def test_a_request_tells_its_story(databases: Databases, application: Application, workers: Workers) -> None:
    workers.start()[0].await_ready()
    key = await insert_request(databases)

    async def ended() -> bool:
        """the request completes"""
        found = await head(databases, key)
        return found is not None and found[0] == 3

    await eventually(ended)
    story = await asyncio.to_thread(application.run, "requests", "show", str(key.request_id))
    for word in ("VALIDATE_REQUEST", "REVIEW_REQUEST", "UPDATE_ACCOUNT", "NOTIFY_CLIENT", "COMPLETED"):
        assert word in story
    wrong = await asyncio.to_thread(application.run, "requests", "cancel", str(key.request_id), status=1)
    assert "COMPLETE" in wrong


def test_a_worker_refuses_to_start_without_its_topics(workers: Workers) -> None:
    [worker] = workers.start(STREAMS_APP_ID="another_application")
    status = worker.wait(30)
    assert status not in (0, None)
    assert "another_application-requests-versions-changelog: missing" in worker.log.read_text()
    assert "topics --create" in worker.log.read_text()
