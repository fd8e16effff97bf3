"""Classes: what shares a value, though the value changes from day to day or with the season.

A tariff has a price for the night, one for the day and one for the evening. In winter each of them
is another one, so no price can be looked up; but the hours of the night share theirs, and have
another one than those of the evening. So do shops of one zone of prices. Values that are joined by
another clock, of another zone or by another list part the hours otherwise.

Classes are the coarsest partition of hours, or of what else determines a column within a day (see
`dependencies`), on which all training days of one kind agree: any two that ever share a value
always do. Kinds are all days, working days and weekends, or the days of the week. A day that is as
those of another kind are, such as a holiday, is unusual only: also where training had too few of
that kind, as of weekends in two months, to hold others to them.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components

from lockstep.columns.kinds import Array, Bools, Ints
from lockstep.columns.plain import counted, show
from lockstep.laws import dependencies
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.lookups import Cell, cells_of
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term, first_of

MOST_KEYS = 50
"""Different keys, such as hours of the day, at most: of more, days have too few together."""
ENOUGH_TIMES = 5
"""Training days of a kind that had a key, so that its class is known."""
KINDS: tuple[tuple[tuple[int, ...], ...], ...] = (
    (tuple(range(7)),),
    (tuple(range(5)), (5, 6)),
    tuple((day,) for day in range(7)),
)
"""How days are parted, by the day of the week from Monday: the first one by which classes hold."""


class Kind(msgspec.Struct, frozen=True):
    """The classes of some days.

    Attributes:
        days: The days of the week, from Monday.
        keys: What is parted.
        classes: The class of each, a small number.
    """

    days: tuple[int, ...]
    keys: tuple[Cell, ...]
    classes: tuple[int, ...]

    def of_rows(self, key: Term, rows: Rows) -> Ints:
        """The class of each row; -1 of none."""
        values = key.values(rows)
        known = dict(zip(self.keys, self.classes, strict=True))
        codes = [*(known.get(cell, -1) for cell in cells_of(values.found)), -1]
        return np.array(codes, dtype=np.int64)[values.places]


class Classed(Law, frozen=True, kw_only=True, tag="classes"):
    """Rows of a day whose keys are of one class agree, and those of two classes differ.

    Attributes:
        key: What is parted.
        kinds: Into what, on which days.
        seldom: The same of days of which training had too few to hold others to them.
    """

    lacks = "no two rows of one day have keys of which the class is known"

    key: Term
    kinds: tuple[Kind, ...]
    seldom: tuple[Kind, ...] = ()

    @property
    def dependent(self) -> Term:
        """What the classes share."""
        return Term(self.columns[0])

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"one {self.columns[0]} for each class of {self.key.says}, another one for each"

    def find(self, rows: Rows) -> Broken | None:
        """The rows that differ from most of their class, or have what a larger one has."""
        if rows.days is None:
            return None
        found = [self._odd(rows, kind, _are_of(rows, kind)) for kind in self.kinds]
        odd = np.logical_or.reduce(found)
        if not odd.any():
            return None
        row = int(np.flatnonzero(odd)[0])
        keys, value = self.key.values(rows), rows.columns[self.columns[0]][row]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self.columns[0]} is not one for each class of {self.key.says}, and another "
            f"one for each: in {counted(int(odd.sum()), 'row')} of {len(rows):,} it is not that of "
            f"the class, or also that of another one, such as {show(value)} where {self.key.says} "
            f"is {self.key.show(keys.found[keys.places[row]])}",
            rows=np.flatnonzero(odd),
            strict=self.is_strict and any(self._is_new(rows, one) for one in found),
            numbers={"rows": int(odd.sum())},
            cases={
                self.key.show(keys.found[one]): float(np.mean(odd[keys.places == one]))
                for one in np.unique(keys.places[odd])
            },
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        if rows.days is None:
            return 0
        known = (_are_of(rows, kind) & (kind.of_rows(self.key, rows) >= 0) for kind in self.kinds)
        return sum(int(np.count_nonzero(one)) for one in known)

    def _odd(self, rows: Rows, kind: Kind, is_told: Bools) -> Bools:
        """Which rows of some days are not as the classes of a kind have it."""
        classes, places = kind.of_rows(self.key, rows), self.dependent.values(rows).places
        odd = np.zeros(len(rows), dtype=bool)
        known = np.flatnonzero(is_told & (classes >= 0) & (places >= 0))
        assert rows.days is not None, "days have kinds"
        width, count = int(places.max(initial=0)) + 1, max(kind.classes, default=0) + 1
        cells = pd.factorize(rows.days[known])[0] * count + classes[known]
        codes, found = pd.factorize(cells * width + places[known], sort=True)
        told = pd.DataFrame({"cell": found // width, "value": found % width})
        told["day"] = told["cell"] // count
        by_size = np.argsort(-np.bincount(codes, minlength=len(told)), kind="stable")
        common = told.iloc[by_size].drop_duplicates("cell").set_index("cell")
        common["is_shared"] = common.duplicated(["day", "value"])
        usual = common.loc[told["cell"]]
        is_odd = (usual["value"].to_numpy() != told["value"].to_numpy()) | usual["is_shared"]
        odd[known] = is_odd.to_numpy(dtype=bool)[codes]
        return odd

    def _is_new(self, rows: Rows, odd: Bools) -> bool:
        """Whether days of some odd rows are not as those of another kind, such as weekends, are."""
        assert rows.days is not None, "days have kinds"
        is_told = np.isin(rows.days, rows.days[odd])
        kinds = (*self.kinds, *self.seldom)
        return bool(odd.any()) and all(self._odd(rows, one, is_told).any() for one in kinds)


def _are_of(rows: Rows, kind: Kind) -> Bools:
    """Which rows are of days of a kind."""
    assert rows.days is not None, "days have kinds"
    found: Bools = np.isin(_day_of_week(rows.days), kind.days) & ~np.isnat(rows.days)
    return found


def _day_of_week(days: Array) -> Ints:
    """The day of the week from Monday of days: 1 January 1970 was a Thursday."""
    found: Ints = (days.astype("datetime64[D]").astype(np.int64) + 3) % 7
    return found


def discover(training: TrainingRows) -> list[Classed]:
    """Find what parts hours, or other keys, into the same classes on all training days.

    Args:
        training: The training rows.
    """
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    found: dict[str, Classed] = {}
    for one in dependencies.known(training):
        if len(one.determinants) == 1 and one.missing and one.dependent.column not in found:
            law = _law(training, one.dependent, _daily(one.determinants[0]))
            found |= {} if law is None else {one.dependent.column: law}
    return list(found.values())


def _daily(term: Term) -> Term:
    """The part of an event time that comes again each day."""
    return Term(term.column, "hour of the day") if term.part == "hour" else term


def _law(training: TrainingRows, dependent: Term, key: Term) -> Classed | None:
    """The law; None where no classes hold, or each key has the same value on all days."""
    keys, values = key.values(training.rows), dependent.values(training.rows)
    if not 2 < len(keys.found) <= MOST_KEYS or key.is_tick:
        return None
    known = (keys.places >= 0) & (training.day_of >= 0)
    table = np.full((training.days, len(keys.found)), -1)
    table[training.day_of[known], keys.places[known]] = values.places[known]
    if all(len(np.unique(column[column >= 0])) < 2 for column in table.T):
        return None
    of_week = _days_of_week(training)
    cells = cells_of(keys.found)
    for parts in KINDS:
        tables = {days: table[np.isin(of_week, days)] for days in parts}
        often = {days: one for days, one in tables.items() if len(one) >= ENOUGH_DAYS}
        seldom = {days: one for days, one in tables.items() if 0 < len(one) < ENOUGH_DAYS}
        kinds = [_kind(one, days, cells, ENOUGH_DAYS) for days, one in often.items()]
        told = [one for one in kinds if one is not None]
        if told and len(told) == len(kinds) and any(_parts(one) for one in told):
            few = {days: _kind(one, days, cells, ENOUGH_TIMES) for days, one in seldom.items()}
            return Classed(
                columns=(dependent.column, key.column),
                days=training.days,
                key=key,
                kinds=tuple(told),
                seldom=tuple(one or Kind(days, (), ()) for days, one in few.items()),
            )
    return None


def _days_of_week(training: TrainingRows) -> Ints:
    """The day of the week of each training day."""
    assert training.rows.days is not None, "training has days"
    return _day_of_week(training.rows.days[first_of(training.day_of)])


def _parts(kind: Kind) -> bool:
    """Whether there are several classes, and one of them has several keys."""
    return 1 < len(set(kind.classes)) < len(kind.classes)


def _kind(table: Ints, days: tuple[int, ...], cells: list[Cell], enough: int) -> Kind | None:
    """The classes of some days; None where keys share a value on some of them only.

    Args:
        table: The value of each key on each day, a small number: days by keys; -1 for none.
        days: The days of the week that these are.
        cells: The keys.
        enough: Days that each two classes have to be there together.
    """
    often = np.flatnonzero(np.count_nonzero(table >= 0, axis=0) >= ENOUGH_TIMES)
    table = table[:, often]
    is_known = (table >= 0).astype(np.int64)
    together = is_known.T @ is_known
    alike = sum((row[:, None] == row) & (row >= 0)[:, None] & (row >= 0) for row in table)
    count, classes = connected_components(alike > 0, directed=False)
    is_same = classes[:, None] == classes
    if ((alike < together) & is_same).any():
        return None
    of_class = np.equal.outer(np.arange(count), classes).astype(np.int64)
    days_of = (is_known @ of_class.T > 0).astype(np.int64)
    if (days_of.T @ days_of).min(initial=enough) < enough:
        return None
    return Kind(days, tuple(cells[one] for one in often), tuple(classes.tolist()))
