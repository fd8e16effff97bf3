"""A transformation: something that goes wrong with any table that has a column for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from zlib import crc32

import pandas as pd

from benchmarks.skew.deliveries import Case, Change, DataFault, Delivery
from benchmarks.skew.faults import ABOUT_POPULATION, ABOUT_ROWS, Fault
from benchmarks.skew.roles import Roles

Columns = tuple[str, ...]
About = Callable[[Roles], Sequence[Columns]]
"""Gives the choices of columns that it can be about; none where a table lacks them."""


@dataclass(frozen=True, eq=False)
class Transformation:
    """Something that goes wrong with any table that has a column for it.

    Attributes:
        name: Its name.
        story: What happens; `{}` stands for the columns.
        about: The choices of columns.
        change: Gives what is delivered instead.
        blocks: Whether nothing of it may be published.
        population: Whether it changes the population, which its checks may tell as well.
        again: Whether the day was published before as it should be, and is delivered again.
        beside: Gives other columns that may be named for it.
    """

    name: str
    story: str
    about: About
    change: Change
    blocks: bool = True
    population: bool = False
    again: bool = False
    beside: Callable[[Roles, Columns], Columns] = lambda roles, columns: ()

    def fault(self, table: str, roles: Roles) -> DataFault | None:
        """It as a fault of a table; None where the table has no column for it.

        Args:
            table: The name of the table.
            roles: What its columns are.
        """
        choices = sorted({*self.about(roles)})
        if not choices:
            return None
        columns = choices[crc32(f"{table} {self.name}".encode()) % len(choices)]
        where = (*columns, *self.beside(roles, columns))
        checks = (*ABOUT_ROWS, *ABOUT_POPULATION) if self.population else ABOUT_ROWS
        name = f"{table}_{self.name}"
        story = self.story.format(" and ".join(columns) or "rows")
        fault = Fault(name, "data", story, tuple(dict.fromkeys(where)), checks, self.blocks)
        return DataFault(fault, partial(_changed, self.change, roles, columns, name), self.again)


def _changed(
    change: Change, roles: Roles, columns: Columns, name: str, delivery: Delivery
) -> pd.DataFrame:
    """What is delivered instead; a day without rows stays as it is."""
    if not len(delivery.rows):
        return delivery.rows
    return change(Case(delivery, roles, columns, name))


def each(*names: str) -> About:
    """Each column that has one of these roles."""
    return lambda roles: [(one,) for name in names for one in _listed(getattr(roles, name))]


def _listed(role: str | Iterable[str]) -> Iterable[str]:
    return [role] if isinstance(role, str) else role


def rows_themselves(roles: Roles) -> Sequence[Columns]:
    """No column: it is about rows."""
    return [()]


like_pairs: About = attrgetter("alike")
"""The pairs of columns that are easily taken for each other."""
joined_groups: About = attrgetter("joined_columns")
"""The columns that are joined together by time."""
placed_groups: About = attrgetter("placed_columns")
"""Those of them that are joined by a place, too."""


def attribute_groups(roles: Roles) -> Sequence[Columns]:
    """The columns that are looked up by the same key."""
    return [*roles.lookups.values()]


def time_and_clocks(roles: Roles, columns: Columns) -> Columns:
    """All that is derived of the time, which no longer agrees."""
    return roles.told_by_time


def key_and_time(roles: Roles, columns: Columns) -> Columns:
    """Key and time, which may be named for rows that are too many or of another day."""
    return (roles.key, *roles.told_by_time)


def parts_and_time(roles: Roles, columns: Columns) -> Columns:
    """These, what rows are of, and the rows themselves, for some that are lost."""
    return (roles.parts, roles.reporter, *key_and_time(roles, columns), "rows")


def key_of_lookup(roles: Roles, columns: Columns) -> Columns:
    """The column by which these are looked up."""
    return tuple(key for key, names in roles.lookups.items() if {*names} & {*columns})
