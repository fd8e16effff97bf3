"""Aggregates: statistics of a batch as a whole, read from its state.

Rows by weekday, hour and value; the share of usual values that are absent; how many values a column
has and how frequent the first is; correlations of numbers, and with the row before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats
from lockstep.constraints.features import Feature
from lockstep.constraints.layout import Layout
from lockstep.constraints.numbering import KIND, Numbering
from lockstep.constraints.past import PastBatch
from lockstep.constraints.quantities import Quantity
from lockstep.constraints.segments import Segments
from lockstep.constraints.thresholds import SHARED
from lockstep.stats.number_runs import Gap
from lockstep.stats.states import Frequent, State, merged

FAMILY = "aggregates"
_ENOUGH = 5


class Expected(msgspec.Struct, frozen=True):
    """How many different values a column has among so many rows.

    As many as rows drawn from all training rows would have (rarefaction: Hurlbert, "The nonconcept
    of species diversity", 1971), corrected by what training days have.
    """

    shares: bytes  # float64, the distinct shares of training rows that its values have
    times: bytes  # float64, how many values have each share
    level: float  # the logarithm of the correction
    known: int = 0  # how many training rows have a value; 0 where that is not known

    @classmethod
    def of(cls, whole: Frequent, days: Sequence[Frequent]) -> Expected:
        """Learn the expected number of different values of a column."""
        counts, times = np.unique(whole.counts, return_counts=True)
        shares = counts / max(whole.known, 1)
        drawn = cls(_bytes(shares), _bytes(times), 0.0, whole.known)
        differences = [
            drawn.beside(day.distinct.count, day.known, is_timed=True)
            for day in days
            if day.known >= _ENOUGH
        ]
        level = float(np.median(differences)) if differences else 0.0
        return msgspec.structs.replace(drawn, level=level)

    def at(self, known: float) -> float:
        """The logarithm of the number among so many drawn rows with a value."""
        shares, times = (np.frombuffer(stored, dtype="<f8") for stored in (self.shares, self.times))
        if not self.known:  # drawn with replacement
            drawn = (times * -np.expm1(known * np.log1p(-np.minimum(shares, 1 - 1e-9)))).sum()
            return float(np.log(max(float(drawn), 1e-9)))
        part = min(known / self.known, 1 - 1e-9)
        drawn = (times * -np.expm1(shares * self.known * np.log1p(-part))).sum()
        # beyond the training rows as many are new as were single there (Good, 1953)
        single = (times * (shares * self.known < 1.5)).sum() / self.known
        drawn += max(known - self.known, 0) * single
        return float(np.log(max(float(drawn), 1e-9)))

    def beside(self, distinct: float, known: float, *, is_timed: bool) -> float:
        """By how much the logarithm of a number of different values is off.

        Rows without a time may stand in any order: of a sorted table a batch has as many as drawn
        rows have, or as few as a block of training rows, or any number between.
        """
        off = float(np.log(distinct)) - self.at(known)
        if is_timed:
            return off - self.level
        return off - min(max(off, min(self.level, 0.0)), max(self.level, 0.0))


def _bytes(values: Array) -> bytes:
    return values.astype("<f8").tobytes()


class Aggregates(msgspec.Struct, frozen=True, tag=FAMILY):
    """Which statistics of a batch as a whole there are."""

    segments: Segments  # the cells and values that rows are counted by
    columns: tuple[str, ...]  # columns whose values are counted
    expected: tuple[Expected, ...]
    numbers: tuple[Quantity, ...]  # numbers whose correlations are statistics
    numbered: bool = False  # whether the numbers of keys rise from day to day
    is_timed: bool = True  # versions of before count rows without a time, too
    numbering: Numbering | None = None  # how the keys are numbered, if without gaps

    def features(self, layout: Layout) -> Iterator[Feature]:
        """The features of a batch, in the order of `read`."""
        if self.is_timed:
            yield from self._of_rows(layout)
        for name in self.columns:
            yield Feature(FAMILY, "distinct", (name,), f"different values of {name}")
            yield Feature(FAMILY, "top share", (name,), f"share of the first value of {name}")
        for place, first in enumerate(self.numbers):
            for second in self.numbers[place + 1 :]:
                columns = tuple(dict.fromkeys((*first.columns, *second.columns)))
                says = f"correlation of {first.title} and {second.title}"
                yield Feature(FAMILY, "correlation", columns, says)
        for number in self.numbers if self.is_timed else ():
            says = f"correlation of {number.title} with the row before"
            yield Feature(FAMILY, "row to row", number.columns, says)
        if layout.key is not None and self.numbered:
            yield Feature(FAMILY, "numbering", (layout.key,), "numbers of keys go on")
        if layout.key is not None and self.numbering is not None:
            says = f"numbers of {layout.key} without gaps"
            yield Feature(FAMILY, KIND, (layout.key,), says, strict=not self.numbering.gaps)

    def _of_rows(self, layout: Layout) -> Iterator[Feature]:
        """The features of how many rows there are, and of which."""
        of_rows = tuple(name for name in (layout.event_time, layout.key) if name)
        yield Feature(FAMILY, "volume", of_rows, "number of rows")
        for cell in self.segments.cells:
            says = f"rows {cell.says}" if cell.column else "rows beside its weekday"
            kind = "count" if cell.column else "volume of the weekday"
            yield Feature(FAMILY, kind, (*cell.columns, *of_rows), says)
        for name in self.segments.things:
            own = () if name.startswith("@") else (name,)
            says = f"what is lacking of {name.removeprefix('@')}"
            yield Feature(FAMILY, "lacking", (*own, *of_rows), says)

    def read(
        self, state: State, past: Sequence[PastBatch], day: int, gaps: Sequence[Gap] = ()
    ) -> tuple[Floats, Floats]:
        """The statistics of a batch, and the standard error of each."""
        values: list[float] = []
        errors: list[float] = []
        earlier = [batch for batch in past if batch.day < day]
        if self.is_timed:
            counts, error = self._counts(state, earlier, day)
            values += [np.log1p(state.rows), *counts.tolist()]
            errors += [1 / np.sqrt(max(_usual_rows(state, earlier), 1)), *[error] * len(counts)]
            for name in self.segments.things:
                values.append(_lacking(state.counts[name], name, state.rows, earlier))
                errors.append(0.02)
        for name, expected in zip(self.columns, self.expected, strict=True):
            frequent = state.frequent[name]
            distinct = frequent.distinct.count
            enough = frequent.known >= _ENOUGH
            beside = expected.beside(distinct, frequent.known, is_timed=self.is_timed)
            values.append(beside if enough else np.nan)
            values.append(np.arcsin(np.sqrt(frequent.top)) if enough else np.nan)
            errors += [0.7 / np.sqrt(max(distinct, 1)), 1 / np.sqrt(max(frequent.known, 1))]
        upper = np.triu_indices(len(self.numbers), 1)
        pairs = state.products.pairs
        correlations, rows = [pairs.correlation[upper]], [pairs.independent[upper]]
        if self.is_timed:
            correlations.append(state.products.to_before.correlation)
            rows.append(state.products.to_before.independent)
        values += np.arctanh(np.concatenate(correlations)).tolist() if self.numbers else []
        errors += (1 / np.sqrt(np.maximum(np.concatenate(rows) - 3, 1))).tolist()
        if self.numbered:
            middles = [batch.middle for batch in earlier if np.isfinite(batch.middle)]
            values.append(float(np.sign(middle_of(state) - (middles or [np.nan])[-1])))
            errors.append(0.05)
        if self.numbering is not None:
            lost = self.numbering.rows_of(gaps)
            values.append(float(np.sqrt(lost / max(state.rows + lost, 1))))
            errors.append(0.02)
        return np.array(values), np.array(errors)

    def _counts(self, state: State, earlier: Sequence[PastBatch], day: int) -> tuple[Floats, float]:
        """Deviations of each cell from earlier days of the weekday, and their standard error."""
        own = state.counts["cells"]
        alike = [batch for batch in earlier if (day - batch.day) % 7 == 0]
        known = [batch.counted("cells") for batch in alike if not batch.blocked]
        known = [counts for counts in known if len(counts) == len(own)]
        if len(known) < 2:
            return np.full(len(own), np.nan), 1.0
        usual = np.median(known, axis=0) if len(known) > 2 else np.mean(known, axis=0)
        # the square root of a count has a deviation of a half (Anscombe, 1948)
        deviations = 2 * (np.sqrt(own + 0.375) - np.sqrt(usual + 0.375))
        return deviations, float(np.sqrt(1 + 1 / len(known)))


def _usual_rows(state: State, earlier: Sequence[PastBatch]) -> float:
    """The rows that a batch has by those before: one that lost rows is no excuse for itself."""
    known = [batch.rows for batch in earlier if not batch.blocked]
    return float(np.median(known)) if known else state.rows


def _lacking(own: Floats, name: str, rows: int, earlier: Sequence[PastBatch]) -> float:
    """The share of usual rows whose value is absent from the batch: its square root."""
    near = [batch for batch in earlier if rows / 2 <= batch.rows <= 2 * rows]
    known = [counts for batch in near if len(counts := batch.counted(name)) == len(own)]
    if len(known) < _ENOUGH:
        return float("nan")
    usual = np.mean(known, axis=0)
    return float(np.sqrt(usual[own == 0].sum() / max(usual.sum(), 1e-9)))


def is_numbered(states: Sequence[State]) -> bool:
    """Whether the numbers of keys rise from nearly every training day to the next."""
    middles = np.array([middle_of(state) for state in states])
    known = middles[np.isfinite(middles)]
    return len(known) >= _ENOUGH and bool(np.mean(np.diff(known) > 0) >= SHARED)


def middle_of(state: State) -> float:
    """The mean number in the keys; NaN where they have none."""
    count, total = state.digits
    return total / count if count else float("nan")


def columns_of(layout: Layout) -> tuple[str, ...]:
    """The columns whose values are counted."""
    return tuple(name for name in layout.fields if name not in layout.dated)


def expected_of(states: Sequence[State], columns: Sequence[str]) -> tuple[Expected, ...]:
    """How many different values each column is expected to have, by the states of training days."""
    by_column = ([state.frequent[name] for state in states] for name in columns)
    return tuple(Expected.of(merged(days), days) for days in by_column)
