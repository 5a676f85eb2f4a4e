"""What the commands of `tracking` share: their options."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from streams_app.commands.opening import Moment
from streams_app.systems.tracking.summaries import Side

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

side_option = click.option(
    "--side", type=click.Choice([side.value for side in Side]), help="Only events on their way out, or in."
)
topic_option = click.option("--topic", help="Only events of this topic.")
service_option = click.option("--service", help="Only events of this service.")
since_option = click.option(
    "--since", type=Moment(), help="Only since then: an ISO 8601 time, else UTC, or a span (2h)."
)
