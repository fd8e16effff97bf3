"""Things that come again: rows of a day that most days have, such as the flights of a timetable.

Where things are no panel, with a row of each at each moment, a few columns may still name them: an
airline, both airports and the time of departure are one flight of a day, and there the next day,
too. These columns are found by forward selection (Efroymson, "Multiple regression analysis", 1960):
each next one is that with which a day has most different names that the day before had, too, by how
many rows it has.
"""

from __future__ import annotations

import numpy as np

from lockstep.columns.kinds import Ints
from lockstep.laws.glance import dated_columns, value_columns
from lockstep.laws.rows import TrainingRows
from lockstep.laws.terms import Term

MOST_NAMES = 4
"""Columns that name things together, at most."""
ENOUGH = 0.5
"""Things of most days that the day before had, too, by how many rows there are, at least."""
MORE = 0.01
"""How much of that share a further column adds, at least."""
LAST_DAYS = 21
"""Training days, the last ones, that are looked at: three of each day of the week."""


def names_of_things(training: TrainingRows) -> tuple[Term, ...]:
    """The columns that name things that come again each day; none where rows are of no such things.

    Args:
        training: The training rows.
    """
    return training.rows.once("names of things", lambda: _names(training))


def _names(training: TrainingRows) -> tuple[Term, ...]:
    if not training.has_days or training.days < 2:
        return ()
    first = max(training.days - LAST_DAYS, 0)
    rows = np.flatnonzero(training.day_of >= first)  # a row without an event time is of day -1
    days = training.day_of[rows] - first
    columns = _candidates(training, rows)
    chosen: list[str] = []
    groups = np.zeros(len(rows), dtype=np.int64)
    best = 0.0
    while columns and len(chosen) < MOST_NAMES:
        tried = {name: _paired(groups, places) for name, places in columns.items()}
        shares = {name: _come_again(one, days) for name, one in tried.items()}
        name = max(shares, key=shares.__getitem__)
        if shares[name] < best + MORE:
            break
        best, groups = shares[name], tried[name]
        chosen.append(name)
        del columns[name]
    return tuple(Term(name) for name in chosen) if best >= ENOUGH else ()


def _candidates(training: TrainingRows, rows: Ints) -> dict[str, Ints]:
    """The columns that may name things: known in all rows, and not the same all day."""
    dated = dated_columns(training)
    names = (one for one in value_columns(training.rows.schema) if one not in dated)
    places = {name: training.rows.values(name).places[rows] for name in names}
    return {name: one for name, one in places.items() if len(one) and one.min() >= 0}


def _paired(groups: Ints, places: Ints) -> Ints:
    """A small number for each pair, alike where they are."""
    found: Ints = np.unique(groups * (int(places.max()) + 1) + places, return_inverse=True)[1]
    return found


def _come_again(groups: Ints, days: Ints) -> float:
    """How many groups of a usual day the day before has, too, by how many rows there are.

    Args:
        groups: The group of each row.
        days: The day of each, counted from 0.
    """
    count = int(days.max()) + 1
    held = np.unique(groups * (count + 1) + days)
    again = held[np.isin(held, held + 1)] % (count + 1)
    rows = np.bincount(days, minlength=count)[1:]
    shares = np.bincount(again, minlength=count)[1:] / np.maximum(rows, 1)
    return float(np.median(shares)) if len(shares) else 0.0
