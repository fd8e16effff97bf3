"""A transformation: something that goes wrong with any table that has a column for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from zlib import crc32

import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    Change,
    Delivery,
    Where,
    everywhere,
    noon,
    part,
    segment,
)
from benchmarks.skew.faults import ABOUT_POPULATION, ABOUT_ROWS, Fault
from benchmarks.tables.roles import Roles

Columns = tuple[str, ...]
Beside = Callable[[Roles, Columns], Columns]


@dataclass(frozen=True)
class DataFault:
    """A fault of a delivery."""

    fault: Fault
    change: Callable[[Delivery], pd.DataFrame]  # gives what is delivered instead
    again: bool = False  # whether the day was published as it should be, and comes again


@dataclass(frozen=True, eq=False)
class Transformation:
    """Something that goes wrong with any table that has a column for it."""

    name: str
    story: str  # what happens; `{}` stands for the columns
    about: str  # the roles of the columns of which it is about one; none if it is about rows
    change: Change
    blocks: bool = True  # whether nothing of it may be published
    population: bool = False  # whether it changes the population, which checks may tell as well
    again: bool = False  # see `DataFault`
    beside: Beside = lambda roles, columns: ()  # other columns that may be named for it

    def fault(self, table: str, roles: Roles) -> DataFault | None:
        """It as a fault of a table; None where the table has no column for it."""
        choices = sorted({*self._choices(roles)})
        if not choices:
            return None
        columns = choices[crc32(f"{table} {self.name}".encode()) % len(choices)]
        where = dict.fromkeys((*columns, *self.beside(roles, columns)))
        checks = (*ABOUT_ROWS, *ABOUT_POPULATION) if self.population else ABOUT_ROWS
        name = f"{table}_{self.name}"
        story = self.story.format(" and ".join(columns) or "rows")
        fault = Fault(name, "data", story, tuple(where), checks, self.blocks)
        return DataFault(fault, partial(_changed, self.change, roles, columns, name), self.again)

    def _choices(self, roles: Roles) -> Iterator[Columns]:
        """The columns that it can be about; none where a table lacks them."""
        if not self.about:
            yield ()
        for name in self.about.split():
            role = getattr(roles, name)
            for one in [role] * bool(role) if isinstance(role, str) else role:
                yield one if isinstance(one, tuple) else (one,)


def _changed(
    change: Change, roles: Roles, columns: Columns, name: str, delivery: Delivery
) -> pd.DataFrame:
    """What is delivered instead; a day without rows stays as it is."""
    if not len(delivery.rows):
        return delivery.rows
    return change(Case(delivery, roles, columns, name))


wrong = Transformation
shift = partial(Transformation, population=True)
drift = partial(Transformation, blocks=False, population=True)
"""What may as well be a change of the population, and what therefore need not be blocked."""
_PARTS: dict[str, tuple[str, Where]] = {
    "_of_segment": (" in one segment", segment),
    "_from_noon": (" from noon on", noon),
    "_of_some": (" in a tenth of the rows", part(0.1)),
    "_in_some": (" in a tenth of the rows", part(0.1)),
}


def in_parts(
    name: str,
    story: str,
    about: str,
    change: Callable[[Where], Change],
    *parts: str,
    whole: Where = everywhere,
    **more: Any,
) -> tuple[Transformation, ...]:
    """The same everywhere and in parts of the rows, which end names and stories."""
    places = [("", "", whole), *((part, *_PARTS[part]) for part in parts)]
    return tuple(
        Transformation(name + ending, story + told, about, change(where), **more)
        for ending, told, where in places
    )


def by_time(roles: Roles, columns: Columns) -> Columns:
    """All that is derived of the time, which no longer agrees."""
    return roles.told_by_time


def key_and_time(roles: Roles, columns: Columns) -> Columns:
    """Key and time, which may be named for rows that are too many or of another day."""
    return (roles.key, *roles.told_by_time)


def parts_and_time(roles: Roles, columns: Columns) -> Columns:
    """These, what rows are of, and the rows themselves, for some that are lost."""
    return (roles.parts, roles.reporter, *key_and_time(roles, columns), "rows")


def lookup_keys(roles: Roles, columns: Columns) -> Columns:
    """The columns by which these are looked up."""
    return tuple(key for key, names in roles.lookups.items() if {*names} & {*columns})


def lookups_of(roles: Roles, columns: Columns) -> Columns:
    """What is looked up by these, and no longer agrees with them."""
    return tuple(one for name in columns for one in roles.lookups.get(name, ()))
