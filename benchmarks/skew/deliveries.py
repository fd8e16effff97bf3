"""Deliveries: what upstream has for a day, and the small changes that faults are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from benchmarks.skew.faults import Fault
from benchmarks.skew.roles import Roles


@dataclass(frozen=True, eq=False)
class Delivery:
    """What upstream has for a day.

    Attributes:
        rows: The rows of the day.
        yesterday: Those of the day before.
        tomorrow: Those of the day after; without rows on the last day.
    """

    rows: pd.DataFrame
    yesterday: pd.DataFrame
    tomorrow: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Case:
    """A delivery, and what of it goes wrong.

    Attributes:
        delivery: The delivery.
        roles: What its columns are.
        columns: The columns that it is about; none where it is about rows.
        name: The name of the fault.
    """

    delivery: Delivery
    roles: Roles
    columns: tuple[str, ...]
    name: str

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
        places = [one.place for one in self.roles.joined if name in one.columns and one.place]
        keys = [key for key, names in self.roles.lookups.items() if name in names]
        return [*places, *keys, self.roles.reporter][0]

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
        order = sorted(counts.index, key=lambda one: (counts[one] > most, -counts[one], str(one)))
        return list(order)


Change = Callable[[Case], pd.DataFrame]
Where = Callable[[Case], pd.Series]
How = Callable[[pd.Series, Case], object]


@dataclass(frozen=True)
class DataFault:
    """A fault of a delivery.

    Attributes:
        fault: What it is.
        change: Gives what is delivered instead.
        again: Whether the day was published before as it should be, and is delivered again.
    """

    fault: Fault
    change: Callable[[Delivery], pd.DataFrame]
    again: bool = False


def local_times(rows: pd.DataFrame, roles: Roles) -> pd.Series:
    """When rows happened, by the clock of the place, without its zone."""
    local: pd.Series = rows[roles.time].dt.tz_convert(roles.zone).dt.tz_localize(None)
    return local


def everywhere(case: Case) -> pd.Series:
    """A mask of all rows."""
    return pd.Series(True, index=case.rows.index)


def noon(case: Case) -> pd.Series:
    """The rows from noon on; the second half of rows that have no time of the day."""
    is_late: pd.Series = case.local.dt.hour >= 12
    if is_late.all() or not is_late.any():
        is_late = pd.Series(np.arange(len(case.rows)) * 2 >= len(case.rows), case.rows.index)
    return is_late


def afternoon(case: Case) -> pd.Series:
    """The rows from 14 to 18 o'clock; the third fifth of rows that have no time of the day."""
    is_then: pd.Series = case.local.dt.hour.between(14, 17)
    if is_then.all() or not is_then.any():
        fifths = np.arange(len(case.rows)) * 5 // max(len(case.rows), 1)
        is_then = pd.Series(fifths == 2, case.rows.index)
    return is_then


def part(size: float) -> Where:
    """A share of the rows, one at least."""

    def chosen(case: Case) -> pd.Series:
        draw = case.chance.random(len(case.rows))
        is_chosen = (draw < size) | (draw == draw.min(initial=1.0))
        return pd.Series(is_chosen, index=case.rows.index)

    return chosen


def segment(case: Case) -> pd.Series:
    """The rows of one segment."""
    return _of_first(case, case.roles.parts)


def thing(case: Case) -> pd.Series:
    """The rows of one thing that reports."""
    return _of_first(case, case.source)


def _of_first(case: Case, column: str) -> pd.Series:
    return pd.Series(case.rows[column].isin(case.common(column)[:1]), index=case.rows.index)


def missing(case: Case) -> pd.Series:
    """The rows in which the first column has no value."""
    return case.rows[case.columns[0]].isna()


def both(*masks: Where) -> Where:
    """The rows that all of them choose."""
    return lambda case: pd.Series(np.logical_and.reduce([one(case) for one in masks]))


def alter(how: How, where: Where = everywhere) -> Change:
    """Compute the columns anew in some rows."""

    def change(case: Case) -> pd.DataFrame:
        rows, mask = case.rows.copy(), where(case).to_numpy()
        for name in case.columns:
            if mask.any():
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


def without(where: Where) -> Change:
    """Leave some rows out, but for one at least."""

    def change(case: Case) -> pd.DataFrame:
        kept = case.rows[~where(case).to_numpy()]
        return (kept if len(kept) else case.rows.head(1)).reset_index(drop=True)

    return change


def exchanged(column: pd.Series, first: object, second: object) -> pd.Series:
    """A column in which two values are taken for each other."""
    values = column.astype(object)
    mixed: pd.Series = values.mask(column == first, second).mask(column == second, first)
    return mixed


def in_groups(rows: pd.DataFrame, by: str | None) -> Sequence[Any]:
    """The places of the rows of each group; of all rows if nothing groups them."""
    if by is None:
        return [np.arange(len(rows))]
    return [places for _, places in sorted(rows.groupby(by).indices.items(), key=str)]
