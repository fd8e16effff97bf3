"""Coverage: of the usual values of a column a day has about as many as others of its size.

A gateway that is silent, a region that is not sent, an afternoon that was not read: rows of some
values are lost, all together. Where each of them has a row or two a day, or none, as on a weekend,
none is missed by itself (see `volume`). What they have in common is how many rows they usually
have: the share of all rows that the values have which a day lacks is one less the coverage of a
sample (Good, "The population frequencies of species and the estimation of population parameters",
1953), which hardly differs between days of as many rows.

Days of other sizes are held to the day that is judged by what chance alone makes of that (after
Hurlbert, "The nonconcept of species diversity", 1971). What else tells sizes apart, such as a
weekend, is told by the days themselves: only those of about as many rows are looked at. A place
may be closed for a day, so it only warns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints, Kind
from lockstep.columns.plain import counted, listed
from lockstep.laws.bands import days_like, short
from lockstep.laws.glance import dated_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term

Value = str | int | float
FEWEST_VALUES, MOST_VALUES = 10, 500
"""Values of a column: of fewer each is missed by itself, more may be new each day."""
COVERED = 0.5
"""Share of the rows whose values a usual day has, at least."""
NEAREST = 30
"""Training days, those of about as many rows, that a day is held to."""
UNUSUAL = 2.5
"""How many times as far from their median a day is as the farthest of these: of thirty days, that
of normal numbers is two standard deviations away."""
LEAST, LEAST_ROWS = 0.05, 8.0
"""Share of the rows, and how many of a day, that values usually have, at least, so that it says
something that all of them are lost: of eight by chance on one day in 3,000."""
_EARLIER = 2 / 3
"""Share of the training days, the first ones, that the others are held to: a law that these break
goes out of date."""


@dataclass(frozen=True)
class _Usual:
    """How many rows values usually have, and what days lacked of them.

    Attributes:
        shares: Their shares of all rows.
        rows: How many rows each day had.
        lacking: The share of all rows that the values usually have that it lacked.
    """

    shares: Floats
    rows: Floats
    lacking: Floats

    @classmethod
    def of(cls, counts: Ints) -> _Usual:
        """What days tell, each by the others.

        Args:
            counts: How many rows each value has: days by values.
        """
        rows = counts.sum(axis=1)
        others = counts.sum(axis=0) - counts
        of_others = others / np.maximum(others.sum(axis=1), 1)[:, None]
        shares = counts.sum(axis=0) / rows.sum()
        return cls(shares, rows.astype(np.float64), (of_others * (counts == 0)).sum(axis=1))

    def lacks(self, rows: int, lacking: float) -> _Lacks:
        """How a day stands beside those of about as many rows.

        Args:
            rows: Its rows.
            lacking: The share that it lacks.
        """
        near = np.argsort(np.abs(np.log(self.rows / rows)), kind="stable")[:NEAREST]
        usual = self.lacking[near] + self._by_chance(rows) - self._by_chances(self.rows[near])
        middle, most = float(np.median(usual)), float(usual.max())
        gone = np.exp(-rows * self.shares)
        noise = float(np.sqrt((self.shares**2 * gone * (1 - gone)).sum()))
        return _Lacks(lacking, middle, most, (lacking - middle) / max(most - middle, noise, 1e-9))

    def _by_chance(self, rows: float) -> float:
        """The share that a day of so many rows lacks, if these come by chance."""
        return float((self.shares * np.exp(-rows * self.shares)).sum())

    def _by_chances(self, rows: Floats) -> Floats:
        return np.array([self._by_chance(one) for one in rows.tolist()])


@dataclass(frozen=True)
class _Lacks:
    """How what a day lacks stands beside what others lacked.

    Attributes:
        share: The share that it lacks.
        middle: The median of the others.
        most: The largest one of them.
        far: How many times as far as that it is from the median.
    """

    share: float
    middle: float
    most: float
    far: float

    def is_unusual(self, rows: int) -> bool:
        """Whether it is more than chance and than other days make of it."""
        more = self.share - self.middle
        return self.far > UNUSUAL and more >= LEAST and more * rows >= LEAST_ROWS


class Covered(Law, frozen=True, kw_only=True, tag="covered"):
    """The values that a day lacks usually have no more rows than those that others lacked.

    Attributes:
        term: What has values.
        values: The values that training had.
        shares: Their shares of the rows.
        rows: How many rows each training day had.
        lacking: The share that it lacked.
        size: Rows of the smallest and of the largest training day.
    """

    binds: ClassVar[bool] = False

    term: Term
    values: tuple[Value, ...]
    shares: tuple[float, ...]
    rows: tuple[int, ...]
    lacking: tuple[float, ...]
    size: tuple[int, int]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"a day has about as many of the usual values of {self.term.says} as others have"

    def find(self, rows: Rows) -> Broken | None:
        """The first day that lacks far more than those of its size; see `Law.find`.

        A file may hold any rows, and lacks nothing.
        """
        if rows.day is None:
            return None
        for part in days_like(rows, self.size):
            known, is_gone = self._known(part.rows)
            if not known:
                continue
            lacks = self._usual.lacks(known, float(self._usual.shares[is_gone].sum()))
            if lacks.is_unusual(known):
                return self._broken(known, is_gone, lacks)
        return None

    def _known(self, rows: Rows) -> tuple[int, Array]:
        """How many rows have values that training had, and which of these none has.

        Other values are new, as others went out of use: they say nothing of rows that are lost.
        """
        told = self.term.values(rows)
        counts = np.bincount(told.places[told.places >= 0], minlength=len(told.found))
        is_known = np.isin(told.found, self.values)
        return int(counts[is_known].sum()), ~np.isin(self.values, told.found)

    def _broken(self, rows: int, is_gone: Array, lacks: _Lacks) -> Broken:
        gone = np.flatnonzero(is_gone)
        largest = gone[np.argsort(-self._usual.shares[gone], kind="stable")].tolist()
        names = [self.term.show(self.values[place]) for place in largest]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"of {counted(rows, 'row')} none has {listed(names, 3)} as {self.term.says}, "
            f"which usually have {lacks.share:.1%} of them; training days of about as many rows "
            f"lacked {max(lacks.middle, 0.0):.1%}, at most {max(lacks.most, 0.0):.1%}",
            strict=False,
            numbers={f"share of the usual {self.term.says} that is lacking": lacks.share},
            cases={"values": lacks.far},
        )

    @property
    def _usual(self) -> _Usual:
        rows = np.array(self.rows, dtype=np.float64)
        return _Usual(np.array(self.shares), rows, np.array(self.lacking))


def discover(training: TrainingRows) -> list[Covered]:
    """Find the columns of which days of one size lack about as many of the usual values.

    Args:
        training: The training rows.
    """
    schema = training.rows.schema
    if not training.has_days or training.days < ENOUGH_DAYS or schema.event_time is None:
        return []
    dated = dated_columns(training)
    terms = [
        Term(one.name)
        for one in schema
        if one.role == "value" and one.kind in (Kind.TEXT, Kind.INT) and one.name not in dated
    ]
    tried = (_law(training, one) for one in (*terms, Term(schema.event_time, "hour of the day")))
    return [law for law in tried if law is not None]


def _law(training: TrainingRows, term: Term) -> Covered | None:
    """It as a law; None where values are few, or where days lack more and more of them."""
    values = term.values(training.rows)
    if not FEWEST_VALUES <= len(values.found) <= MOST_VALUES:
        return None
    counts = np.zeros((training.days, len(values.found)), dtype=np.int64)
    known = (training.day_of >= 0) & (values.places >= 0)
    np.add.at(counts, (training.day_of[known], values.places[known]), 1)
    counts = counts[counts.sum(axis=1) > 0]
    usual = _Usual.of(counts)
    if len(counts) < ENOUGH_DAYS or np.median(usual.lacking) > 1 - COVERED or _ages(counts):
        return None
    of_day = np.bincount(training.day_of[training.day_of >= 0], minlength=training.days)
    return Covered(
        columns=(term.column,),
        days=len(counts),
        term=term,
        values=tuple(values.found.tolist()),
        shares=tuple(map(short, usual.shares.tolist())),
        rows=tuple(usual.rows.astype(int).tolist()),
        lacking=tuple(map(short, usual.lacking.tolist())),
        size=(int(of_day[of_day > 0].min()), int(of_day.max())),
    )


def _ages(counts: Ints) -> bool:
    """Whether the last days lack more of the values of the first ones than is usual.

    Args:
        counts: How many rows each value has: days by values.
    """
    first = int(_EARLIER * len(counts))
    usual = _Usual.of(counts[:first])
    return any(
        usual.lacks(int(day.sum()), float(usual.shares[day == 0].sum())).is_unusual(int(day.sum()))
        for day in counts[first:]
    )
