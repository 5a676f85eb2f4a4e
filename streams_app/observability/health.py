"""Health is progress: a worker that has work and does none is unhealthy, whatever its ports say. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """What a worker says of itself. `status` is ok, recovering (tables or partitions are not there yet) or stalled."""

    status: str
    lag: int
    partitions: int
    seconds_since_progress: float
    seconds_uncommitted: float

    @property
    def healthy(self) -> bool:
        """False when the worker should be replaced."""
        return self.status != "stalled"

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def judge(
    lag: int, partitions: int, since_progress: float, uncommitted: float, *, recovering: bool, stall_timeout: float
) -> Health:
    """The health of a worker that has `lag` records before it and last ended a batch `since_progress` seconds ago.

    `uncommitted`: for how many seconds positions have waited for their commit.
    """
    if recovering:
        status = "recovering"
    elif (lag > 0 and since_progress > stall_timeout) or uncommitted > stall_timeout:
        status = "stalled"
    else:
        status = "ok"
    return Health(status, lag, partitions, round(since_progress, 1), round(uncommitted, 1))
