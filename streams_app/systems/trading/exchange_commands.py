"""`trading exchange`: an exchange to try the executor with."""

from __future__ import annotations

from pathlib import Path

import click

from streams_app.commands.console import asynchronous, say, stop_on_signal
from streams_app.systems.trading.exchange_book import Book
from streams_app.systems.trading.exchange_server import ExchangeServer, Fault, Faults, serving

_share = click.FloatRange(0, 1)


@click.command("exchange")
@click.option("--port", type=click.IntRange(0, 65_535), default=8090, show_default=True, help="0: a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen: 0.0.0.0 in a container.")
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".local/exchange.jsonl"),
    show_default=True,
    help="The file that keeps accepted orders.",
)
@click.option("--timeouts", type=_share, default=0.02, show_default=True, help="Share accepted and never answered.")
@click.option("--errors", type=_share, default=0.02, show_default=True, help="Share answered 503 and not accepted.")
@click.option("--late-errors", type=_share, default=0.01, show_default=True, help="Share accepted and answered 500.")
@click.option("--duplicates", type=_share, default=0.02, show_default=True, help="Share that arrives twice.")
@click.option("--slow", type=_share, default=0.05, show_default=True, help="Share accepted and answered late.")
@click.option("--slow-seconds", type=click.FloatRange(0), default=0.3, show_default=True, help="How late.")
@click.option("--rejects", type=_share, default=0.02, show_default=True, help="Share of orders that are rejected.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same one lets the same faults happen.")
@asynchronous
async def exchange_command(
    port: int,
    host: str,
    journal: Path,
    timeouts: float,
    errors: float,
    late_errors: float,
    duplicates: float,
    slow: float,
    slow_seconds: float,
    rejects: float,
    seed: int,
) -> None:
    """Simulate an exchange: fill or reject orders, each once, with faults; Ctrl-C ends it.

    An accepted order is in the journal before it is answered: it outlives the process, however that ends.
    """
    shares = {
        Fault.TIMEOUT: timeouts,
        Fault.ERROR: errors,
        Fault.LATE_ERROR: late_errors,
        Fault.DUPLICATE: duplicates,
        Fault.SLOW: slow,
    }
    try:
        faults = Faults(shares, slow_seconds, seed)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with Book(journal, rejects, seed) as book, stop_on_signal() as stop:
        async with serving(ExchangeServer(book, faults), port, host) as address:
            say(f"an exchange on {address} with {len(book):,} orders in {journal}; Ctrl-C ends it")
            await stop.wait()


COMMANDS: list[click.Command] = [exchange_command]
