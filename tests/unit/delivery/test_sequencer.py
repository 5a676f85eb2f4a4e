"""Order and dedup per key."""

from hypothesis import given
from hypothesis import strategies as st

from streams_app.changefeed import Change, Resolved, decode
from streams_app.delivery.sequencer import sequence_newest
from tests.unit.delivery.fakes import SPEC, FakeVersions, record


def change(key: str, seq: int) -> Change:
    decoded = decode(record(key, seq), SPEC)
    assert not isinstance(decoded, Resolved)
    return decoded


def numbers(changes: list[Change]) -> list[tuple[str, int]]:
    return [(c.key, c.version.major) for c in changes if c.version is not None]


def test_new_versions_pass_in_order():
    result = sequence_newest([change("a", 1), change("b", 1), change("a", 2)], FakeVersions())
    assert numbers(result.passed) == [("a", 1), ("b", 1), ("a", 2)]
    assert (result.duplicates, result.gaps) == ([], 0)


def test_a_version_at_or_below_the_highest_seen_is_a_duplicate():
    seen = FakeVersions()
    seen.seen["a"] = 2
    result = sequence_newest([change("a", 1), change("a", 2), change("a", 3), change("a", 3)], seen)
    assert numbers(result.passed) == [("a", 3)]
    assert numbers(result.duplicates) == [("a", 1), ("a", 2), ("a", 3)]


def test_a_skipped_version_is_a_gap_and_passes():
    seen = FakeVersions()
    seen.seen["a"] = 1
    result = sequence_newest([change("a", 4)], seen)
    assert numbers(result.passed) == [("a", 4)]
    assert result.gaps == 1


def test_the_first_version_ever_seen_is_no_gap():
    assert sequence_newest([change("a", 7)], FakeVersions()).gaps == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6))), st.integers(1, 5))
def test_each_version_passes_at_most_once_and_upwards_however_batches_are_cut(arrivals, size):
    seen, passed = FakeVersions(), []
    for start in range(0, len(arrivals), size):
        result = sequence_newest([change(*arrival) for arrival in arrivals[start : start + size]], seen)
        for key, version in numbers(result.passed):
            seen.seen[key] = version
            passed.append((key, version))
    for key in "abc":
        versions = [version for k, version in passed if k == key]
        assert versions == sorted(set(versions))
        assert max(versions, default=0) == max((v for k, v in arrivals if k == key), default=0)
