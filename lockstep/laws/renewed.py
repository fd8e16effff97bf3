"""Renewal: a number is not what it was at the same moment of a day before.

Weather, its forecasts and what sensors read are new each day. A feed that was not renewed, or a
cache, gives what the same hour and place had on the day before, or on another one: each value is
one that was there, and where other columns of the row are new, no row and no record is a copy (see
`identity` and `joined`). Here each column is looked at by itself. Numbers do come again by chance,
the more the fewer digits they have, so all moments of a day count: how many of them hold exactly
what they held on one of the days before, on the day that most of them agree with.

A cache that was filled on a Sunday has what few things had, and most of Monday's are new. Of
numbers that things hardly ever keep, those of the things that were there on both days are compared,
however few they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import log, sqrt
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.bands import SELDOM
from lockstep.laws.copies import WINDOW, days_of
from lockstep.laws.earlier import Digests, among, mixed
from lockstep.laws.glance import number_columns
from lockstep.laws.joined import ENOUGH_A_DAY
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.series import moments_at, terms_of_columns
from lockstep.laws.terms import Term, told
from lockstep.laws.things import names_of_things

AGAIN = 0.5
"""Share of the moments of a usual day that the day before had, too, at least."""
UNUSUAL, TOO_MANY = 1 / 6, 1 / 3
"""Of what did not come again on any training day, the share that is unusual if it does, and the
one that cannot be chance: more than a third of a day that was not renewed is an error."""
TOLD = 0.9
"""Share of a usual day beyond which what comes again has to be beyond chance, at least."""
RESTS, ENOUGH_AT_REST = 0.1, 10
"""Share of the moments of a day, and how many of them, that hold a value at which a number rests:
it does so on any day."""
SELDOM_KEPT = 0.1
"""Share of the things of a day before that keep a number on any training day, up to which they
hardly ever do."""
MOST_KEEP = 0.5
"""Share of them that do from which on a number was not renewed: most of them."""
KEPT = 1_024
"""Digests that are kept of a day: of as many a share is known to 1.5 %."""


class Renewed(Law, frozen=True, kw_only=True, tag="renewed"):
    """A number is not what it was at the same moments of a day before, but for as many as ever.

    The commonest value of a day is left out, and others that a tenth of its moments have: at night
    the sun gives nothing on any day, and blades rest at the same angles.

    Attributes:
        moments: The moments, and places if there are some, for each of which there is one value; or
            what names things that come again.
        usual: The largest share of a training day's that had what they had on one day before.
        kept: Where they are things, the largest share of those that were there on both days; 1
            elsewhere, and of a version that an older Lockstep fitted.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it is of several days, or of few moments, or no day before it is known"

    moments: tuple[Term, ...]
    usual: float
    kept: float = 1.0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is new each day at each {told(self.moments)}"

    @property
    def what(self) -> str:
        """What digests are kept of for it."""
        return f"{self.columns[0]} at {told(self.moments)}"

    @property
    def things(self) -> str:
        """What digests are kept of for the things that were there."""
        return told(self.moments)

    def remembered(self, rows: Rows) -> dict[str, Digests]:
        """Digests to be kept of the moments and of what each holds, and of the things there are."""
        held = {self.what: Digests.of(_held(rows, self.moments, self.columns[0]).digests, KEPT)}
        if self.kept > SELDOM_KEPT:
            return held
        return held | {self.things: Digests.of(moments_at(rows, self.moments).digests, KEPT)}

    def find(self, rows: Rows) -> Broken | None:
        """The rows of moments that hold what they held before; see `Law.find`.

        A file of no day may hold rows of one before on purpose, corrected: that is no error. Nor is
        it one where things are as they were in all that is told of them, as on a closed day.
        """
        again = self._most_again(rows)
        if again is None or again.share <= _limit(self.usual, again.size, UNUSUAL):
            return self._find_kept(rows)
        held = _held(rows, self.moments, self.columns[0])
        count = int(again.copies.sum())
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} of {count:,} of {again.size:,} (one of each "
            f"{told(self.moments)}) is exactly what it was then on {again.day}; on training days "
            f"that of at most {100 * self.usual:.3g} % was that of one day before: it was not "
            "renewed, or is that of another day",
            rows=np.flatnonzero(np.isin(held.moment_of, held.moments[again.copies])),
            strict=self.is_strict
            and rows.day is not None
            and again.share > _limit(self.usual, again.size, TOO_MANY)
            and not self._stand_still(rows, again),
            numbers={"values of a day before": count},
            cases={"values": again.share},
        )

    def _find_kept(self, rows: Rows) -> Broken | None:
        """The rows of things that were there on a day before, most of which hold what they held."""
        if self.kept > SELDOM_KEPT or rows.day is None:
            return None
        held = _held(rows, self.moments, self.columns[0])
        for batch in rows.earlier[-WINDOW:][::-1]:
            values, things = batch.held.get(self.what), batch.held.get(self.things)
            if values is None or things is None or not (values.complete and things.complete):
                continue
            was_there = among(held.things, things.known)
            copies = was_there & among(held.digests, values.known)
            size, count = int(was_there.sum()), int(copies.sum())
            if count < MOST_KEEP * size or not _is_no_chance(count, size, self.kept):
                continue
            if self._stand_still(rows, _Again(count / len(copies), batch.partition, size, copies)):
                continue
            return Broken(
                law=self,
                columns=self.columns,
                message=f"{self.columns[0]} of {count:,} of {size:,} (one of each "
                f"{told(self.moments)} that was there on {batch.partition}, too) is exactly what "
                f"it was then; on training days that of at most {100 * self.kept:.3g} % was: it "
                "was not renewed",
                rows=np.flatnonzero(np.isin(held.moment_of, held.moments[copies])),
                strict=self.is_strict,
                numbers={"values of a day before": count},
                cases={"values": count / size},
            )
        return None

    def _stand_still(self, rows: Rows, again: _Again) -> bool:
        """Whether things are as they were on the day before: whole rows are those of then."""
        if any(term.ticks for term in self.moments):
            return False
        before = next(one for one in rows.earlier[-WINDOW:] if one.partition == again.day)
        copies, is_told = before.contents.hold(rows.digests_without())
        return bool(copies.sum() >= TOLD * again.share * max(is_told.sum(), 1))

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(rows) if self._most_again(rows) is not None else 0

    def _most_again(self, rows: Rows) -> _Again | None:
        """The day before with most of the same values; None where the rows cannot tell."""
        return rows.once(("again", self.what), lambda: self._again(rows))

    def _again(self, rows: Rows) -> _Again | None:
        if rows.day is None and days_of(rows) is not None:
            return None
        digests = _held(rows, self.moments, self.columns[0]).digests
        batches = [one for one in rows.earlier[-WINDOW:] if self.what in one.held]
        kept = [batch.held[self.what] for batch in batches]
        sizes = np.array([np.count_nonzero(digests <= one.last) for one in kept])
        told = np.flatnonzero(sizes >= ENOUGH_A_DAY)
        if not len(told):
            return None
        known = [kept[place].known for place in told.tolist()]
        again = among(np.concatenate(known), digests)
        batch_of = np.repeat(np.arange(len(known)), [len(one) for one in known])
        counts = np.bincount(batch_of[again], minlength=len(known))
        most = told[np.argmax(counts / sizes[told])]
        copies, _ = kept[most].hold(digests)
        size = int(sizes[most])
        return _Again(float(copies.sum() / size), batches[most].partition, size, copies)


