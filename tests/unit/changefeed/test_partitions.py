"""Partitioners against vectors from the clients whose choice they repeat."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from streams_app.changefeed.partitions import fnv1a_partition, murmur2_partition

# key, CockroachDB's partition of 24 (franz-go, as its Kafka sink), Kafka's Java producer's partition of 24
VECTORS = [
    (b'["us-central", 11, "78ae6336-4364-41f8-8a8a-de210b95b0ea"]', 6, 21),
    (b"[1]", 4, 1),
    (b'["us-east", 3, "00000000-0000-0000-0000-000000000001"]', 19, 6),
    (b'["78ae6336-4364-41f8-8a8a-de210b95b0ea"]', 4, 6),
]


@pytest.mark.parametrize(("key", "cockroachdb", "java"), VECTORS)
def test_vectors(key: bytes, cockroachdb: int, java: int) -> None:
    assert fnv1a_partition(key, 24) == cockroachdb
    assert murmur2_partition(key, 24) == java


def test_negative_digests_lose_their_sign_after_the_remainder() -> None:
    # FNV-1a of the empty key is 0x811C9DC5, in 32 signed bits -2128831035.
    assert fnv1a_partition(b"", 24) == 2128831035 % 24


@given(st.binary(max_size=200), st.integers(1, 200))
def test_murmur2_agrees_with_aiokafka(key: bytes, partitions: int) -> None:
    everything = list(range(partitions))
    assert murmur2_partition(key, partitions) == DefaultPartitioner()(key, everything, everything)


@given(st.binary(max_size=200), st.integers(1, 200))
def test_partitions_exist(key: bytes, partitions: int) -> None:
    assert 0 <= fnv1a_partition(key, partitions) < partitions
