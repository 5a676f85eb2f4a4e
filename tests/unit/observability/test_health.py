"""Health is progress."""

from streams_app.observability.health import judge


def test_no_lag_is_healthy_however_long_nothing_came():
    assert judge(0, 24, 3600, False, 30).status == "ok"


def test_lag_with_progress_is_healthy():
    assert judge(1_000_000, 24, 1, False, 30).healthy


def test_lag_without_progress_is_not():
    health = judge(1, 24, 31, False, 30)
    assert (health.status, health.healthy) == ("stalled", False)


def test_a_worker_that_is_getting_its_partitions_is_not_stalled():
    assert judge(1, 0, 31, True, 30).status == "recovering"
