"""A parked record is, when it comes back, what it was."""

from streams_app.changefeed import Record
from streams_app.kafka.parking import unwrapped, wrapped_headers


def test_a_record_survives_parking():
    origin = Record("acct-mgmt.request-status-events", 7, 4711, b"key", b"value", (("trace", b"1"),))
    parked = Record("parked", 7, 3, b"key", b"value", (*wrapped_headers(origin), *origin.headers))
    assert unwrapped(parked) == origin