def _limit(usual: float, size: int, further: float) -> float:
    """The share beyond which what comes again is more than usual, and than chance adds to that.

    Args:
        usual: The largest share on a training day.
        size: Of how many moments it is a share: three standard errors are chance.
        further: The share of what never came again.
    """
    return usual + max((1 - usual) * further, 3 * sqrt(usual * (1 - usual) / size))


def _is_no_chance(count: int, size: int, usual: float) -> bool:
    """Whether chance keeps so many of some things on less than one day in 50,000.

    The bound of Chernoff ("A measure of asymptotic efficiency", 1952), for all days that are looked
    at (Bonferroni).

    Args:
        count: How many of them hold what they held.
        size: How many there are.
        usual: The largest share of a training day's that did.
    """
    share = count / max(size, 1)
    if share <= usual:
        return False
    far = share * log(share / usual)
    if share < 1:
        far += (1 - share) * log((1 - share) / (1 - usual))
    return size * far > log(WINDOW / SELDOM)


@dataclass(frozen=True, eq=False)
class _Again:
    """What is there again of a day before.

    Attributes:
        share: The share of the moments.
        day: The day.
        size: How many moments there are of which that can be told.
        copies: Which moments hold what they held.
    """

    share: float
    day: str
    size: int
    copies: Array


@dataclass(frozen=True, eq=False)
class _Held:
    """What moments hold, without those that hold a common value of their day, or none.

    Of rows that are to be of one day, only its own moments: a feed that is stamped by where an hour
    ends has a row of the next midnight.

    Attributes:
        digests: A digest of each moment and its value.
        things: A digest of each moment, or thing.
        moments: Which moments they are.
        moment_of: The moment that each row is of; -1 for none.
    """

    digests: Array
    things: Array
    moments: Ints
    moment_of: Ints


def _held(rows: Rows, terms: tuple[Term, ...], column: str) -> _Held:
    return rows.once(("held", terms, column), lambda: _find_held(rows, terms, column))


def _find_held(rows: Rows, terms: tuple[Term, ...], column: str) -> _Held:
    every = moments_at(rows, terms)
    places = rows.values(column).places[every.first]
    if rows.day is not None and rows.days is not None:
        places = np.where(rows.days[every.first] == np.datetime64(rows.day), places, -1)
    moments = _uncommon(places, terms)
    of_values = rows.value_digests(column)[places[moments]]
    things = every.digests[moments]
    return _Held(mixed((things, of_values), len(moments)), things, moments, every.of_row)


