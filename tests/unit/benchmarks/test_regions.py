"""The pure parts of the benchmark of regions, and its links."""

from __future__ import annotations

import math
import time
from collections import Counter
from random import Random

import psycopg
import pytest

from benchmarks.picture import Bars, Lines
from benchmarks.regions.arrivals import Arrivals
from benchmarks.regions.figures import Measured, Zipf, knee, medians, percentile
from benchmarks.regions.links import Links
from benchmarks.regions.load import LONGEST, Tally, Window
from benchmarks.regions.stack import tune
from benchmarks.regions.watch import Sample, last_before, rate, since, taken_over, value_of
from deploy.local.ports import choose


def test_percentiles_are_values_that_were_measured():
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, fraction) for fraction in (0.0, 0.5, 0.8, 0.99, 1.0)] == [1, 3, 4, 5, 5]
    assert math.isnan(percentile([], 0.5))


def test_figures_have_units():
    figures = Measured(done=300, seconds=2, durations=[0.010, 0.020, 0.500], processor=1.0).figures()
    assert figures == {"rate": 150, "p50": 20, "p99": 500, "client": 50}


def test_medians_leave_out_what_some_round_lacks():
    assert medians([{"a": 1, "b": 1}, {"a": 3}, {"a": 2, "b": 5}]) == {"a": 2}


def test_the_knee_is_the_smallest_size_that_is_enough():
    assert knee({1: 50.0, 2: 94.9, 4: 95.0, 8: 100.0, 16: 97.0}) == 4
    assert knee({1: 100.0, 2: 50.0}) == 1


def test_zipf_draws_different_ranks_by_their_weight_and_is_repeatable():
    zipf = Zipf(100, 1.0)
    assert sum(zipf.share(rank) for rank in range(100)) == pytest.approx(1)
    assert zipf.share(0) == pytest.approx(2 * zipf.share(1)) == pytest.approx(10 * zipf.share(9))
    rng, drawn = Random(1), Counter[int]()
    for _ in range(20_000):
        drawn.update(zipf.different(1, rng))
    assert drawn[0] / 20_000 == pytest.approx(zipf.share(0), rel=0.1)
    batch = zipf.different(100, rng)
    assert sorted(batch) == list(range(100))
    assert zipf.different(10, Random(7)) == zipf.different(10, Random(7))
    assert Zipf(10, 0).share(0) == pytest.approx(0.1)


def test_a_batch_is_taken_when_it_is_full_or_has_waited():
    arrivals = Arrivals(rate=10)  # one each 0.1 s
    assert arrivals.waits_until(0.0, size=3, linger=10) == pytest.approx(0.2)
    assert arrivals.waits_until(0.0, size=100, linger=0.5) == pytest.approx(0.5)
    assert arrivals.waits_until(0.0, size=100, linger=0) == 0
    assert arrivals.take(0.25, 100) == (0, 3)
    assert arrivals.take(0.25, 100) == (3, 0)
    # Nothing has come: the wait begins with the first record that does.
    assert arrivals.waits_until(0.25, size=100, linger=0.5) == pytest.approx(0.8)
    # Who is late waits no more, and takes no more than fits.
    assert arrivals.waits_until(9.0, size=10, linger=0.5) == 9.0
    assert arrivals.take(9.0, 10) == (3, 10)


def test_a_saturated_queue_always_has_more():
    arrivals = Arrivals(math.inf)
    assert arrivals.waits_until(1.0, size=50, linger=0.1) == 1.0
    assert arrivals.take(1.0, 50) == (0, 50)
    assert arrivals.take(1.0, 50) == (50, 50)
    assert arrivals.arrival(70, now=1.5) == 1.5


def test_every_record_that_arrives_is_taken_once():
    arrivals, taken, now = Arrivals(1000), list[int](), 0.0
    rng = Random(3)
    while now < 1:
        first, count = arrivals.take(now, 20)
        taken += range(first, first + count)
        now += rng.uniform(0, 0.01)
    assert taken == list(range(len(taken)))
    assert len(taken) >= 900


def test_a_tuned_pooler_has_other_settings_and_more_databases():
    text = "[databases]\n* = host=h\n\n[pgbouncer]\ndefault_pool_size = 16\npool_mode = transaction\n"
    tuned = tune(text, {"default_pool_size": "4", "max_db_connections": "9"}, {"streams-west": "host=w"})
    assert "default_pool_size = 4\n" in tuned
    assert "default_pool_size = 16" not in tuned
    assert tuned.endswith("max_db_connections = 9\n")
    assert tuned.index("streams-west = host=w") < tuned.index("* = host=h")
    assert tune(text, {}, {}) == text


