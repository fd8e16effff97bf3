"""Traffic: how many requests a process answered in the last minutes, and how fast.

Prometheus keeps such figures for good; these are for a person who looks at the server itself.
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
"""Intervals that are kept, the one that runs among them."""

_PARTS = 32
"""Parts of an octave that latencies are told apart by: a quantile is right to 2 percent."""


@dataclass
class Interval:
    """What was answered within a few seconds.

    Attributes:
        number: Which interval, on the clock.
        counts: Requests that were answered, refused (4xx) and failed (5xx).
        latencies: Requests by the part of an octave of seconds that they took.
    """

    number: int
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    latencies: Counter[int] = field(default_factory=Counter)

    @classmethod
    def joined(cls, intervals: Sequence[Interval]) -> Interval:
        """All of some intervals as one."""
        found = cls(intervals[0].number)
        for interval in intervals:
            found.counts = [sum(pair) for pair in zip(found.counts, interval.counts, strict=True)]
            found.latencies.update(interval.latencies)
        return found

    def quantile(self, share: float) -> float | None:
        """The latency, in seconds, that a share of the requests did not exceed.

        Args:
            share: The share, such as 0.99.

        Returns:
            The latency; None where there was no request.
        """
        rank = math.ceil(share * self.latencies.total())
        for part in sorted(self.latencies):
            rank -= self.latencies[part]
            if rank <= 0:
                exponent, place = divmod(part - _PARTS, _PARTS)
                return math.ldexp((place + _PARTS + 0.5) / (2 * _PARTS), exponent)
        return None


class Traffic:
    """The requests of the last minutes, by intervals. It belongs to one event loop.

    Args:
        clock: Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._ring = [Interval(-1)] * INTERVALS
        self._now = self._ring[0]

    def answered(self, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            status: The status of its response.
            seconds: What it took, more than nothing.
        """
        number = int(self._clock()) // SECONDS
        now = self._now
        if now.number != number:
            now = self._now = self._ring[number % INTERVALS] = Interval(number)
        now.counts[(status >= 400) + (status >= 500)] += 1
        mantissa, exponent = math.frexp(seconds)
        now.latencies[exponent * _PARTS + int(mantissa * 2 * _PARTS)] += 1

    def last(self) -> list[Interval]:
        """The last minutes, the oldest interval first and the one that runs last."""
        now = int(self._clock()) // SECONDS
        numbers = range(now - INTERVALS + 1, now + 1)
        kept = {one.number: one for one in self._ring}
        return [kept.get(number) or Interval(number) for number in numbers]
