"""The commands of trading that read its topics."""

from __future__ import annotations

import click

from streams_app.commands.trading_demo import eos_demo_command
from streams_app.commands.trading_proof import check_duplicates_command, eos_verify_command
from streams_app.commands.trading_prune import prune_command
from streams_app.commands.trading_tail import tail_command

TRADING_COMMANDS: list[click.Command] = [
    tail_command,
    eos_demo_command,
    check_duplicates_command,
    eos_verify_command,
    prune_command,
]
