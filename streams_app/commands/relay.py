"""`tracking relay`: a relay alone, without a worker."""

from __future__ import annotations

import asyncio

import click

from streams_app.commands.console import asynchronous, console, stop_on_signal
from streams_app.databases import Databases
from streams_app.errors import StartError
from streams_app.settings import load_settings
from streams_app.tracked import relay_all


@click.command("relay")
@asynchronous
async def relay_command() -> None:
    """Carry published events to their topics, without a worker; workers do it, too.

    Any number may run: they share the events of every region. Ctrl-C ends it; others take over at once.
    """
    settings = load_settings()
    if settings.tracking.delivery != "relay":
        raise StartError("tracking.delivery is debezium: a connector carries the events")
    async with Databases(settings) as databases:
        with stop_on_signal() as stop:
            relaying = asyncio.create_task(relay_all(settings, databases))
            stopped = asyncio.create_task(stop.wait())
            console.print("relaying; Ctrl-C ends it", highlight=False)
            done, _ = await asyncio.wait({relaying, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if relaying in done:
                relaying.result()
            for task in (relaying, stopped):
                task.cancel()
            await asyncio.gather(relaying, stopped, return_exceptions=True)
