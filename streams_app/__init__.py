"""Changefeeds through Kafka into regional databases: in order, and exactly once in effect.

`faust -A streams_app worker` finds `app` here. It is made when first asked for, so that importing a part of the
package needs neither settings nor Faust.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams_app.kafka.app import StreamsApp

    app: StreamsApp


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from streams_app.application import add_commands, create_app
    from streams_app.errors import SettingsError
    from streams_app.settings import load_settings

    try:
        made = create_app(load_settings())
    except SettingsError as error:
        sys.exit(f"streams_app cannot start:\n{error}")
    add_commands()
    globals()["app"] = made
    return made
