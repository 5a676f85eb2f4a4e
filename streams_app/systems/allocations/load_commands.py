"""`allocations load`: securities, prices and accounts to rebalance."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime

import click

from streams_app.commands.console import asynchronous, json_option, print_json, progress, say
from streams_app.systems.allocations import loading
from streams_app.systems.allocations.generate.accounts import Scale
from streams_app.systems.allocations.opening import opened_domains


@click.command("load")
@click.option("--accounts", type=click.IntRange(1, 10_000_000), default=1000, show_default=True, help="How many.")
@click.option("--securities", type=click.IntRange(1, 20_000), default=200, show_default=True, help="How many.")
@click.option("--days", type=click.IntRange(1, 2600), default=60, show_default=True, help="Business days with prices.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last of them.  [default: yesterday]")
@click.option("--positions", type=click.IntRange(1, 1000), default=50, show_default=True, help="Of each account.")
@click.option("--models", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same data.")
@click.option(
    "--skew",
    type=click.FloatRange(0, 2),
    default=0,
    show_default=True,
    help="More than 0: a few accounts hold more and more of all.",
)
@click.option(
    "--hot",
    type=click.FloatRange(0, 0.9),
    default=0,
    show_default=True,
    help="The share that the first security has in every model.",
)
@click.option("--reset", is_flag=True, help="Empty all domains first, whatever they hold; groups stay.")
@json_option
@asynchronous
async def load_command(
    accounts: int,
    securities: int,
    days: int,
    until: datetime | None,
    positions: int,
    models: int,
    seed: int,
    skew: float,
    hot: float,
    reset: bool,
    as_json: bool,
) -> None:
    """Make up securities, daily prices, models and accounts, and write them into their domains.

    Accounts follow a model, from which their positions have drifted. A load that was ended must be made again with
    --reset, which no worker may see.
    """
    async with opened_domains("app") as (settings, databases):
        buckets, last = settings.allocations.buckets, None if until is None else until.date()
        try:
            scale = Scale(accounts, securities, days, positions, models, seed, skew, hot, buckets, last)
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        began = time.monotonic()
        if reset:
            loading.reset(settings)
        with progress("accounts") as on_progress:
            loaded = await loading.load(databases, scale, on_progress)
    seconds = time.monotonic() - began
    if as_json:
        print_json({**asdict(loaded), "seed": seed, "seconds": round(seconds, 1)})
        return
    say(
        f"{loaded.securities:,} securities, {loaded.prices:,} prices up to {loaded.last_day}, "
        f"{loaded.accounts:,} accounts with {loaded.positions:,} positions in {seconds:.1f} s; seed {seed}"
    )
