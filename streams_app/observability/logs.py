"""Log lines: text for people, JSON for machines; both carry request_id, region, topic, partition, offset when known."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any

import orjson

from streams_app.errors import StartError

FIELDS = ("request_id", "region", "topic", "partition", "offset")
_NUMBER = re.compile(r"\d+")


class TextFormatter(logging.Formatter):
    """One line a record, with the known fields at its end."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        known = " ".join(f"{name}={getattr(record, name)}" for name in FIELDS if hasattr(record, name))
        text = super().format(record)
        return f"{text} [{known}]" if known else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({name: getattr(record, name) for name in FIELDS if hasattr(record, name)})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class RateLimit(logging.Filter):
    """Lets at most `most` records of one message pass in `seconds`; the first of the next period says how many did not.

    A client that has lost its broker repeats itself some thousand times a second. Messages that differ in their
    arguments, or in numbers alone, are one.
    """

    # Messages remembered before those of past periods are forgotten.
    _MANY = 1000

    def __init__(self, most: int = 3, seconds: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        key, now = (record.name, record.levelno, _NUMBER.sub("0", str(record.msg))), self._clock()
        began, count = self._seen.get(key, (now, 0))
        if now - began >= self._seconds:
            if count > self._most:
                record.msg = f"{record.msg} (and {count - self._most} more like it in {now - began:.0f} s)"
            began, count = now, 0
        if count == 0 and len(self._seen) >= self._MANY:
            self._seen = {old: seen for old, seen in self._seen.items() if now - seen[0] < self._seconds}
        self._seen[key] = (began, count + 1)
        return count < self._most


class SaidAlready(logging.Filter):
    """Holds back the stack of calls of a StartError: its one sentence was logged, and the calls add nothing to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record may pass."""
        return not (record.exc_info and record.exc_info[0] and issubclass(record.exc_info[0], StartError))


def logging_config(log_format: str) -> dict[str, Any]:
    """A logging configuration (dictConfig) for Faust's worker."""
    formatter = JsonFormatter if log_format == "json" else TextFormatter
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"default": {"()": formatter}},
        "filters": {"rate": {"()": RateLimit}, "said": {"()": SaidAlready}},
        "handlers": {
            "default": {"class": "logging.StreamHandler", "formatter": "default", "filters": ["said", "rate"]}
        },
        "root": {"handlers": ["default"], "level": "INFO"},
        "loggers": {
            # It warns whenever a commit takes longer than the pause between commits.
            "mode.timers": {"level": "ERROR"},
            # These speak of every rebalance step; their warnings are enough.
            **{name: {"level": "WARNING"} for name in ("aiokafka", "faust.tables.recovery", "faust.transport", "mode")},
        },
    }
