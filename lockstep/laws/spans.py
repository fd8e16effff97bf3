"""Spans: one or two numbers that follow each other reach back to the last row of the same thing.

How long a space has been free, and how long the car before stood there: together that is how long
ago this car came, however many days that is. So it is with the days since a patient left and those
of the stay before, or with the age of a reading alone. The rows of the day and of those before tell
when the last one of each thing was, and any other sum is of another thing, in another unit, begins
anew after a day, or is out of date; or that row is lost, or has another time. What `elapsed` tells
of rows of one day is told here of those of several.

Which numbers these are, of which thing and in which units, is found in the training days: what
agrees in hardly fewer rows than all of each. Of a published batch is kept when the last row of each
of its things was, and of many things those of the smallest digests, as in `recalled`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lockstep.columns.kinds import Array, Bools, Floats, Ints
from lockstep.columns.plain import counted, show
from lockstep.laws.earlier import Held
from lockstep.laws.elapsed import UNITS, gaps, things_of
from lockstep.laws.glance import as_numbers, number_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.recalled import (
    ENOUGH_TOLD,
    FURTHEST,
    KEPT,
    MOST_BY_CHANCE,
    MOST_OFF,
    rounding_of,
)
from lockstep.laws.rows import Rows, TrainingRows, by_clock
from lockstep.laws.trials import tried

GLANCED = 256
"""Rows of training days on which it is first seen which numbers may reach back."""
ENOUGH_KNOWN = 64
"""Of these so many in which numbers are known, at least."""
LEAST_SHARE = 0.01
"""Of the time since the last row, how much a number of it has in half of the rows, at least."""
MOST_PARTS = 40
"""Numbers in a unit that are paired: those that have the largest share of that time."""
MANY = 0.02
"""Share of a batch's rows beyond what is usual, which is more than is corrected now and then."""
FEW = 2
"""Rows that are no more than that: one that was corrected since, and the next one of its thing."""
SMALL, FEWER = 0.1, 0.5
"""Quantile of the sizes of the days before, so that Sundays are small, and the share of the rows of
such a day below which one may lack those of many things."""
_ALIKE = 1e-9
"""By which share of it a span differs at most that is the same."""
_LAST = "last"