def discover(training: TrainingRows) -> list[Renewed]:
    """Find the numbers that are new at each moment of each training day, or of each thing.

    Args:
        training: The training rows.
    """
    time = training.rows.schema.event_time
    if time is None or not training.has_days or training.days < ENOUGH_DAYS:
        return []
    of_column = terms_of_columns(training, time)
    tried = (_law(training, name, terms) for name, terms in of_column.items())
    of_things = (_law(training, name, things) for name, things in _of_things(training, of_column))
    return [law for law in (*tried, *of_things) if law is not None]


def _of_things(
    training: TrainingRows, others: Collection[str]
) -> Iterator[tuple[str, tuple[Term, ...]]]:
    """The numbers of things that come again, but for others, and what names the things."""
    names = [one for one in number_columns(training.rows.schema) if one not in others]
    things = names_of_things(training) if names else ()
    named = [term.column for term in things]
    return ((name, things) for name in names if things and name not in named)


def _law(training: TrainingRows, column: str, terms: tuple[Term, ...]) -> Renewed | None:
    """What is new each day; None where it often is not, or there are few moments of a day."""
    every = moments_at(training.rows, terms)
    is_of_day = training.day_of[every.first] >= 0
    first, moments = every.first[is_of_day], every.digests[is_of_day]
    day_of, places = training.day_of[first], training.rows.values(column).places[first]
    sizes = np.bincount(day_of, minlength=training.days)
    if np.median(_shares(_numbered(moments), day_of, sizes, 1)) < AGAIN:
        return None
    of_days = (np.flatnonzero(day_of == day) for day in range(training.days))
    kept = np.concatenate([one[_uncommon(places[one], terms)] for one in of_days])
    of_values = training.rows.value_digests(column)[places[kept]]
    held = _numbered(mixed((moments[kept], of_values), len(of_values)))
    sizes = np.bincount(day_of[kept], minlength=training.days)
    typical = int(np.median(sizes))
    if typical < ENOUGH_A_DAY:
        return None
    sizes[sizes < ENOUGH_A_DAY] = 0
    usual = max(
        float(_shares(held, day_of[kept], sizes, lag).max()) for lag in range(1, WINDOW + 1)
    )
    if _limit(usual, typical, TOO_MANY) > TOLD:
        return None
    things = 1.0
    if not any(term.ticks for term in terms):
        things = _kept_by_things(_numbered(moments), held, kept, day_of, training.days)
    return Renewed(
        columns=(column, *dict.fromkeys(term.column for term in terms)),
        days=training.days,
        moments=terms,
        usual=float(f"{usual:.4g}"),
        kept=float(f"{things:.4g}"),
    )


def _kept_by_things(things: Ints, held: Ints, kept: Ints, day_of: Ints, days: int) -> float:
    """The largest share of the things of a training day and of one before that kept what they held.

    Where few of them were there on both days, all such days count as one.

    Args:
        things: A small number for each thing of each day.
        held: One for each of some of them and what it holds.
        kept: Which of them these are.
        day_of: The day of each thing.
        days: How many days there are.
    """
    width = days + WINDOW + 1
    there, those = things * width + day_of, held * width + day_of[kept]
    both = same = 0
    largest = 0.0
    for lag in range(1, WINDOW + 1):
        was_there = np.isin(there[kept], there + lag)
        is_same = was_there & np.isin(those, those + lag)
        sizes, counts = (
            np.bincount(day_of[kept[one]], minlength=days) for one in (was_there, is_same)
        )
        are_many = sizes >= ENOUGH_A_DAY
        largest = max(largest, float((counts / np.maximum(sizes, 1))[are_many].max(initial=0.0)))
        both, same = both + int(sizes[~are_many].sum()), same + int(counts[~are_many].sum())
    return max(largest, (same + 1) / (both + 1))


def _uncommon(places: Ints, terms: tuple[Term, ...]) -> Ints:
    """Where values of a day are known, and neither its commonest one nor one at which it rests.

    Args:
        places: Which value each moment holds, or each thing; -1 for none.
        terms: What tells these apart: things rest at nothing, many of them are alike.
    """
    known = np.flatnonzero(places >= 0)
    if not len(known):
        return known
    place, times = np.unique(places[known], return_inverse=True, return_counts=True)[1:]
    is_common = np.zeros(len(times), dtype=bool)
    if any(term.ticks for term in terms):
        is_common = times >= max(RESTS * len(known), ENOUGH_AT_REST)
    is_common[times.argmax()] = True
    others: Ints = known[~is_common[place]]
    return others


def _numbered(digests: Array) -> Ints:
    """A small number for each digest, alike where they are."""
    found: Ints = np.unique(digests, return_inverse=True)[1]
    return found


def _shares(numbers: Ints, day_of: Ints, sizes: Ints, lag: int) -> Floats:
    """The share of each day's numbers that the day so many days before has; 0 of days of none."""
    of_days = numbers * (len(sizes) + WINDOW + 1) + day_of
    again = np.isin(of_days, of_days + lag)
    return np.bincount(day_of[again], minlength=len(sizes)) * (sizes > 0) / np.maximum(sizes, 1)
