"""A parked record is, when it comes back, what it was; nothing overtakes it."""

from dataclasses import fields
from types import SimpleNamespace

from faust.types import TP

from streams_app.changefeed import Record
from streams_app.delivery.batches import BatchProcessor
from streams_app.kafka.parking import TopicParkingLot, Unparked, unwrapped, wrapped_headers
from streams_app.topics import TopicSpec
from tests.unit.delivery.fakes import FakeHandler, FakeSink, FakeVersions


def test_a_record_survives_parking():
    origin = Record("acct-mgmt.request-status-events", 7, 4711, b"key", b"value", (("trace", b"1"),))
    parked = Record("parked", 7, 3, b"key", b"value", (*wrapped_headers(origin), *origin.headers))
    found = unwrapped(parked)
    assert found == Unparked(**{f.name: getattr(origin, f.name) for f in fields(Record)}, parked=parked)


class App:
    """An app whose consumer says what it is told to say."""

    def __init__(self) -> None:
        self.consumer = self
        self.through = False

    def batch_agent(self, *arguments, **options):
        return [SimpleNamespace(done={TP("parked", 0): 3}.get)]

    def is_through(self, topic: str) -> bool:
        return topic == "parked" and self.through

    async def send_records(self, tp: TP, rows) -> int:
        return 3 + len(list(rows))


async def test_a_route_is_held_until_it_is_known_that_nothing_is_parked():
    app = App()
    lot = TopicParkingLot(app, {"us-east": TopicSpec("parked", "key")}, lambda route: False)
    lot.drain_into(lambda: BatchProcessor(FakeHandler(), FakeVersions(), FakeSink()), None)
    assert lot.holds("us-east")
    app.through = True
    assert not lot.holds("us-east")
    await lot.park("us-east", [Record("heads", 0, 0, b"k", b"v")])
    assert lot.holds("us-east")


async def test_records_without_an_order_wait_for_no_parked_ones():
    down = set[str]()
    topics = {"us-east": TopicSpec("parked", "key")}
    lot = TopicParkingLot(App(), topics, down.__contains__, in_order=False)
    lot.drain_into(lambda: BatchProcessor(FakeHandler(), FakeVersions(), FakeSink()), None)
    await lot.park("us-east", [Record("heads", 0, 0, b"k", b"v")])
    assert not lot.holds("us-east")
    down.add("us-east")
    assert lot.holds("us-east")
