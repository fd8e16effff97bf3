"""Traffic: how many requests a process answered in the last minutes, and how fast.

Prometheus keeps such figures for good; these are for the server's own page.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic

SECONDS = 5
"""Seconds of an interval."""
INTERVALS = 60
"""Intervals that are kept, with the current one."""
_PARTS = 32
"""Buckets of an octave of latencies: a quantile is right to 2 percent."""


@dataclass
class Interval:
    """The requests of a few seconds."""

    number: int  # of the interval on the clock
    # answered, refused (4xx) and failed (5xx)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    # requests by the bucket of their latency
    latencies: Counter[int] = field(default_factory=Counter)

    @classmethod
    def joined(cls, intervals: Sequence[Interval]) -> Interval:
        """The requests of several intervals in one."""
        total = cls(intervals[0].number)
        for interval in intervals:
            total.counts = [sum(pair) for pair in zip(total.counts, interval.counts, strict=True)]
            total.latencies.update(interval.latencies)
        return total

    def quantile(self, share: float) -> float | None:
        """A quantile of the latencies, in seconds; None where there was no request."""
        rank = math.ceil(share * self.latencies.total())
        for part in sorted(self.latencies):
            rank -= self.latencies[part]
            if rank <= 0:
                exponent, place = divmod(part - _PARTS, _PARTS)
                return math.ldexp((place + _PARTS + 0.5) / (2 * _PARTS), exponent)
        return None


class Traffic:
    """The requests of the last minutes, by interval. It belongs to one event loop."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._ring = [Interval(-1)] * INTERVALS
        self._now = self._ring[0]

    def answered(self, status: int, seconds: float) -> None:
        """Count a request by its status and how long it took, which is more than 0 seconds."""
        number = int(self._clock()) // SECONDS
        now = self._now
        if now.number != number:
            now = self._now = self._ring[number % INTERVALS] = Interval(number)
        now.counts[(status >= 400) + (status >= 500)] += 1
        mantissa, exponent = math.frexp(seconds)
        now.latencies[exponent * _PARTS + int(mantissa * 2 * _PARTS)] += 1

    def last(self) -> list[Interval]:
        """The intervals of the last minutes, oldest first."""
        now = int(self._clock()) // SECONDS
        numbers = range(now - INTERVALS + 1, now + 1)
        kept = {interval.number: interval for interval in self._ring}
        return [kept.get(number) or Interval(number) for number in numbers]
