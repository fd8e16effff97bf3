"""Rows as laws look at them: with the days that they are of, and their values as small numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing, take_rows
from lockstep.laws.earlier import Digests, Earlier, digests_of, mixed

Made = TypeVar("Made")
_NOT_YET: Any = object()
_BLOCK = 16_384
"""Rows whose digests are made together: what is made of them stays in the cache."""


@dataclass(frozen=True)
class Values:
    """The values of a column, each by its place among those that there are.

    Attributes:
        places: int64, one a row: where its value is in `found`; -1 where it is missing.
        found: The values that occur, each once, in the order in which they do.
    """

    places: Array
    found: Array


def by_clock(times: Array, timezone: str) -> Array:
    """Times in UTC by the clock of a time zone: datetime64[us].

    Args:
        times: The times: datetime64[us].
        timezone: Its name in the IANA data base.
    """
    found = pd.DatetimeIndex(times, tz="UTC").tz_convert(timezone)
    return found.tz_localize(None).to_numpy()


def _found_in(array: Array) -> Values:
    places, found = pd.factorize(array)
    return Values(places.astype(np.int64, copy=False), np.asarray(found))


@dataclass(frozen=True, eq=False)
class Rows:
    """Raw rows of one day or file, or of several days.

    Attributes:
        columns: The fields of the record, in canonical form.
        schema: What they are declared to hold.
        timezone: Where a day begins and ends.
        day: The day that the rows are to be of, in ISO form; None where they are of no one day.
        earlier: The batches that were published before, the newest last.
        later: Those that were published of later days, the next one first: a day may come late.
        aside: How many rows came with them and were set aside, so that laws do not see them.
    """

    columns: Columns
    schema: Schema
    timezone: str = "UTC"
    day: str | None = None
    earlier: tuple[Earlier, ...] = ()
    later: tuple[Earlier, ...] = ()
    aside: int = 0
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def values(self, name: str) -> Values:
        """The values of a column; found once, whichever laws ask for them."""
        return self.derived(name, lambda: self.columns[name])

    def counted(self, name: str) -> tuple[Array, Array]:
        """The values of a column, in the order in which they occur, and how often each does."""
        values = self.values(name)
        known = values.places[values.places >= 0]
        return values.found, np.bincount(known, minlength=len(values.found))

    def derived(self, name: str, array: Callable[[], Array]) -> Values:
        """The values of what is made of columns; found once, whichever laws ask for them.

        Args:
            name: What it is, told apart from all other things and from columns.
            array: Makes it: one value a row.
        """
        return self.once(("values", name), lambda: _found_in(array()))

    def told_by(self, source: str, name: str, make: Callable[[Array], Array]) -> Values:
        """The values of what a column alone tells, made of each of its values once.

        Args:
            source: The column.
            name: What it is, told apart from all other things and from columns.
            make: Makes it of values of the column: one of each.
        """

        def found() -> Values:
            values = self.values(source)
            told = _found_in(make(values.found))
            return Values(np.append(told.places, -1)[values.places], told.found)

        return self.once(("values", name), found)

    def once(self, what: Hashable, make: Callable[[], Made]) -> Made:
        """What is made of the rows; made once, whichever laws ask for it.

        Args:
            what: What it is, told apart from all other things.
            make: Makes it.
        """
        made: Made = self._made.get(what, _NOT_YET)  # names may be long, and are digested each time
        if made is _NOT_YET:
            made = self._made[what] = make()
        return made

    @cached_property
    def local_times(self) -> Array | None:
        """Event times by the clock of the time zone, datetime64[us]; None where rows have none."""
        return self._by_clock("datetime64[us]")

    @cached_property
    def days(self) -> Array | None:
        """The day of each row, datetime64[D]; None where rows have no event time."""
        return self._by_clock("datetime64[D]")

    def _by_clock(self, unit: str) -> Array | None:
        """Event times by the clock of the time zone in a unit, made of each of them once."""
        name = self.schema.event_time
        if name is None:
            return None
        values = self.values(name)
        times = self.once("times by clock", lambda: by_clock(values.found, self.timezone))
        return np.append(times.astype(unit), np.datetime64("NaT"))[values.places]

    @cached_property
    def hours(self) -> Array | None:
        """The hour in UTC of each row, datetime64[h]; None where rows have no event time."""
        name = self.schema.event_time
        return None if name is None else self.columns[name].astype("datetime64[h]")

    @cached_property
    def outside(self) -> Array | None:
        """Rows that happened on another day than they are to be of; None where that has no sense.

        Those of which it is not known when they happened are of the day.
        """
        if self.days is None or self.day is None:
            return None
        outside: Array = (self.days != np.datetime64(self.day)) & ~is_missing(self.days)
        return outside

    @property
    def key_digests(self) -> Array:
        """A digest of each row's key: uint64."""
        key = self.schema.key
        assert key is not None, "rows that are scored have a key"
        return self.once("digests of keys", lambda: digests_of(self.columns[key]))

    def digests_without(self, names: tuple[str, ...] = ()) -> Array:
        """A digest of each row's values but for its key, event time and some others: uint64.

        Args:
            names: These others.
        """
        return self.once(("digests without", names), lambda: self._digests_without(names))

    def _digests_without(self, names: tuple[str, ...]) -> Array:
        fields = (one.name for one in self.schema if one.role == "value")
        kept = [name for name in fields if name not in names]
        parts = [(self.value_digests(name), self.values(name).places) for name in kept]
        found = np.empty(len(self), dtype=np.uint64)
        for start in range(0, len(self), _BLOCK):
            block = slice(start, min(start + _BLOCK, len(self)))
            digests = (of_values[places[block]] for of_values, places in parts)
            found[block] = mixed(digests, block.stop - start)
        return found

    def value_digests(self, name: str) -> Array:
        """A digest of each different value of a column, in their order, then that of none."""
        return self.once(
            ("digests of", name),
            lambda: np.append(digests_of(self.values(name).found), np.uint64(0)),
        )

    def remembered(self, partition: str, dated: tuple[str, ...] = ()) -> Earlier:
        """What is kept of the rows, for the batches that follow.

        Args:
            partition: The day or file.
            dated: The columns that date a row as its event time does.
        """
        return Earlier(
            partition=partition,
            rows=len(self),
            outside=float(self.outside.mean()) if self.outside is not None and len(self) else None,
            keys=Digests.of(self.key_digests),
            contents=Digests.of(self.digests_without(dated)),
            aside=self.aside,
        )

    def take(self, rows: Array | slice, day: str | None = None) -> Rows:
        """Some of the rows, by position or where a mask is true."""
        return Rows(take_rows(self.columns, rows), self.schema, self.timezone, day)


