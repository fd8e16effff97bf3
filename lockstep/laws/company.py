"""Company: each number of a row without a day is what the row's other columns tell.

Of a table of a few hundred rows there are no days whose statistics could be compared, but each row
tells how its columns go together. Every number is told by all others at once, linearly, and how far
it is from that is its conformity score (conformance constraints: Fariha et al., SIGMOD 2021, here
held to by ranks, as conformal predictors are: Vovk, Gammerman and Shafer, "Algorithmic Learning in
a Random World", 2005). Training's own scores are those of rows that were left out. How many rows of
a batch score as few of training do has a known distribution, also if it holds one segment: see
`lockstep.laws.selection`. So another unit, a changed sign, columns that are exchanged, and values
dealt to other rows are told from a population that changed, which moves columns together.

Values that are dealt to other rows of their batch are told by less: by how a number agrees with
what others tell of it (the rank correlation, by its standard error: Bonett and Wright, "Sample size
requirements for estimating Pearson, Kendall and Spearman correlations", 2000). In one segment they
may agree less, since both vary less there: then that is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import ClassVar

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.kinds import Floats, Ints
from lockstep.columns.plain import counted, listed, verb
from lockstep.laws.coordinates import Coordinate, coordinates_of
from lockstep.laws.law import Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.selection import SELECTED, improbability, levels
from lockstep.laws.told import Told, left_out, told

ENOUGH_ROWS = 60
"""Rows of training that it takes: of fewer, none is as rare as it takes to tell anything."""
ROWS_EACH = 2
"""Rows that it takes for each coordinate: of fewer, others tell each number by chance."""
MOST_ROWS = 5_000
"""Rows of training, and of a batch, that are looked at, spread evenly over them."""
MOST_COMMON = 0.9
"""Share of the rows with the commonest number: one that hardly varies is told by nothing."""
TOLD, WELL_TOLD = 0.3, 0.7
"""Rank correlation of a number with what others tell of it, from which on it is judged, and from
which on it can be an error: these tell half of its variance."""
SELDOM, RARELY = 0.1, 0.01
"""Share of training's rows that score as few do; counted to warn, and to block."""
MANY = 0.25
"""Share of a batch's rows that score so from which on it can be an error."""
SPREAD = 0.6
"""Of their spread in training, how far apart numbers of a batch are, and what others tell of them,
so that it can be an error that these do not agree."""
CAUTION = 2.0
"""How many times as many orders of magnitude it then has to be improbable that they do not."""
MOST_SUSPECTS = 3
"""Columns that are taken to be at fault, at most."""
_SUSPECT_ROWS = 500
"""Rows in which suspects are looked for."""
SURE = 0.95
"""The largest rank correlation that is expected of a batch: whether it is even larger is up to a
few of its rows, and no standard error tells how far it may be below that."""
_LARGEST = 0.999
"""The largest one that is reckoned with: that of 1 is infinitely far from all others."""
_LEAST = 1e-300
"""The smallest chance that is reckoned with."""
_FEWEST = 8
"""Rows by which two rank correlations are compared: the standard error is one of many."""


class Judged(msgspec.Struct, frozen=True):
    """A coordinate that others tell.

    Attributes:
        place: Which one.
        agrees: Its rank correlation with what others tell, in training.
        spread: The standard deviation of what these tell.
        seldom: The score beyond which a share of `SELDOM` of training's rows are.
        rarely: That beyond which a share of `RARELY` are.
    """

    place: int
    agrees: float
    spread: float
    seldom: float
    rarely: float

    def limit(self, *, strict: bool) -> float:
        """The score from which on rows are counted, to block or to warn."""
        return self.rarely if strict else self.seldom


