"""Deliveries: what upstream has for a day, and the small changes that faults are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from benchmarks.tables.roles import Roles


@dataclass(frozen=True, eq=False)
class Delivery:
    """What upstream has for a day, for the day before, and for the day after."""

    rows: pd.DataFrame
    yesterday: pd.DataFrame
    tomorrow: pd.DataFrame  # without rows on the last day


@dataclass(frozen=True, eq=False)
class Case:
    """A delivery, and what of it goes wrong."""

    delivery: Delivery
    roles: Roles
    columns: tuple[str, ...]  # what it is about; none where it is about rows
    name: str  # of the fault

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the day."""
        return self.delivery.rows

    @cached_property
    def local(self) -> pd.Series:
        """When each row happened, by the clock of the place."""
        return local_times(self.rows, self.roles)

    @property
    def source(self) -> str:
        """The column of what the first column is told by: a place, a key, what reports."""
        name = self.columns[0] if self.columns else ""
        joined = self.roles.joined_with(name)
        place = joined.place if joined is not None else None
        return place or self.roles.key_of(name) or self.roles.reporter

    @property
    def chance(self) -> np.random.Generator:
        """Numbers by chance, the same ones at every run."""
        return np.random.default_rng([crc32(self.name.encode()), len(self.rows)])

    def assign(self, **columns: Any) -> pd.DataFrame:
        """The rows with other values in some columns."""
        return self.rows.assign(**columns)

    def common(self, column: str, most: float = 0.6) -> list[Any]:
        """The values of a column from the most frequent one on, those of nearly all rows last."""
        counts = self.rows[column].value_counts(normalize=True)
        counts = counts[counts > 0]
        return sorted(counts.index, key=lambda one: (counts[one] > most, -counts[one], str(one)))


Change = Callable[[Case], pd.DataFrame]
Where = Callable[[Case], pd.Series]
How = Callable[[pd.Series, Case], object]


def local_times(rows: pd.DataFrame, roles: Roles) -> pd.Series:
    """When rows happened, by the clock of the place, without its zone; NaT where none is told."""
    if not roles.time:
        return pd.Series(pd.NaT, rows.index)
    local: pd.Series = rows[roles.time].dt.tz_convert(roles.zone).dt.tz_localize(None)
    return local


def is_number(values: pd.Series) -> bool:
    """Whether a column is one of numbers."""
    return pd.api.types.is_numeric_dtype(values)


def everywhere(case: Case) -> pd.Series:
    """A mask of all rows."""
    return pd.Series(True, index=case.rows.index)


def hours(first: int, last: int) -> Where:
    """The rows of some hours; where rows have no time of the day, as large a part of them."""

    def mask(case: Case) -> pd.Series:
        is_then: pd.Series = case.local.dt.hour.between(first, last)
        if is_then.all() or not is_then.any():
            share = np.arange(len(case.rows)) / max(len(case.rows), 1)
            is_late, is_early = share >= FROM[first], share < FROM.get(last + 1, 1.0)
            is_then = pd.Series(is_late & is_early, case.rows.index)
        return is_then

    return mask


FROM = {12: 0.5, 14: 0.4, 18: 0.6}
"""From which part of the rows on an hour is told in rows that have no time of the day."""
noon, afternoon = hours(12, 23), hours(14, 17)


def part(size: float) -> Where:
    """A share of the rows, one at least."""

    def chosen(case: Case) -> pd.Series:
        draw = case.chance.random(len(case.rows))
        is_chosen = (draw < size) | (draw == draw.min(initial=1.0))
        return pd.Series(is_chosen, index=case.rows.index)

    return chosen


def segment(case: Case) -> pd.Series:
    """The rows of one segment."""
    return case.rows[case.roles.parts].isin(case.common(case.roles.parts)[:1])


def thing(case: Case) -> pd.Series:
    """The rows of one thing that reports."""
    return case.rows[case.source].isin(case.common(case.source)[:1])


def missing(case: Case) -> pd.Series:
    """The rows in which the first column has no value."""
    return case.rows[case.columns[0]].isna()


def known(case: Case) -> pd.Series:
    """The rows in which it has one."""
    return ~missing(case)


def alter(how: How, where: Where = everywhere) -> Change:
    """Compute the columns anew in some rows."""

    def change(case: Case) -> pd.DataFrame:
        rows, mask = case.rows.copy(), where(case).to_numpy()
        for name in case.columns if mask.any() else ():
            values = rows[name].astype(object)
            new = pd.Series(how(rows.loc[mask, name], case), index=rows.index[mask])
            values[mask] = new.astype(object)
            rows[name] = values.infer_objects()
        return rows

    return change


def put(value: object, where: Where = everywhere) -> Change:
    """Put one value into some rows."""
    return alter(lambda values, _: [value] * len(values), where)


def in_part(change: Change, where: Where) -> Change:
    """Let a change that keeps rows and their order reach some rows alone."""

    def changed(case: Case) -> pd.DataFrame:
        rows, new, mask = case.rows.copy(), change(case), where(case).to_numpy()
        for name in case.columns:
            rows[name] = rows[name].astype(object).mask(mask, new[name].astype(object))
        return rows.infer_objects()

    return changed


def column_by_column(how: Callable[[pd.DataFrame, str, Case], object]) -> Change:
    """Give each of the columns other values, which follow from all rows."""

    def change(case: Case) -> pd.DataFrame:
        rows = case.rows.copy()
        for name in case.columns:
            rows[name] = pd.Series(how(rows, name, case), rows.index)
        return rows.infer_objects()

    return change


def without(where: Where) -> Change:
    """Leave some rows out, but for one at least."""

    def change(case: Case) -> pd.DataFrame:
        kept = case.rows[~where(case).to_numpy()]
        return (kept if len(kept) else case.rows.head(1)).reset_index(drop=True)

    return change


def exchanged(column: pd.Series, values: Sequence[object]) -> pd.Series:
    """A column in which the first two of some values are taken for each other."""
    if len(values) < 2:
        return column
    first, second, *_ = values
    return column.astype(object).mask(column == first, second).mask(column == second, first)
