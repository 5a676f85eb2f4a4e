"""A circuit breaker per region: when a region fails for a while, stop asking it, but for a probe now and then. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Opens when failures have lasted `open_after` seconds without a success between; then lets one attempt pass every
    `probe_every` seconds, and closes at the first that succeeds. Times are monotonic seconds."""

    open_after: float = 3.0
    probe_every: float = 1.0
    _failing_since: float | None = None
    _opened: bool = False
    _next_probe: float = 0.0

    @property
    def is_open(self) -> bool:
        """True while the region is taken to be down."""
        return self._opened

    def allows(self, now: float) -> bool:
        """Whether an attempt may be made; when open, a True is the one probe of its interval."""
        if not self._opened:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self.probe_every
        return True

    def succeeded(self) -> None:
        """An attempt reached the region."""
        self._failing_since = None
        self._opened = False

    def failed(self, began: float, now: float) -> None:
        """An attempt that began at `began` did not reach the region: its time counts, for it may have hung."""
        if self._failing_since is None:
            self._failing_since = began
        if not self._opened and now - self._failing_since >= self.open_after:
            self._opened = True
            self._next_probe = now + self.probe_every
