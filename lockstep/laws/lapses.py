"""Lapses: the time from one moment of a row to another, as a number that laws are looked for of.

Dates may be times, or texts of which nearly all that training had are written by one layout (see
`columns.dates`). As categories they say little, since later days bring other ones. What they say of
a row is how long after another moment they are: the event time, where they go on with it, or the
beginning of 1970; and the other one, of two that lie closer to each other than to that, such as
both days of a stay. Of a text that holds a time without a day, it is that, as hhmm.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import ClassVar, Literal

import msgspec
import numpy as np

from lockstep.columns.dates import layout_of, moments, moves_on, width
from lockstep.columns.kinds import Array, Floats, Kind
from lockstep.columns.plain import counted, show
from lockstep.columns.schema import MADE, Field, Schema
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows, by_clock

Reads = Literal["values", "lapses", "both", "order", "durations"]
"""How laws read dates: as they are; those that go on with time as lapses, or both ways; or all of
them as lapses, which they compare, or of which they say how long they are."""
MANY = 0.01
"""Share of the texts that are no dates from which on they cannot be what they were."""
_MOST_PAIRS = 6
"""Pairs of moments between which the time is told, those that lie closest to each other."""
_ZERO = "1970-01-01"


class Moment(msgspec.Struct, frozen=True):
    """A column that says when something is.

    Attributes:
        column: The column.
        layout: How its texts are written; None where it holds times.
    """

    column: str
    layout: str | None = None

    @property
    def is_day(self) -> bool:
        """Whether it says a day, and no time."""
        return self.layout is not None and "%H" not in self.layout

    @property
    def is_clock(self) -> bool:
        """Whether it says a time, and no day."""
        return self.layout is not None and "%Y" not in self.layout

    @property
    def has_zone(self) -> bool:
        """Whether it is a moment anywhere, rather than by some clock."""
        return self.layout is None or self.layout.endswith("%z")

    def read(self, rows: Rows) -> Array:
        """The moment of each row, datetime64[us]: as texts have it, or in UTC."""
        return rows.once(("moments", self), lambda: self._read(rows))

    def said(self, rows: Rows) -> Array:
        """What each of its different texts says, in their order; NaT of those that are no dates."""
        assert self.layout is not None, "it holds texts"
        return moments(rows.values(self.column).found, self.layout)

    def _read(self, rows: Rows) -> Array:
        if self.layout is None:
            return rows.columns[self.column]
        return np.append(self.said(rows), np.datetime64("NaT"))[rows.values(self.column).places]


class Lapse(msgspec.Struct, frozen=True):
    """The time from one moment to another.

    Attributes:
        until: The moment at its end.
        since: The moment at its beginning; None for the beginning of 1970.
        is_alone: Whether it is all that its end says by itself, rather than with another moment.
    """

    until: Moment
    since: Moment | None = None
    is_alone: bool = True

    @property
    def stays(self) -> bool:
        """Whether its end does not go on with time: another day has the same ones."""
        return self.since is None

    @property
    def is_local(self) -> bool:
        """Whether it is told by a clock that may be set within it, rather than by UTC."""
        return not (self.until.has_zone and (self.since is None or self.since.has_zone))

    @property
    def unit(self) -> Literal["days", "hours"]:
        """What it is counted in."""
        is_days = self.until.is_day or (self.since is not None and self.since.is_day)
        return "days" if is_days else "hours"

    @property
    def name(self) -> str:
        """What it is named; no field is named so."""
        if self.until.is_clock:
            return f"clock time of {self.until.column}"
        since = _ZERO if self.since is None else self.since.column
        return f"{self.unit} from {since} until {self.until.column}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that may be at fault where it is: of the event time others tell."""
        since = () if self.is_alone or self.since is None else (self.since.column,)
        return (self.until.column, *since)

    @property
    def field(self) -> Field:
        """It as a field."""
        return Field(self.name, "int" if self.until.is_clock else "float", True, MADE)

    def of(self, rows: Rows) -> Floats:
        """It, of each row; NaN where a moment is missing."""
        if self.until.is_clock:
            return _hhmm(self.until.read(rows))
        until, since = (self._clock(one, rows) for one in (self.until, self.since))
        unit = np.timedelta64(1, "D" if self.unit == "days" else "h")
        lapse: Floats = (until - since) / unit
        return lapse

    def _clock(self, moment: Moment | None, rows: Rows) -> Array:
        if moment is None:
            return np.zeros(len(rows), dtype="datetime64[us]")
        times = moment.read(rows)
        if self.is_local and moment.has_zone:
            times = by_clock(times, rows.timezone)
        return times.astype("datetime64[D]") if self.unit == "days" else times


def _hhmm(times: Array) -> Floats:
    """Hours and minutes of times, 1705 for five past five in the afternoon."""
    minutes = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "m")
    hhmm: Floats = minutes // 60 * 100 + minutes % 60 // 1
    return hhmm