def test_a_window_counts_what_ends_in_it():
    tally = Tally(Window(1, 2), began=10, least=1)
    for now in (10.5, 11.5, 12.0, 12.9, 13.5, 13.6):
        tally.add(now, 5, [now - 10])
    found = tally.measured()
    assert not tally.open
    assert (found.done, found.seconds) == (15, 2)
    assert found.durations == pytest.approx([1.5, 2.0, 2.9])


def test_a_window_that_has_seen_too_little_grows_but_not_for_ever():
    tally = Tally(Window(0, 1), began=0, least=2)
    for now in (3.0, 4.0, 5.0):
        tally.add(now, 1, [now])
    assert (tally.measured().done, tally.measured().seconds) == (2, 4.0)
    tally = Tally(Window(0, 1), began=0, least=100)
    tally.add(LONGEST + 1.0, 1, [1.0])
    assert not tally.open


def sample(at: float, steps: int, partitions: int = 4) -> Sample:
    return Sample(at, {"a": steps, "b": 0}, {"a": steps // 2, "b": 0}, {}, {}, {}, partitions)


def test_rates_and_moments_of_samples():
    samples = [sample(0, 0), sample(1, 10), sample(2, 30, 2), sample(3, 60, 2), sample(4, 60, 5)]
    assert rate(samples, "steps", ["a", "b"], 1, 3) == 25
    assert rate(samples, "requests", ["a"], 1, 3) == 12.5
    assert rate(samples, "steps", ["a"], 2.5, 2.9) == 0
    assert last_before(samples, 2.5) is samples[2]
    assert last_before(samples, -1) is samples[0]
    assert since(samples, 0.5, lambda one: one.steps["a"] >= 30) == 1.5
    assert since(samples, 3.5, lambda one: one.steps["a"] > 60) is None
    assert taken_over(samples, 1.5) == 2.5
    assert taken_over(samples[:2], 0.5) is None


def test_values_of_one_region_are_read_from_a_page():
    page = 'm_total{class="x",region="us-east"} 2.0\nm_total{region="us-west"} 5.0\nmore_m_total{region="us-east"} 9\n'
    assert value_of(page, "m_total", "us-east") == [2.0]
    assert value_of(page, "m_total", "us-central") == []


def test_pictures_hold_every_name_and_leave_out_what_is_not_there():
    lines = Lines(["1", "2", "4"], {"<one>": [1.0, math.nan, 100.0]}, "sizes", "steps/s", log=True).draw()
    assert "&lt;one&gt;" in lines
    assert lines.count("<circle") == 2
    assert "nan" not in lines
    assert "another" in Bars([("one", 1, 1, 2), ("another", 2, 1, 2)], "seconds").draw()


def test_a_link_takes_its_round_trip_for_each_answer_whatever_is_under_way():
    import socket
    import threading

    ports = choose(["near", "far"], {}, [])
    with socket.create_server(("127.0.0.1", ports["far"])) as server, Links([(ports["near"], ports["far"])]) as links:

        def echo() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        with socket.create_connection(("127.0.0.1", ports["near"])) as client:
            client.settimeout(5)

            def ask(words: bytes) -> float:
                began = time.perf_counter()
                for number in range(len(words)):
                    client.sendall(words[number : number + 1])
                heard = b""
                while len(heard) < len(words):
                    heard += client.recv(4096)
                assert heard == words
                return time.perf_counter() - began

            ask(b"a")
            links.set([0.2])
            assert ask(b"one at a time") >= 0.2
            # Latency, not bandwidth: many that are under way together are late together.
            assert ask(b"x" * 500) < 10 * 0.2
            links.set([0.4])
            assert ask(b"y") >= 0.4
        thread.join(5)
        assert not thread.is_alive()


def test_a_target_that_is_gone_ends_the_connection():
    ports = choose(["near", "nobody"], {}, [])
    with Links([(ports["near"], ports["nobody"])]), pytest.raises(psycopg.OperationalError):
        psycopg.connect(host="127.0.0.1", port=ports["near"], dbname="x", user="x", connect_timeout=5)
