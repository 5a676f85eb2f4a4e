"""Health is progress."""

from streams_app.observability.health import judge


def test_no_lag_is_healthy_however_long_nothing_came():
    assert judge(0, 24, 3600, 0, recovering=False, stall_timeout=30).status == "ok"


def test_lag_with_progress_is_healthy():
    assert judge(1_000_000, 24, 1, 1, recovering=False, stall_timeout=30).healthy


def test_lag_without_progress_is_not():
    health = judge(1, 24, 31, 0, recovering=False, stall_timeout=30)
    assert (health.status, health.healthy) == ("stalled", False)


def test_a_worker_that_is_getting_its_partitions_is_not_stalled():
    assert judge(1, 0, 31, 0, recovering=True, stall_timeout=30).status == "recovering"


def test_positions_that_no_commit_takes_are_a_stall_even_while_work_goes_on():
    assert judge(1, 24, 0, 31, recovering=False, stall_timeout=30).status == "stalled"
    assert judge(0, 24, 0, 29, recovering=False, stall_timeout=30).healthy
