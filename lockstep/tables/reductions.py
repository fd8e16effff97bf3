"""The rows of each key that were valid in a span of time, and what they come to.

A slice of rows is reduced from its own values in their order, never as a difference of running
sums, so that it comes to the same in every company, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times, kind_of_dtype
from lockstep.tables.rows import MISSING, Present, TableRows, padded

_BLOCK = 2**20
"""Rows that are gathered at a time."""
_SPARSE = 4
"""Slices are gathered first if this many times their rows lie between them."""

REDUCE = {"sum": np.add, "min": np.minimum, "max": np.maximum}
OF_NUMBERS = ("sum", "mean", "min", "max")
"""Reductions that want numbers or flags."""
Reduction: TypeAlias = Literal["count", "sum", "mean", "min", "max", "last", "distinct"]
"""What the rows of a window can be reduced to."""


class Slices(NamedTuple):
    """The rows of some windows: positions in a table's order."""

    first: Ints
    stop: Ints  # the position after the last row
    known_by: Times | None  # the time by which rows have to be known, where some may not be yet


def slices(
    rows: TableRows, groups: Ints, as_of: Times, over: timedelta, known_by: Times | None = None
) -> Slices:
    """Find the rows that were valid after `as_of - over` and at or before `as_of`.

    They are known by `known_by`, which is `as_of` by default. The group -1 has no rows.
    """
    known_by = as_of if known_by is None else known_by
    first = rows.in_order.stops(groups, as_of - np.timedelta64(over))
    if rows.delay is None:
        return Slices(first, rows.in_order.stops(groups, as_of), known_by)
    bounds = np.minimum(as_of, known_by - np.timedelta64(rows.delay, "us"))
    return Slices(first, np.maximum(rows.in_order.stops(groups, bounds), first), None)


def reductions(rows: TableRows, field: str | None, how: Sequence[str], windows: Slices) -> Columns:
    """Reduce the rows of windows in which a field has a value: by reduction, one value a window.

    Without a field, all rows are counted. `count` is 0 for an empty window; the others are missing.
    """
    present = rows.present(field)
    first, stop, known_by = windows
    if present.before is not None:
        first, stop = present.before[first], present.before[stop]
    counts = stop - first
    if _SPARSE * counts.sum() < len(present.known):
        present, stop = _taken(present, gathered(first, stop)[0]), np.cumsum(counts)
        first = stop - counts
    found = {name: _reduced(name, present, first, stop) for name in how}
    if known_by is None:
        return found
    deadlines = known_by.view(np.int64)
    latest = _by_slice(np.maximum, present.known, first, stop)
    is_mixed = latest > deadlines
    if present.until is not None:
        is_mixed |= _by_slice(np.minimum, present.until, first, stop) <= deadlines
    unknown = np.flatnonzero(is_mixed & (counts > 0))
    for block in _blocks(first[unknown], stop[unknown]):
        some = unknown[block]
        places, owners = gathered(first[some], stop[some])
        is_known = present.known[places] <= deadlines[some][owners]
        if present.until is not None:
            is_known &= present.until[places] > deadlines[some][owners]
        known = _taken(present, places[is_known])
        stops = np.cumsum(np.bincount(owners[is_known], minlength=len(some)))
        for name in how:
            found[name][some] = _reduced(name, known, np.append(0, stops[:-1]), stops)
    return found


def _reduced(how: str, present: Present, first: Ints, stop: Ints) -> Array:
    """One value a slice: the rows of a window, all of them known."""
    counts = stop - first
    if how == "count":
        return counts
    if how == "last":
        values = present.values[np.maximum(stop - 1, first)]
    elif how == "distinct":
        values = _distinct(present, first, stop).astype(np.float64)
    elif how == "mean":
        values = _by_slice(np.add, present.values, first, stop) / np.maximum(counts, 1)
    else:
        values = _by_slice(REDUCE[how], present.values, first, stop)
    values[counts == 0] = MISSING[kind_of_dtype(values.dtype) or Kind.FLOAT]
    return values


def _distinct(present: Present, first: Ints, stop: Ints) -> Ints:
    counts = np.zeros(len(first), dtype=np.int64)
    size = int(present.codes.max(initial=0)) + 1
    for block in _blocks(first, stop):
        places, owners = gathered(first[block], stop[block])
        pairs = np.unique(owners * size + present.codes[places])
        counts[block] = np.bincount(pairs // size, minlength=block.stop - block.start)
    return counts


def _by_slice(reduce: np.ufunc, values: Array, first: Ints, stop: Ints) -> Array:
    """Reduce each slice of values, which have one more at their end; any value for an empty one."""
    order = np.argsort(first, kind="stable")  # so that what lies between slices is reduced once
    pairs = np.stack([first[order], stop[order]], axis=1).ravel()
    found = np.empty(len(first), dtype=values.dtype)
    if len(pairs):
        found[order] = reduce.reduceat(values[: pairs.max() + 1], pairs)[::2]
    return found


def _blocks(first: Ints, stop: Ints) -> Iterator[slice]:
    """Slices in blocks of at most so many rows, or of one slice."""
    ends = np.cumsum(stop - first)
    begin = 0
    while begin < len(ends):
        done = ends[begin - 1] if begin else 0
        end = max(int(np.searchsorted(ends, done + _BLOCK, "right")), begin + 1)
        yield slice(begin, end)
        begin = end


def gathered(first: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """The positions of all rows of slices, one slice after the other, and the slice of each."""
    counts = stop - first
    owners = np.repeat(np.arange(len(first)), counts)
    begins = np.cumsum(counts) - counts
    return np.arange(len(owners)) + (first - begins)[owners], owners


def _taken(present: Present, places: Ints) -> Present:
    until = None if present.until is None else padded(present.until[places])
    return Present(padded(present.values[places]), padded(present.known[places]), None, until)
