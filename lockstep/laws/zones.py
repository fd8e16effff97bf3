"""Zones: a column that holds how far a clock is ahead of UTC, such as that of a destination.

With daylight saving it changes twice a year, and training of a few months sees one season only: a
look-up would call every later day an error. What is kept instead are the time zones of the IANA
database that agree with every training row (of each value of another column, where there are
several): they tell the values of later days, and anything else is as wrong as ever. Where a few
zones agree that part ways later, as Arizona and Mexico do, each of their values will do, until
batches that were published tell which of them it is.

A table may follow the date rather than the hour of a change: on the days around it both will do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from lockstep.columns.kinds import Array, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.laws.dependencies import days_broken, shuffled
from lockstep.laws.earlier import Earlier
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.lookups import MOST_ENTRIES, ROWS_AN_ENTRY, Cell, cells_of
from lockstep.laws.rows import Rows, TrainingRows, Values
from lockstep.laws.terms import combined, first_of

Form = Literal["hours", "minutes", "seconds", "+hh:mm", "+hhmm", "name"]
_MOST_SINGLES = 24
"""Columns that are tried as what clocks follow from, those of the fewest values."""
_MOST_VALUES = 3
"""Different offsets that one clock has in training."""
_SAMPLE = 2_000
"""Rows on which that is tried first."""
_YEAR = range(0, 371, 5)
"""Days after the last one of training on which it is asked which offsets come."""
_SEASON = 5
"""Days with an offset from which on training has seen its season."""
_MOST_UNSEEN = 0.05
"""Share of the rows that may get an offset of a season that training did not see."""


def _seconds(time: datetime) -> float:
    return (time.utcoffset() or timedelta()).total_seconds()


_FORMS: dict[Form, Callable[[datetime], Cell]] = {
    "hours": lambda time: _seconds(time) / 3600,
    "minutes": lambda time: _seconds(time) / 60,
    "seconds": _seconds,
    "+hh:mm": lambda time: time.isoformat()[-6:],
    "+hhmm": lambda time: f"{time:%z}",
    "name": lambda time: time.tzname(),
}


class Offset(Law, frozen=True, kw_only=True, tag="offset"):
    """A column holds the offset of a clock from UTC.

    Attributes:
        form: How it is written.
        by: The column from whose value the clock follows; None where there is one clock.
        given: The values of that column that training knew, an entry each; None where there is one
            clock.
        zones: The zones that may be meant, of which no two agree all the year.
        may_be: Which of them, by place, agree with all that training had of an entry; none where
            all was missing.
    """

    form: Form
    by: str | None
    given: tuple[Cell, ...]
    zones: tuple[str, ...]
    may_be: tuple[tuple[int, ...], ...]

    @property
    def says(self) -> str:
        """It in a sentence."""
        whose = "a clock" if self.by is None else f"the clock of each {self.by}"
        return f"{self.columns[0]} is how far {whose} is ahead of UTC"

    def find(self, rows: Rows) -> Broken | None:
        """The rows whose value no clock shows then that agrees with training."""
        told = self._told(rows)
        may_be = self._not_ruled_out(rows.earlier)
        is_odd = self._are_odd(told, may_be)
        odd = told.known[is_odd[told.of_row]]
        if not len(odd):
            return None
        entry, day, value = told.found[:, is_odd.argmax()].tolist()
        zones = [self.zones[place] for place in may_be[entry]]
        usual = {show(_cell(zone, int(told.days[day]), self.form)) for zone in zones}
        there = "none" if value < 0 else show(rows.values(self.columns[0]).found[value])
        where = "" if self.by is None else f" for {self.by} {show(self.given[entry])}"
        clocks = f", by the clock of {' or '.join(zones[:2])}" if zones else ""
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} is not the offset of the clock in "
            f"{counted(len(odd), 'row')} of {len(rows):,}, such as {there} instead of "
            f"{' or '.join(sorted(usual)) or 'none'}{where}{clocks}",
            rows=odd,
            strict=self.is_strict,
            numbers={"rows": len(odd)},
        )

    def _entries(self, rows: Rows) -> Ints:
        """The entry of each row, -1 where there is none."""
        if self.by is None:
            return np.zeros(len(rows), dtype=np.int64)
        places = {value: place for place, value in enumerate(self.given)}
        values = rows.values(self.by)
        codes = [places.get(cell, -1) for cell in cells_of(values.found)]
        return np.array([*codes, -1], dtype=np.int64)[values.places]

    def agreeing(self, rows: Rows) -> dict[str, tuple[str, ...]]:
        """The zones that agree with a batch, by entry, where it tells some of them apart.

        Args:
            rows: The batch.
        """
        told = self._told(rows)
        entry, day, value = told.found
        several = np.array([len(zones) > 1 for zones in self.may_be])
        agrees = np.zeros((len(self.zones), len(self.may_be)), dtype=bool)
        for number in {number for zones in self.may_be if len(zones) > 1 for number in zones}:
            shown = _shows(self.zones[number], told.days, self.form, told.cells)[day, value]
            shown |= value < 0
            agrees[number, np.setdiff1d(entry, entry[~shown])] = True
        found = {}
        for one in np.unique(entry[several[entry]]).tolist():
            zones = tuple(self.zones[number] for number in self.may_be[one] if agrees[number, one])
            if 0 < len(zones) < len(self.may_be[one]):
                found[str(self.given[one])] = zones
        return found

    def _not_ruled_out(self, earlier: Sequence[Earlier]) -> list[tuple[int, ...]]:
        """The zones of each entry that agree with earlier batches, too, the newest of them first.

        One that contradicts those after it was published all the same, and tells nothing.
        """
        places = {str(cell): place for place, cell in enumerate(self.given)}
        may_be = [*self.may_be]
        for batch in reversed(earlier):
            for entry, zones in batch.zones.get(self.columns[0], {}).items():
                before = may_be[places[entry]] if entry in places else ()
                kept = tuple(number for number in before if self.zones[number] in zones)
                if kept:
                    may_be[places[entry]] = kept
        return may_be

    def _told(self, rows: Rows) -> _Told:
        return rows.once(("clocks", self.columns), lambda: self._tell(rows))

    def _tell(self, rows: Rows) -> _Told:
        entries, values, days = self._entries(rows), rows.values(self.columns[0]), _days(rows)
        known = np.flatnonzero((entries >= 0) & (days.places >= 0))
        found, of_row = _different(entries[known], days.places[known], values.places[known])
        return _Told(found, of_row, known, days.found, cells_of(values.found))

    def _are_odd(self, told: _Told, may_be: Sequence[tuple[int, ...]]) -> Array:
        """Which combinations of an entry, a day and a value no clock shows."""
        entry, day, value = told.found
        has_zones = np.array([bool(zones) for zones in may_be])[entry]
        shown = np.zeros(len(entry), dtype=bool)
        for number, zone in enumerate(self.zones):
            is_it = np.array([number in zones for zones in may_be])[entry]
            shown |= is_it & _shows(zone, told.days, self.form, told.cells)[day, value]
        return np.where(has_zones, ~shown, value >= 0)


@dataclass(frozen=True, eq=False)
class _Told:
    """What rows tell of clocks.

    Attributes:
        found: The different combinations of an entry, a day and a value, one below the other.
        of_row: Which of them each row has.
        known: The rows, of those of an entry and a day that is known.
        days: The days, in UTC, counted from 2000.
        cells: The values.
    """

    found: Ints
    of_row: Ints
    known: Ints
    days: Array
    cells: list[Cell]


def discover(training: TrainingRows) -> tuple[list[Offset], frozenset[str]]:
    """Find the columns that hold the offset of a clock.

    Args:
        training: The training rows.

    Returns:
        The laws, and those of the columns that will have offsets of a season that training did not
        see: whatever else held of these in training says nothing of later days.
    """
    rows = training.rows
    if training.days < ENOUGH_DAYS or rows.schema.event_time is None:
        return [], frozenset()
    forms = {
        field.name: form
        for field in rows.schema
        if field.role == "value" and (form := _form(rows.values(field.name))) is not None
    }
    found = [
        one
        for column, form in forms.items()
        for one in [_Clocks.of(training, column, form)]
        if one is not None
    ]
    unseen = frozenset(one.law.columns[0] for one in found if one.unseen > _MOST_UNSEEN)
    return [one.law for one in found], unseen


def minutes_to_come(training: TrainingRows) -> float:
    """By how many minutes the clock of the table's zone will differ from all that training saw.

    So much may clocks move against each other within the year, of which one is not set.

    Args:
        training: The training rows, with event times.
    """
    zone, days = training.rows.timezone, _days(training.rows).found.astype(np.int64).tolist()
    had = Counter(_ahead(zone, day) for day in days)
    seen = [ahead for ahead, times in had.items() if times >= _SEASON]
    coming = {_ahead(zone, max(days) + after) for after in _YEAR} if seen else set()
    return max((min(abs(one - other) for other in seen) for one in coming), default=0.0)


def _ahead(zone: str, day: int) -> float:
    """Minutes by which a zone is ahead of UTC at noon of a day counted from 2000."""
    return _seconds(_noon(zone, day)) / 60


def _form(values: Values) -> Form | None:
    """How a column writes offsets, if all that it holds could be some; flags are none."""
    cells = {*cells_of(values.found)}
    if not cells or cells <= {0, 1}:
        return None
    return next((form for form in _FORMS if cells <= _offsets(form)), None)


@cache
def _offsets(form: Form) -> frozenset[Cell]:
    """The offsets that there are."""
    return frozenset(_cell(zone, day, form) for zone in _places() for day in range(0, 365, 60))


@cache
def _places() -> tuple[str, ...]:
    """The zones of places on Earth."""
    names = available_timezones()
    return tuple(sorted(one for one in names if "/" in one and not one.startswith("Etc/")))


def _cell(zone: str, day: int, form: Form) -> Cell:
    """The offset of a zone at noon, UTC, of a day counted from 2000."""
    return _FORMS[form](_noon(zone, day))


def _noon(zone: str, day: int) -> datetime:
    noon = datetime(2000, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
    return noon.astimezone(ZoneInfo(zone))


def _days(rows: Rows) -> Values:
    """The day of each row in UTC, counted from 2000."""
    hours = rows.hours
    assert hours is not None, "there are event times"
    return rows.derived("day in UTC", lambda: _counted(hours))


def _counted(hours: Array) -> Array:
    since = (hours - np.datetime64("2000-01-01", "h")) / np.timedelta64(24, "h")
    return np.floor(since)  # NaN where it is not known


def _shows(zone: str, days: Array, form: Form, cells: Sequence[Cell]) -> Array:
    """Whether a zone has a value on a day or on one beside it: days by values.

    A last column is there for missing values, which no clock shows.
    """
    places = {cell: place for place, cell in enumerate(cells)}
    numbers = days.astype(np.int64).tolist()
    told = {day: _cell(zone, day, form) for one in numbers for day in (one - 1, one, one + 1)}
    shows = np.zeros((len(numbers), len(cells) + 1), dtype=bool)
    for at, one in enumerate(numbers):
        shows[at, [places.get(told[day], -1) for day in (one - 1, one, one + 1)]] = True
    shows[:, -1] = False
    return shows


def _different(*codes: Ints) -> tuple[Ints, Ints]:
    """The different combinations of codes, one below the other, and which of them each row has."""
    of_row = combined(*(one + 1 for one in codes))
    first = first_of(of_row)
    return np.array([one[first] for one in codes]), of_row


@dataclass(frozen=True)
class _Clocks:
    """Clocks of which a column holds the offsets.

    Attributes:
        law: What it says.
        unseen: Share of the rows that get an offset, within a year, that training hardly had.
    """

    law: Offset
    unseen: float

    @classmethod
    def of(cls, training: TrainingRows, column: str, form: Form) -> _Clocks | None:
        """The clocks of a column: one, or one for each value of another column; None if none."""
        rows = training.rows
        for by in (None, *_singles(rows, column)):
            groups = np.zeros(len(rows), dtype=np.int64) if by is None else rows.values(by).places
            if by is not None and not _tells(training, groups, rows.values(column).places):
                continue
            found = cls._agreeing(training, column, form, by, groups)
            if found is not None:
                return found
        return None

    @classmethod
    def _agreeing(
        cls, training: TrainingRows, column: str, form: Form, by: str | None, groups: Ints
    ) -> _Clocks | None:
        rows, values, days = training.rows, training.rows.values(column), _days(training.rows)
        kept = (groups >= 0) & (days.places >= 0)
        (group, day, value), of_row = _different(
            groups[kept], days.places[kept], values.places[kept]
        )
        sizes = np.bincount(of_row)
        is_known = value >= 0
        known = np.unique(group[is_known])
        if _most_values(group, value) > _MOST_VALUES or np.isin(group[~is_known], known).any():
            return None
        cells = cells_of(values.found)
        is_set = _most_values(group[is_known], value[is_known]) > 1
        if not is_set and _may_be_codes(form, cells, rows.timezone, days.found):
            return None
        zones = _apart(rows.timezone, days.found, form)
        agrees = np.ones((len(zones), int(groups.max()) + 1), dtype=bool)
        for number, zone in enumerate(zones):
            shown = _shows(zone, days.found, form, cells)
            agrees[number, group[is_known & ~shown[day, value]]] = False
        if not agrees[:, known].any(axis=0).all():
            return None
        agrees[:, np.setdiff1d(group, known)] = False
        entries = np.unique(group)
        used = np.flatnonzero(agrees[:, entries].any(axis=1))
        law = Offset(
            columns=(column,) if by is None else (column, by),
            days=training.days,
            form=form,
            by=by,
            given=(None,) if by is None else tuple(cells_of(rows.values(by).found[entries])),
            zones=tuple(zones[place] for place in used.tolist()),
            may_be=tuple(
                tuple(np.flatnonzero(agrees[used, one]).tolist()) for one in entries.tolist()
            ),
        )
        had = {(one, cells[place]) for one, place in _seasons(group[is_known], value[is_known])}
        last = int(days.found.max())
        unseen = [
            one
            for one, may_be in zip(entries.tolist(), law.may_be, strict=True)
            if any((one, cell) not in had for cell in _to_come(law, may_be, last))
        ]
        return cls(law, float(sizes[np.isin(group, unseen)].sum()) / max(int(sizes.sum()), 1))


def _may_be_codes(form: Form, cells: Sequence[Cell], timezone: str, days: Array) -> bool:
    """Whether hours ahead of UTC, none of which changed, may as well be numbers of kinds of things.

    These are whole and not negative. Clocks are some of which one is the table's, if that is set.
    """
    if form != "hours":
        return False
    hours = np.array(cells, dtype=np.float64)
    if np.any((hours < 0) | (hours % 1 > 0)):
        return False
    numbers = days.astype(np.int64).tolist()
    to_come = {_cell(timezone, max(numbers) + after, form) for after in _YEAR}
    return len(to_come) < 2 or not {_cell(timezone, day, form) for day in numbers} & {*cells}


def _to_come(law: Offset, may_be: Iterable[int], last: int) -> set[Cell]:
    """The offsets of some of the zones in the year after a day."""
    return {_cell(law.zones[zone], last + after, law.form) for zone in may_be for after in _YEAR}


def _seasons(group: Ints, value: Ints) -> list[tuple[int, int]]:
    """Which values each group had on enough days, of combinations of a group, day and value."""
    found, of_row = _different(group, value)
    enough = np.bincount(of_row) >= _SEASON
    return [(one, place) for one, place in found[:, enough].T.tolist()]


def _most_values(group: Ints, value: Ints) -> int:
    """The most different values that a group has."""
    found, _ = _different(group, value)
    return int(np.bincount(found[0]).max(initial=0))


def _tells(training: TrainingRows, groups: Ints, values: Ints) -> bool:
    """Whether each group has few values, which values dealt to other rows have not."""
    sample = np.linspace(0, len(groups) - 1, min(_SAMPLE, len(groups))).astype(np.int64)
    sample = sample[groups[sample] >= 0]
    if not len(sample) or _most_values(groups[sample], values[sample]) > _MOST_VALUES:
        return False
    dealt = values[shuffled(training.day_of)]
    return days_broken(groups, dealt, training.day_of) >= ENOUGH_DAYS


def _apart(timezone: str, days: Array, form: Form) -> list[str]:
    """A zone of each that differ on some of days or in the year after, that of the table first."""
    training = days.astype(np.int64)
    asked = [*np.unique([training - 1, training, training + 1]).tolist()]
    asked += [int(training.max()) + after for after in _YEAR]
    found: dict[tuple[Cell, ...], str] = {}
    for zone in dict.fromkeys((timezone, *_places())):
        found.setdefault(tuple(_cell(zone, day, form) for day in asked), zone)
    return list(found.values())


def _singles(rows: Rows, column: str) -> list[str]:
    """The columns from which a clock may follow, those of the fewest values first."""
    sizes = {
        field.name: len(rows.values(field.name).found)
        for field in rows.schema
        if field.role == "value" and field.name != column
        if field.kind is Kind.TEXT or field.declared in ("int", "bool")
    }
    most = min(MOST_ENTRIES, len(rows) // ROWS_AN_ENTRY)
    few = [name for name, size in sizes.items() if 1 < size <= most]
    return sorted(few, key=sizes.__getitem__)[:_MOST_SINGLES]