class Spanned(Law, frozen=True, kw_only=True, tag="spans"):
    """Numbers that together are the time since the last row of the same thing.

    Attributes:
        thing: The column that names things.
        units: In what each of the numbers is counted: see `UNITS`.
        absolute: Seconds by which they may differ from it: what rounding takes, up or down.
        usual: Largest share of a training day's rows that held something else.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "it is of no day, or of none of its things the last row is known"

    thing: str
    units: tuple[str, ...]
    absolute: float
    usual: float = 0.0

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that hold them."""
        return self.columns[: len(self.units)]

    @property
    def what(self) -> str:
        """By what it is kept when the last row of each thing was."""
        return _kept_as(self.thing)

    @property
    def says(self) -> str:
        """See `Law.says`."""
        parts = " and ".join(
            f"{name} ({unit})" for name, unit in zip(self.numbers, self.units, strict=True)
        )
        return f"{parts} reach{'es' if len(self.units) == 1 else ''} back to {self._source}."

    @property
    def _source(self) -> str:
        return f"the last row of the same {self.thing}"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that reach to another moment; see `Law.find`.

        Each row that was set aside, of the batch or of those before, may be the last one of a
        thing. So may one of a day before that was accepted in spite of errors, or has few rows: if
        some of it are lost, those that reach to it are unusual only.
        """
        if rows.day is None:
            return None
        known, off = self.compared(rows)
        size, count = len(known), len(off)
        aside = rows.aside + sum(one.aside for one in rows.earlier)
        if count <= max(self.usual * size, aside):
            return None
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{' and '.join(self.numbers)} of {count:,} of {counted(size, 'row')} "
            f"do{'es' if len(self.units) == 1 else ''} not reach back to {self._source}, such as "
            f"{self._example(rows, int(off[0]))}; {self._usually}: that is counted "
            "from something else, or rows are lost, come twice, or have other times",
            rows=off,
            strict=self.is_strict
            and count - aside - self._reaching_to_faulty(rows, off)
            > max(FEW, (self.usual + MANY) * size),
            numbers={"rows that reach to another moment": count},
            cases={"rows": count / size},
        )

    @property
    def _usually(self) -> str:
        if not self.usual:
            return "on training days all did"
        return f"on a training day at most {100 * self.usual:.3g} % of rows did not"

    def _example(self, rows: Rows, row: int) -> str:
        of_thing = show(rows.columns[self.thing][row])
        hours = (float(one[row]) / UNITS["hours"] for one in (self._told(rows), self._since(rows)))
        told, since = hours
        return f"by {told:.6g} hours of {of_thing} rather than {since:.6g}"

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        return len(self.compared(rows)[0]) if rows.day is not None else 0

    def compared(self, rows: Rows) -> tuple[Ints, Ints]:
        """Positions of rows of which it is known where they reach, and of those that do not.

        Args:
            rows: The rows.
        """
        told, since = self._told(rows), self._since(rows)
        known = np.flatnonzero(~np.isnan(told) & ~np.isnan(since))
        off = np.abs(told[known] - since[known])
        return known, known[off > self.absolute + _ALIKE * since[known]]

    def _reaching_to_faulty(self, rows: Rows, off: Ints) -> int:
        """How many rows reach to a day before that was accepted though it may lack rows.

        Args:
            rows: The rows of a batch.
            off: Those that do not reach to the last row that is known.
        """
        sizes = [one.rows for one in rows.earlier]
        small = float(np.quantile(sizes, SMALL)) if sizes else 0.0
        faulty = [
            one.partition
            for one in rows.earlier
            if one.rows < FEWER * small
            or any(case.strict for cases in one.cases.values() for case in cases.values())
        ]
        since = self._since(rows)[off]
        told = self._told(rows)[off]
        reached = (1e6 * (_seconds(rows)[off] - told)[told < since]).astype("datetime64[us]")
        days = by_clock(reached, rows.timezone).astype("datetime64[D]").astype(str)
        return int(np.isin(days, faulty).sum())

    def _told(self, rows: Rows) -> Floats:
        """The seconds that the numbers tell; NaN where one is missing."""
        parts = zip(self.numbers, self.units, strict=True)
        return sum(
            (as_numbers(rows.columns[name]) * UNITS[unit] for name, unit in parts),
            start=np.zeros(len(rows)),
        )

    def _since(self, rows: Rows) -> Floats:
        return since_last(rows, self.thing)


def _kept_as(thing: str) -> str:
    return f"last of {thing}"


def since_last(rows: Rows, thing: str) -> Floats:
    """How many seconds before each row the last one of the same thing was, of any day.

    Rows of one moment come in the order in which they are delivered. Of a batch the days before
    are looked at as far as each of them is known.

    Args:
        rows: The rows of a day, or of training days.
        thing: The column that names the things.

    Returns:
        float64, one a row; NaN where that is not known.
    """
    return rows.once(("since the last", thing), lambda: _since_last(rows, thing))


def _since_last(rows: Rows, thing: str) -> Floats:
    times, places = _seconds(rows), rows.values(thing).places
    known = np.flatnonzero(~np.isnan(times) & (places >= 0))
    order = known[np.lexsort((times[known], places[known]))]
    is_first = np.append(True, np.diff(places[order]) != 0)[: len(order)]
    last = np.full(len(rows), np.nan)
    last[order[1:]] = np.where(is_first[1:], np.nan, times[order[:-1]])
    first = order[is_first]
    last[first] = _before(rows, thing, rows.value_digests(thing)[places[first]])
    since: Floats = times - last
    return since


def _seconds(rows: Rows) -> Floats:
    """Event times in seconds since 1970; NaN where one is missing."""
    name = rows.schema.event_time
    assert name is not None, "there are rows before others of an event time"
    times = rows.columns[name].astype("datetime64[us]")
    seconds: Floats = np.where(np.isnat(times), np.nan, times.astype(np.int64) / 1e6)
    return seconds


def _before(rows: Rows, thing: str, digests: Array) -> Floats:
    """When the last row of things was, of the batches before; NaN where that is not known.

    Of a thing that a day did not have, the day before that is asked, up to one that is not known.
    """
    found = np.full(len(digests), np.nan)
    if rows.day is None:
        return found
    kept = {one.partition: one.recalled.get(_kept_as(thing)) for one in rows.earlier}
    is_asked = np.ones(len(digests), dtype=bool)
    for back in range(1, FURTHEST + 1):
        held = kept.get(str(np.datetime64(rows.day) - np.timedelta64(back, "D")))
        if held is None:
            break
        asked = np.flatnonzero(is_asked)
        found[asked] = held.of_column(_LAST, digests[asked])
        is_asked[asked] = np.isnan(found[asked]) & held.tells(digests[asked])
    return found


def remembered(laws: Iterable[Law], rows: Rows) -> dict[str, Held]:
    """When the last row of things was in a batch of a day, for the batches that follow it.

    Args:
        laws: All laws of a version.
        rows: The rows of the batch.
    """
    if rows.day is None:
        return {}
    things = dict.fromkeys(law.thing for law in laws if isinstance(law, Spanned))
    return {_kept_as(thing): _held(rows, thing) for thing in things}


def _held(rows: Rows, thing: str) -> Held:
    """When the last row of each thing was, of those of the day."""
    times, values = _seconds(rows), rows.values(thing)
    known = ~np.isnan(times) & (values.places >= 0)
    if rows.outside is not None:
        known &= ~rows.outside
    last = np.full(len(values.found), -np.inf)
    np.maximum.at(last, values.places[known], times[known])
    was_there = np.isfinite(last)
    digests = rows.value_digests(thing)[:-1][was_there]
    return Held.of(digests, {_LAST: last[was_there]}, KEPT)


def discover(training: TrainingRows) -> list[Spanned]:
    """Find which numbers reach back to the last row of the same thing.

    Args:
        training: The training rows.
    """
    return [*known(training)]


def known(training: TrainingRows) -> tuple[Spanned, ...]:
    """The numbers that reach back to the last row of the same thing; looked for once.

    Args:
        training: The training rows.
    """
    return training.rows.once("spans", lambda: tuple(_found(training)))


def _found(training: TrainingRows) -> list[Spanned]:
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    found: dict[tuple[str, ...], Spanned] = {}
    numbers = _Numbers.of(training.rows)
    for thing in things_of(training):
        seeming = [] if thing is None else _seeming(training.rows, numbers, thing)
        laws = (_law(training, one) for one in seeming)
        for law in laws:
            if law is not None:
                found.setdefault(law.numbers, law)
    return list(found.values())


@dataclass(frozen=True, eq=False)
class _Numbers:
    """The numbers of rows that may be spans of time.

    Attributes:
        rows: The rows.
        names: The columns.
        roundings: By how much rounding moves each.
    """

    rows: Rows
    names: tuple[str, ...]
    roundings: Floats

    @classmethod
    def of(cls, rows: Rows) -> _Numbers:
        """Those that are never far below 0, by a glance at some rows."""
        roundings = {}
        for name in number_columns(rows.schema):
            numbers = as_numbers(rows.columns[name])
            known = numbers[~np.isnan(numbers)]
            if len(known) >= ENOUGH_TOLD and np.mean(known >= 0) >= 1 - MOST_OFF:
                some = np.linspace(0, len(known) - 1, min(GLANCED, len(known))).astype(np.int64)
                roundings[name] = rounding_of(known[some])
        return cls(rows, tuple(roundings), np.array([*roundings.values()]))

    def values(self, some: Ints) -> Floats:
        """What they hold in some rows: columns by rows; NaN where it is missing."""
        found = np.empty((len(self.names), len(some)))
        for place, name in enumerate(self.names):
            found[place] = as_numbers(self.rows.columns[name][some])
        return found


def _seeming(rows: Rows, numbers: _Numbers, thing: str) -> list[Spanned]:
    """Which numbers may reach back, as it seems in a few rows."""
    since = since_last(rows, thing)
    known = np.flatnonzero(since > 0)
    if len(known) < ENOUGH_TOLD:
        return []
    some = known[np.linspace(0, len(known) - 1, min(GLANCED, len(known))).astype(np.int64)]
    parts = _parts(numbers, thing, some, since[some])
    if not parts:
        return []
    names = np.array([one.name for one in parts])
    first, second = np.triu_indices(len(parts), 1)
    are_two = names[first] != names[second]
    first, second = first[are_two], second[are_two]
    seconds, absolute = (
        np.stack([one.seconds for one in parts]),
        np.array([one.absolute for one in parts]),
    )
    alone = _reaching(seconds, absolute, since[some])
    both = _reaching(
        seconds[first] + seconds[second], absolute[first] + absolute[second], since[some]
    )
    pairs = zip(first[both].tolist(), second[both].tolist(), strict=True)
    told = [*((one,) for one in np.flatnonzero(alone).tolist()), *pairs]
    return [_law_of(rows, thing, [parts[one] for one in places]) for places in told]


@dataclass(frozen=True, eq=False)
class _Part:
    """A number that may be a part of the time since the last row.

    Attributes:
        name: The column.
        unit: In what it is counted.
        seconds: How long that is, in some rows; NaN where it is missing.
        absolute: Seconds by which rounding moves it.
    """

    name: str
    unit: str
    seconds: Floats
    absolute: float


def _parts(numbers: _Numbers, thing: str, some: Ints, since: Floats) -> list[_Part]:
    """The numbers that may be parts of a time, those first of which most of it consists."""
    values = numbers.values(some)
    known = np.count_nonzero(~np.isnan(values), axis=1)
    found = []
    for unit, length in UNITS.items():
        seconds, absolute = values * length, 2.02 * numbers.roundings * length
        fits = (seconds >= 0) & (seconds <= since * (1 + _ALIKE) + absolute[:, None])
        may_be = np.count_nonzero(fits, axis=1) >= (1 - MOST_OFF) * known
        large = np.count_nonzero(seconds >= LEAST_SHARE * since, axis=1) >= known / 2
        for place in np.flatnonzero(may_be & large & (known >= ENOUGH_KNOWN)).tolist():
            name, most = numbers.names[place], float(np.nanmedian(seconds[place] / since))
            if name != thing:
                found.append((most, _Part(name, unit, seconds[place], float(absolute[place]))))
    found.sort(key=lambda one: -one[0])
    return [part for _, part in found[:MOST_PARTS]]


def _reaching(told: Floats, absolute: Floats, since: Floats) -> Bools:
    """Which sums are the time since the last row, and not as often that of other rows.

    Args:
        told: Seconds: sums by rows; NaN where one is not known.
        absolute: By how many seconds rounding moves each sum.
        since: The seconds since the last row.
    """
    known = np.count_nonzero(~np.isnan(told), axis=1)
    within = absolute[:, None] + _ALIKE * since
    agreeing, by_chance = (
        np.count_nonzero(np.abs(one - since) <= within, axis=1)
        for one in (told, np.roll(told, 1, axis=1))
    )
    found: Bools = (agreeing >= (1 - MOST_OFF) * known) & (by_chance <= MOST_BY_CHANCE * known)
    found &= known >= ENOUGH_KNOWN
    return found


def _law_of(rows: Rows, thing: str, parts: Sequence[_Part]) -> Spanned:
    names = tuple(one.name for one in parts)
    return Spanned(
        columns=(*names, str(rows.schema.event_time), thing),
        days=0,
        thing=thing,
        units=tuple(one.unit for one in parts),
        absolute=sum(one.absolute for one in parts),
    )


def _law(training: TrainingRows, law: Spanned) -> Spanned | None:
    """It as a law, held to all training days; None where it does not hold, or within days only."""
    known, off = law.compared(training.rows)
    within = gaps(training.rows, law.thing)[known]
    told = np.count_nonzero(np.isnan(within))
    return tried(training, law, known, off) if told >= ENOUGH_TOLD else None
