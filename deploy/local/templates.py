"""Configuration templates: text with ${name}, where a name nobody gave is an error."""

from __future__ import annotations

import string
from collections.abc import Mapping

from .errors import StackError


def render(text: str, values: Mapping[str, str]) -> str:
    """Return `text` with every ${name} replaced. Raises StackError for an unknown or malformed name."""
    try:
        return string.Template(text).substitute(values)
    except KeyError as error:
        known = ", ".join(sorted(values))
        raise StackError(f"the template asks for ${{{error.args[0]}}}; known are {known}") from error
    except ValueError as error:
        raise StackError(f"the template is malformed: {error}") from error
