"""When a region counts as down, and how it comes back."""

from streams_app.databases.breaker import Breaker


def test_one_short_failure_changes_nothing():
    breaker = Breaker()
    breaker.failed(began=0, now=0.1)
    assert not breaker.is_open
    assert breaker.allows(0.2)


def test_failures_that_last_open_it():
    breaker = Breaker(open_after=3)
    breaker.failed(began=0, now=0.1)
    breaker.failed(began=2, now=3)
    assert breaker.is_open


def test_one_attempt_that_hangs_long_enough_opens_it_too():
    breaker = Breaker(open_after=3)
    breaker.failed(began=0, now=10)
    assert breaker.is_open


def test_a_success_between_starts_the_count_anew():
    breaker = Breaker(open_after=3)
    breaker.failed(began=0, now=1)
    breaker.succeeded()
    breaker.failed(began=4, now=5)
    assert not breaker.is_open


def test_an_open_breaker_lets_one_probe_pass_in_each_interval_and_closes_at_its_success():
    breaker = Breaker(open_after=1, probe_every=1)
    breaker.failed(began=0, now=2)
    assert [breaker.allows(now) for now in (2.5, 3.0, 3.1, 3.9, 4.0)] == [False, True, False, False, True]
    breaker.succeeded()
    assert breaker.allows(4.1)
    assert not breaker.is_open
