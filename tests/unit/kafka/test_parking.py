"""A parked record is, when it comes back, what it was; nothing overtakes it."""

from types import SimpleNamespace

from faust.types import TP

from streams_app.changefeed import Record
from streams_app.kafka.parking import TopicParkingLot, unwrapped, wrapped_headers
from streams_app.topics import TopicSpec


def test_a_record_survives_parking():
    origin = Record("acct-mgmt.request-status-events", 7, 4711, b"key", b"value", (("trace", b"1"),))
    parked = Record("parked", 7, 3, b"key", b"value", (*wrapped_headers(origin), *origin.headers))
    assert unwrapped(parked) == origin


class App:
    """An app whose consumer has partition 0 of the parked topic; `lags` are those that it knows."""

    def __init__(self) -> None:
        self.consumer = self
        self.lags: dict[TP, int] = {}

    def batch_agent(self, *arguments, **options):
        return SimpleNamespace(positions={})

    def assignment(self) -> set[TP]:
        return {TP("parked", 0), TP("other", 0)}

    def lag(self) -> dict[TP, int]:
        return self.lags


def test_a_route_is_held_until_it_is_known_that_nothing_is_parked():
    app = App()
    lot = TopicParkingLot(app, {"us-east": TopicSpec("parked", "key")}, lambda route: False)
    lot.drain_into(None, None)
    assert lot.holds("us-east")
    app.lags = {TP("parked", 0): 2, TP("other", 0): 0}
    assert lot.holds("us-east")
    app.lags = {TP("parked", 0): 0, TP("other", 0): 5}
    assert not lot.holds("us-east")
