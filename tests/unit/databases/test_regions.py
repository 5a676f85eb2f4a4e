"""Localities and regions."""

from uuid import UUID

import pytest

from streams_app.databases import Regions, locality_of

REGIONS = Regions({"us-east": (0, 9), "us-central": (10, 19), "us-west": (20, 29)})


@pytest.mark.parametrize(
    ("account", "locality"),
    # zlib.crc32 and CockroachDB's crc32ieee agree; the SQL function is checked against these in the stack's tests.
    [
        ("00000000-0000-0000-0000-000000000000", 0xECBB4B55 % 30),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", 0x3FB3C61A % 30),
    ],
)
def test_locality_is_crc32_modulo_thirty(account, locality):
    assert locality_of(UUID(account)) == locality


def test_ten_localities_a_region():
    assert [REGIONS.of(n) for n in (0, 9, 10, 19, 20, 29)] == [
        "us-east",
        "us-east",
        "us-central",
        "us-central",
        "us-west",
        "us-west",
    ]
    assert REGIONS.names == ("us-east", "us-central", "us-west")


def test_a_locality_that_no_region_holds_is_an_error():
    with pytest.raises(LookupError):
        REGIONS.of(30)