class Written(Law, frozen=True, kw_only=True, tag="written"):
    """Texts of a column are dates or times, written by one layout.

    Attributes:
        moment: The column and its layout.
        others: Texts that are no dates, and that training had.
    """

    binds: ClassVar[bool] = False

    moment: Moment
    others: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} is a date or time, written as {self.moment.layout}"

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`; a few warn."""
        values, said = rows.values(self.columns[0]), self.moment.said(rows)
        is_new = np.isnat(said) & ~np.isin(values.found, self.others)
        odd = np.flatnonzero(np.append(is_new, False)[values.places])
        if not len(odd):
            return None
        known = int(np.count_nonzero(values.places >= 0))
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} is no date or time, written as {self.moment.layout}, "
            f"in {counted(len(odd), 'row')} of {len(rows):,}, such as "
            f"{show(values.found[values.places[odd[0]]])}",
            rows=odd,
            strict=self.is_strict and len(odd) >= max(MANY * known, 3),
            numbers={"share that is no date": len(odd) / known},
        )


def found(training: TrainingRows) -> tuple[Lapse, ...]:
    """The lapses of training rows; looked for once.

    Args:
        training: The training rows.
    """
    return training.rows.once("lapses", lambda: _found(training))


def _found(training: TrainingRows) -> tuple[Lapse, ...]:
    rows = training.rows
    if training.days < ENOUGH_DAYS:
        return ()
    there = [one for one in rows.schema if one.role == "value"]
    moments = [Moment(one.name) for one in there if one.kind is Kind.TIME]
    moments += [
        Moment(one.name, layout)
        for one in there
        if one.kind is Kind.TEXT and one.choices is None
        if (layout := layout_of(rows.values(one.name).found)) is not None
    ]
    if not moments:
        return ()
    event = None if rows.schema.event_time is None else Moment(rows.schema.event_time)
    alone = [_alone(rows, one, event) for one in moments]
    widths = {one.until: _days(rows, one) for one in alone}
    pairs: list[tuple[float, Lapse]] = []
    for one, other in combinations((one for one in moments if not one.is_clock), 2):
        lapse = _ordered(rows, one, other)
        apart = _days(rows, lapse)
        if apart < min(widths[one], widths[other]):
            pairs.append((apart, lapse))
    pairs.sort(key=lambda pair: pair[0])
    return (*alone, *(lapse for _, lapse in pairs[:_MOST_PAIRS]))


def _days(rows: Rows, lapse: Lapse) -> float:
    """How far a lapse reaches, in days."""
    return width(lapse.of(rows)) / (1 if lapse.unit == "days" else 24)


def _alone(rows: Rows, moment: Moment, event: Moment | None) -> Lapse:
    """The lapse until a moment, from the event time if it goes on with that."""
    absolute = Lapse(moment)
    if event is None or moment.is_clock:
        return absolute
    relative = Lapse(moment, event)
    days = Lapse(event).of(rows) / (24 if relative.unit == "days" else 1)  # in its unit
    return relative if moves_on(absolute.of(rows), days) else absolute


def _ordered(rows: Rows, one: Moment, other: Moment) -> Lapse:
    """The lapse from that of two moments which is mostly the earlier one."""
    lapse = Lapse(other, one, is_alone=False)
    is_so = np.nanmedian(lapse.of(rows)) >= 0
    return lapse if is_so else Lapse(one, other, is_alone=False)


def discover(training: TrainingRows) -> list[Written]:
    """Find the texts that are dates.

    Args:
        training: The training rows.
    """
    texts = dict.fromkeys(one.until for one in found(training) if one.until.layout is not None)
    return [
        Written(
            columns=(one.column,),
            days=training.days,
            moment=one,
            others=tuple(training.rows.values(one.column).found[np.isnat(one.said(training.rows))]),
        )
        for one in texts
    ]


def with_lapses(rows: Rows, lapses: tuple[Lapse, ...]) -> Rows:
    """Rows that have lapses as well.

    Args:
        rows: Some rows.
        lapses: The lapses.
    """
    if not lapses:
        return rows
    schema = Schema(rows.schema.name, (*rows.schema.fields, *(one.field for one in lapses)))
    columns = {**rows.columns, **{one.name: one.of(rows) for one in lapses}}
    return replace(rows, columns=columns, schema=schema, _made={})  # what is made of all columns


def by_reading(training: TrainingRows, lapses: tuple[Lapse, ...]) -> dict[Reads, TrainingRows]:
    """Training rows as families of laws read them.

    Args:
        training: The training rows.
        lapses: Their lapses.
    """
    whole = replace(training, rows=with_lapses(training.rows, lapses))
    alone = [one for one in lapses if one.is_alone]
    texts = [one.until.column for one in alone if one.until.layout is not None]
    stay = [one.until.column for one in alone if one.stays]
    staying = [one.name for one in alone if one.stays]
    return {
        "values": training,
        "both": whole.without(staying),
        "lapses": whole.without([*staying, *(one for one in texts if one not in stay)]),
        "order": whole.without(texts),
        "durations": whole.without([*texts, *(one.name for one in lapses if not _has_length(one))]),
    }


def _has_length(lapse: Lapse) -> bool:
    """Whether it is as long as it is told, from one moment of a row to another."""
    return lapse.since is not None and (lapse.unit == "days" or not lapse.is_local)