class Company(Law, frozen=True, kw_only=True, tag="company"):
    """The numbers of a row go together as in training.

    Attributes:
        coordinates: What of a row is looked at.
        gram: The products of all pairs of them, summed over training's rows: float64,
            little-endian, coordinates by coordinates.
        judged: Those that others tell.
        unusual: From which improbability on it warns: see `lockstep.laws.selection`.
        impossible: From which on it cannot be.
    """

    tried_on: ClassVar[str] = "training rows"
    lacks: ClassVar[str] = "the batch has so few rows that chance may do that"

    coordinates: tuple[Coordinate, ...]
    gram: bytes
    judged: tuple[Judged, ...]
    unusual: float
    impossible: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{len(self.judged)} columns are what the others of their row tell"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        chosen = _spread(len(rows), MOST_ROWS)
        seen = rows.take(chosen)
        found = np.column_stack([one.of(seen) for one in self.coordinates])
        batch = self._told(found)
        for strict in (True, False):
            if beyond := self._beyond(batch, strict=strict):
                break
        else:
            return None
        suspects = self._suspects(found[_spread(len(found), _SUSPECT_ROWS)], strict=strict)
        worst = max(beyond, key=lambda one: (self._column(one) == suspects[0], beyond[one]))
        scores = batch.scores[:, worst.place]
        is_beyond = scores > worst.limit(strict=strict)
        known, count = (int(np.count_nonzero(one)) for one in (~np.isnan(scores), is_beyond))
        does, is_far = verb(len(suspects), "does", "do"), verb(count, "is", "are")
        return Broken(
            law=self,
            columns=suspects,
            message=f"{listed(suspects)} {does} not go with the other columns as in training: of "
            f"{counted(known, 'value')} of {self._column(worst)}, {count:,} {is_far} farther "
            f"from what these tell than all but {RARELY if strict else SELDOM:.0%} of training "
            f"were; they agree with it by a rank correlation of "
            f"{batch.agreement(worst.place):.2f}, in training of {worst.agrees:.2f}",
            rows=chosen[is_beyond],
            strict=self.is_strict and strict,
            numbers={"rows whose columns do not go together": count},
            cases={name: max(count, 1) / known for name in suspects},
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        count = len(rows)
        can_tell = improbability(self.days, _held(self.days, SELDOM), count, count) >= self.unusual
        return min(count, MOST_ROWS) if can_tell else 0

    @property
    def _products(self) -> Floats:
        size = len(self.coordinates)
        return np.frombuffer(self.gram, dtype="<f8").reshape(size, size)

    def _column(self, one: Judged) -> str:
        return self.coordinates[one.place].column

    def _told(self, found: Floats, without: Collection[str] = ()) -> Told:
        """What others tell of the coordinates of rows, as if some columns were missing."""
        kept = np.array([one.column not in without for one in self.coordinates])
        found = np.where(kept, found, np.nan)
        numbered = enumerate(self.coordinates)
        within = np.column_stack([one.within(found[:, place]) for place, one in numbered])
        return told(found, within, self._products)

    def _beyond(self, batch: Told, *, strict: bool) -> dict[Judged, float]:
        """By how much coordinates are more improbable than they may be, those that are.

        Args:
            batch: The rows.
            strict: Whether for any selection of rows, rather than by chance.
        """
        found = {}
        for one in self.judged:
            if strict and one.agrees < WELL_TOLD:
                continue
            beyond = self._apart(batch, one, strict=strict)
            if beyond < 0:
                beyond = self._dealt(batch, one, strict=strict)
            if beyond >= 0:
                found[one] = beyond
        return found

    def _apart(self, batch: Told, one: Judged, *, strict: bool) -> float:
        """By how much it is more improbable than it may be that so many rows are so far off."""
        scores = batch.scores[:, one.place]
        rows = int(np.count_nonzero(~np.isnan(scores)))
        count = int(np.count_nonzero(scores > one.limit(strict=strict)))
        if strict and count < MANY * rows:
            return -math.inf
        held = _held(self.days, RARELY if strict else SELDOM)
        chance = improbability(self.days, held, rows, count, SELECTED if strict else 1.0)
        return chance - (self.impossible if strict else self.unusual)

    def _dealt(self, batch: Told, one: Judged, *, strict: bool) -> float:
        """By how much it is more improbable than it may be that numbers agree so little."""
        values, others = batch.known(one.place)
        if len(values) < _FEWEST:
            return -math.inf
        if np.std(values) < SPREAD or np.std(others) < SPREAD * one.spread:
            return -math.inf
        agrees = float(np.clip(batch.agreement(one.place), -_LARGEST, _LARGEST))
        usual = min(one.agrees, SURE)
        variance = 1 / (len(values) - 3) + 1 / (self.days - 3)
        errors = (math.atanh(usual) - math.atanh(agrees)) / math.sqrt((1 + usual**2 / 2) * variance)
        chance = -math.log10(max(math.erfc(errors / math.sqrt(2)) / 2, _LEAST))
        return chance - (CAUTION * self.impossible if strict else self.unusual)

    def _suspects(self, found: Floats, *, strict: bool) -> tuple[str, ...]:
        """The columns but for which all others go together, the one that explains most first."""
        names = list(dict.fromkeys(one.column for one in self.coordinates))
        suspects: list[str] = []
        for _ in range(min(MOST_SUSPECTS, len(names))):
            rest = [name for name in names if name not in suspects]
            told_by = {name: self._told(found, (*suspects, name)) for name in rest}
            left = {name: self._left(told_by[name], strict=strict) for name in rest}
            least = min(left.values())
            alike = [name for name in rest if left[name] == least]
            suspects.append(min(alike, key=lambda one: self._left(told_by[one], strict=False)))
            if not least:
                break
        return tuple(suspects)

    def _left(self, batch: Told, *, strict: bool) -> float:
        """By how much coordinates are more improbable than they may be, all together."""
        return sum(self._beyond(batch, strict=strict).values())


def discover(training: TrainingRows) -> list[Company]:
    """Find how the columns of rows without days go together.

    Args:
        training: The training rows.
    """
    if training.has_days or len(training.rows) < ENOUGH_ROWS:
        return []
    rows = training.rows.take(_spread(len(training.rows), MOST_ROWS))
    coordinates = coordinates_of(rows)
    if len(coordinates) < 2 or len(rows) < ROWS_EACH * len(coordinates):
        return []
    found = np.column_stack([one.of(rows) for one in coordinates])
    known = np.nan_to_num(found)
    gram = known.T @ known + np.eye(len(coordinates))  # as if of one row more in each direction
    judged = tuple(_judged(left_out(found, gram), coordinates))
    if not judged:
        return []
    unusual, impossible = levels(2 * len(judged))  # by how far rows are off, and how they agree
    law = Company(
        columns=tuple(dict.fromkeys(one.column for one in coordinates)),
        days=len(rows),
        coordinates=coordinates,
        gram=gram.astype("<f8").tobytes(),
        judged=judged,
        unusual=unusual,
        impossible=impossible,
    )
    return [law]


def _judged(training: Told, coordinates: tuple[Coordinate, ...]) -> Iterator[Judged]:
    """The coordinates that others tell.

    One of several texts of a category is not: the others of the same tell it, whatever the row.
    """
    columns = pd.Series([one.column for one in coordinates])
    for place, is_one_of_several in enumerate(columns.duplicated(keep=False)):
        values, others = training.known(place)
        if is_one_of_several or len(values) < ENOUGH_ROWS:
            continue
        if pd.Series(values).value_counts().max() > MOST_COMMON * len(values):
            continue
        agrees = training.agreement(place)
        if agrees < TOLD:
            continue
        scores = training.scores[:, place]
        ranked = np.sort(scores[~np.isnan(scores)])[::-1]
        yield Judged(
            place=place,
            agrees=float(f"{agrees:.4g}"),
            spread=float(f"{np.std(others):.4g}"),
            seldom=float(f"{ranked[_held(len(ranked), SELDOM)]:.6g}"),
            rarely=float(f"{ranked[_held(len(ranked), RARELY)]:.6g}"),
        )


def _spread(rows: int, most: int) -> Ints:
    """Positions of so many rows at most, spread evenly over all."""
    return np.linspace(0, rows - 1, min(most, rows)).astype(np.int64)


def _held(rows: int, share: float) -> int:
    """How many of some rows are a share of them, rounded down."""
    return int(rows * share)
