"""Log lines carry the known fields."""

import logging

import orjson

from streams_app.observability.logs import JsonFormatter, RateLimit, TextFormatter


def line(**extra: object) -> logging.LogRecord:
    record = logging.LogRecord("streams_app", logging.WARNING, __file__, 1, "gone %s", ("wrong",), None)
    record.__dict__.update(extra)
    return record


def test_text_ends_with_the_known_fields_only():
    text = TextFormatter().format(line(region="us-east", offset=7, password="x"))
    assert text.endswith("streams_app: gone wrong [region=us-east offset=7]")
    assert "password" not in text


def test_a_message_that_repeats_itself_is_cut_short_and_counted():
    now = [0.0]
    limit = RateLimit(most=3, seconds=10, clock=lambda: now[0])
    assert [limit.filter(line()) for _ in range(1000)].count(True) == 3
    now[0] = 10.0
    later = line()
    assert limit.filter(later)
    assert "and 997 more like it in 10 s" in later.msg


def test_other_messages_pass_beside_it():
    limit = RateLimit(most=1)
    assert limit.filter(line())
    other = line()
    other.msg = "another thing"
    assert limit.filter(other)


def test_messages_that_differ_in_numbers_alone_are_one_message():
    limit = RateLimit(most=1)
    passed = []
    for node in range(100):
        record = line()
        record.msg = f"node {node} does not answer"
        passed.append(limit.filter(record))
    assert passed.count(True) == 1


def test_ever_new_messages_do_not_fill_the_memory():
    now = [0.0]
    limit = RateLimit(clock=lambda: now[0])
    for n in range(10_000):
        now[0] += 1
        record = line()
        record.msg = "x" * n
        assert limit.filter(record)
    assert len(limit._seen) <= 1000


def test_json_is_one_object_a_line():
    found = orjson.loads(JsonFormatter().format(line(topic="t", partition=3)))
    assert found["message"] == "gone wrong"
    assert (found["topic"], found["partition"], found["level"]) == ("t", 3, "WARNING")
