"""Runs: the numbers that each series holds, as spans without a gap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.digests import mixed
from lockstep.columns.kinds import Array, Ints


class Gap(NamedTuple):
    """Numbers that lack in a series."""

    series: int  # a digest of the series
    first: int
    last: int


class Runs(msgspec.Struct, frozen=True):
    """Spans of numbers, by series; two of them add up."""

    # what series and numbers are made of: spans of another form say nothing of these
    form: str = ""
    step: int = 1  # the distance of a number from the one before it
    series: bytes = b""  # uint64, a digest of the series of each span, in order
    first: bytes = b""  # int64, its first number
    last: bytes = b""  # int64, its last one

    @classmethod
    def of(cls, form: str, step: int, series: Array, numbers: Ints) -> Runs:
        """The spans of numbers, in any order, each with the digest of its series (uint64)."""
        return cls._joined(form, step, series, numbers, numbers)

    @classmethod
    def _joined(cls, form: str, step: int, series: Array, first: Ints, last: Ints) -> Runs:
        """Spans in any order, of which those that touch are one."""
        order = np.lexsort((first, series))
        series, first = series[order], first[order]
        reach = pd.Series(last[order]).groupby(series).cummax().to_numpy()
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = (series[1:] != series[:-1]) | (first[1:] - reach[:-1] > step)
        at = np.flatnonzero(begins)
        ends = np.append(at[1:], len(order))[: len(at)] - 1
        return cls(
            form,
            step,
            series[at].astype("<u8").tobytes(),
            first[at].astype("<i8").tobytes(),
            reach[ends].astype("<i8").tobytes(),
        )

    @classmethod
    def union(cls, runs: Iterable[Runs]) -> Runs:
        """The spans of all; those that have spans are of one form."""
        some = [each for each in runs if each.form]
        if len(some) < 2:
            return some[0] if some else cls()
        spans = zip(*(each.spans for each in some), strict=True)
        return cls._joined(some[0].form, some[0].step, *map(np.concatenate, spans))

    def __add__(self, other: Runs) -> Runs:
        """The spans of both."""
        return self.union((self, other))

    @property
    def spans(self) -> tuple[Array, Ints, Ints]:
        """Series, first and last number of each span, in order."""
        return (
            np.frombuffer(self.series, dtype="<u8"),
            np.frombuffer(self.first, dtype="<i8"),
            np.frombuffer(self.last, dtype="<i8"),
        )

    def bounded(self, most: int) -> Runs | None:
        """The same in so many spans, if need be with the gaps filled; None for too many series."""
        series, first, last = self.spans
        if len(series) <= most:
            return self
        whole = np.flatnonzero(np.append(True, series[1:] != series[:-1]))
        if len(whole) > most:
            return None
        ends = np.append(whole[1:], len(series)) - 1
        return self._joined(self.form, self.step, series[whole], first[whole], last[ends])

    def gaps(self, known: Sequence[Runs], start: int | None) -> list[Gap]:
        """The numbers that lack before those of these runs."""
        series, first, last = self.union((self, *known)).spans
        own = np.isin(_named(series, first), _named(*self.spans[:2]))
        follows = np.append(False, series[1:] == series[:-1])[: len(series)]
        least = first if start is None else np.minimum(first, start)
        before = np.where(follows, np.roll(last, 1), least - self.step)
        return [
            Gap(int(series[at]), int(before[at]) + self.step, int(first[at]) - self.step)
            for at in np.flatnonzero(own & (first - before > self.step)).tolist()
        ]


def _named(series: Array, first: Ints) -> Array:
    return mixed((series, first.view("<u8")), len(series))


NO_RUNS = Runs()
"""No numbers."""
