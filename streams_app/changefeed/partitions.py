"""The partition a keyed message goes to: Kafka's Java clients and CockroachDB hash differently.

Nothing may assume that two topics put a key into the same partition when different producers fill them.
"""

from __future__ import annotations

from typing import Final

_MASK: Final = 0xFFFFFFFF


def murmur2_partition(key: bytes, partitions: int) -> int:
    """Return the partition chosen by Kafka's Java producer, hence by Debezium, and by aiokafka.

    Source of the rule: org.apache.kafka.common.utils.Utils.murmur2.
    """
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def fnv1a_partition(key: bytes, partitions: int) -> int:
    """Return the partition chosen by CockroachDB's Kafka sink: 32-bit FNV-1a, as in sarama."""
    digest = 0x811C9DC5
    for byte in key:
        digest = ((digest ^ byte) * 0x01000193) & _MASK
    # Go takes the remainder of a signed 32-bit number and then drops the sign.
    signed = digest - (1 << 32) if digest >> 31 else digest
    return abs(signed) % partitions


def _murmur2(data: bytes) -> int:
    factor = 0x5BD1E995
    digest = 0x9747B28C ^ len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * factor & _MASK
        word = (word ^ (word >> 24)) * factor & _MASK
        digest = (digest * factor & _MASK) ^ word
    if len(data) > whole:
        digest = (digest ^ int.from_bytes(data[whole:], "little")) * factor & _MASK
    digest = (digest ^ (digest >> 13)) * factor & _MASK
    return digest ^ (digest >> 15)
