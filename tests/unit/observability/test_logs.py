"""Log lines carry the known fields."""

import logging

import orjson

from streams_app.observability.logs import JsonFormatter, TextFormatter


def line(**extra: object) -> logging.LogRecord:
    record = logging.LogRecord("streams_app", logging.WARNING, __file__, 1, "gone %s", ("wrong",), None)
    record.__dict__.update(extra)
    return record


def test_text_ends_with_the_known_fields_only():
    text = TextFormatter().format(line(region="us-east", offset=7, password="x"))
    assert text.endswith("streams_app: gone wrong [region=us-east offset=7]")
    assert "password" not in text


def test_json_is_one_object_a_line():
    found = orjson.loads(JsonFormatter().format(line(topic="t", partition=3)))
    assert found["message"] == "gone wrong"
    assert (found["topic"], found["partition"], found["level"]) == ("t", 3, "WARNING")