_BLOCKS = 40
"""Blocks of which rows without an event time are made, so that their bands can be told."""
_SMALLEST, _LARGEST = 50, 1_000
"""Rows of a block."""


def _block(rows: int) -> int:
    return min(max(rows // _BLOCKS, _SMALLEST), _LARGEST)


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """The rows that laws are learnt from, and how they are parted into days.

    Rows without an event time are parted into blocks of one size, as they came: each stands for a
    batch.

    Attributes:
        rows: All of them.
        day_of: int64, one a row: which day it is of, counted from 0; -1 where that is not known.
        days: How many days there are.
        has_days: Whether they are days, rather than blocks.
    """

    rows: Rows
    day_of: Array
    days: int
    has_days: bool

    @classmethod
    def of(cls, rows: Rows, block: int | None = None) -> TrainingRows:
        """Part rows into days by their event time, or into blocks.

        Args:
            rows: All rows.
            block: Rows of a block, where there is no event time; by how many there are if it is
                not told.
        """
        if rows.days is None:
            day_of = np.arange(len(rows)) // (block or _block(len(rows)))
            return cls(rows, day_of, int(day_of.max(initial=-1)) + 1, False)
        known = ~is_missing(rows.days)
        day_of = np.full(len(rows), -1)
        found, day_of[known] = np.unique(rows.days[known], return_inverse=True)
        return cls(rows, day_of, len(found), True)

    def without(self, names: Collection[str]) -> TrainingRows:
        """The same rows without some of their columns.

        Args:
            names: These columns.
        """
        if not names:
            return self
        fields = tuple(one for one in self.rows.schema if one.name not in names)
        schema = Schema(self.rows.schema.name, fields)
        columns = {one.name: self.rows.columns[one.name] for one in fields}
        return replace(self, rows=Rows(columns, schema, self.rows.timezone))

    def each(self) -> Iterator[Rows]:
        """The rows of each day, in turn."""
        order = np.argsort(self.day_of, kind="stable")
        starts = np.searchsorted(self.day_of[order], np.arange(self.days + 1))
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            places = order[start:end]
            day = str(self.rows.days[places[0]]) if self.rows.days is not None else None
            yield self.rows.take(np.sort(places), day)
