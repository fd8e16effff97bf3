"""Series: numbers that have one value at each moment, and place if there are some, of a day.

What determines a column within a day (see `dependencies`), such as an origin and an hour, gives it
one value for each; in a panel (see `panels`) each thing has one row at each moment, and in a table
of one row at each moment, the moments are the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Ints
from lockstep.laws import dependencies
from lockstep.laws.earlier import digests_of, mixed
from lockstep.laws.glance import number_columns
from lockstep.laws.panels import panel_of
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import MINUTES, Term, first_of, grouped_by_day


@dataclass(frozen=True, eq=False)
class Moments:
    """The moments, and places if there are some, of the days of some rows.

    Attributes:
        of_row: Which of them each row is of; -1 for none.
        first: The first row of each.
        digests: A digest of each, the same on every day.
    """

    of_row: Ints
    first: Ints
    digests: Array


def moments_at(rows: Rows, terms: tuple[Term, ...]) -> Moments:
    """The moments of rows that terms tell apart; found once, whichever laws ask for them.

    Args:
        rows: The rows.
        terms: In which the rows of a moment agree.
    """
    return rows.once(("moments", terms), lambda: _moments(rows, terms))


def _moments(rows: Rows, terms: tuple[Term, ...]) -> Moments:
    of_row = grouped_by_day(rows, terms)
    first = first_of(of_row)
    digests = mixed((_of_term(rows, term, first) for term in terms), len(first))
    return Moments(of_row, first, digests)


def _of_term(rows: Rows, term: Term, first: Ints) -> Array:
    """Digests of a term at some rows; of a clock by the time of day."""
    if not term.ticks:
        values = term.values(rows)
        return digests_of(values.found)[values.places[first]]
    times = rows.local_times
    assert times is not None, "rows with a clock have an event time"
    since = (times[first] - times[first].astype("datetime64[D]")).astype("timedelta64[us]")
    if term.is_tick:
        since = since.astype(f"timedelta64[{MINUTES[term.part]}m]").astype("timedelta64[m]")
    return digests_of(since.astype(np.int64))


def in_order(rows: Rows, terms: tuple[Term, ...]) -> tuple[Ints, Ints]:
    """The first row of each moment in order of time, one series, such as a place, after another.

    Args:
        rows: The rows.
        terms: What tells the moments apart, and the series if there are several.

    Returns:
        The rows, and the places among them of those that end a series, but for the last one.
    """
    return rows.once(("in order", terms), lambda: _in_order(rows, terms))


def _in_order(rows: Rows, terms: tuple[Term, ...]) -> tuple[Ints, Ints]:
    first = moments_at(rows, terms).first
    name = rows.schema.event_time
    assert name is not None, "there are moments of an event time"
    times = rows.columns[name][first].astype(np.int64)
    series = np.zeros(len(first), dtype=np.int64)
    if len(np.unique(times)) < len(times):
        for term in terms:
            if not term.ticks:
                places = term.values(rows).places[first]
                series = series * (int(places.max(initial=0)) + 1) + places
    order = np.lexsort((times, series))
    return first[order], np.flatnonzero(np.diff(series[order]))


def terms_of_columns(training: TrainingRows, time: str) -> dict[str, tuple[Term, ...]]:
    """By what the moments are told apart at each of which a number has one value.

    Args:
        training: The training rows.
        time: Their event time.

    Returns:
        What determines each number; of others what tells rows of a day apart, if that is moments.
        Ticks shorter than an hour are none: rows come in some of them, and how many lie between
        differs from day to day.
    """
    found = {
        law.dependent.column: law.determinants
        for law in reversed(dependencies.known(training))
        if not any(term.is_tick and term.part != "hour" for term in law.determinants)
    }
    rows = _moments_of_rows(training, time)
    names = number_columns(training.rows.schema)
    tried = {name: found.get(name, rows) for name in names}
    return {name: terms for name, terms in tried.items() if terms}


def _moments_of_rows(training: TrainingRows, time: str) -> tuple[Term, ...]:
    """By what each row of a day is told from the others: none where it is no moment."""
    clock = Term(time, "time of day")
    panel = panel_of(training)
    if panel is not None:
        return (Term(panel.column), clock)
    moments = training.rows.values(time)  # in UTC: in autumn an hour comes twice by the clock
    known = np.count_nonzero(moments.places >= 0)
    return (clock,) if known == len(moments.found) else ()
