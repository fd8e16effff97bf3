"""Identity: keys and contents that were there before, in the batch or on an earlier day."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from lockstep.columns.digests import held_by, mixed
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.thresholds import BEST, COMMON
from lockstep.constraints.view import View, made_once
from lockstep.stats.limits import RECENT

FAMILY = "identity"


class Identity(msgspec.Struct, frozen=True, tag=FAMILY):
    """The columns that tell the contents of rows apart, in several ways."""

    # all; those that tell rows apart best; these with the time of day
    ways: dict[str, tuple[str, ...]]

    def digests(self, view: View) -> dict[str, Array]:
        """A digest of each row's content, by way: uint64."""
        return {name: _content(view, columns) for name, columns in self.ways.items()}

    def evaluate(self, view: View) -> Iterator[Measured]:
        """The features of each row."""
        key, event, whole = view.layout.key, view.layout.event_time, view.whole
        by_way = dict[str, Array]()
        if key is not None:
            by_way["key"] = whole.code(key)
        by_way |= self.digests(whole)
        for name, digests in by_way.items():
            columns = [key] if name == "key" else [key, event, *self.ways[name][:BEST]]
            fields = tuple(
                column for column in columns if column is not None and not column.startswith("@")
            )
            what = "key" if name == "key" else f"content ({name})"
            repeats = f"repeat the {what} of a row of"
            twice = Feature(FAMILY, "twice", fields, f"{repeats} the batch", True)
            of_day = np.full(len(whole), np.nan) if view.of_day else _twice(whole, digests)
            yield Measured(twice, view.own(of_day))
            again = Feature(FAMILY, "again", fields, f"{repeats} days before", True)
            yield Measured(again, view.own(_again(whole, name, digests)))


def of_another_day(view: View) -> Ints:
    """The positions of rows of another day than the batch; none where they are few.

    Clocks differ at midnight, so that a row of a hundred may be of another day.
    """
    known = ~np.isnat(view.local)
    own = np.where(known, view.local, np.datetime64(0, "us")).astype("datetime64[D]")
    rows = np.flatnonzero(known & (own.astype(np.int64) != view.day))
    return rows if len(rows) > max(COMMON * len(view), 1) else rows[:0]


def discover(view: View) -> Identity:
    """Learn which columns tell the contents of training rows apart."""
    layout = view.layout
    names = [name for name in layout.fields if name not in (*layout.dated, *layout.times)]
    apart = {name: len(np.unique(view.code(name))) / max(len(view), 1) for name in names}
    fine = tuple(sorted(names, key=lambda name: -apart[name])[:BEST])
    ways = {"all columns": tuple(names), "some columns": fine}
    if layout.event_time is not None:
        ways["time of day"] = ("@clock", *fine[:2])
    return Identity({name: columns for name, columns in ways.items() if columns})


@made_once
def _content(view: View, columns: tuple[str, ...]) -> Array:
    return mixed([view.code(name) for name in columns], len(view))


def _twice(view: View, digests: Array) -> Array:
    """Which rows repeat an earlier row of their day."""
    both = view.by_day(digests)
    repeats = np.ones(len(view), dtype=bool)
    repeats[np.unique(both, return_index=True)[1]] = False
    return repeats


def _again(view: View, name: str, digests: Array) -> Floats:
    """Which rows repeat a row of the days before."""
    repeats = _again_in_view(view, name, digests) if len(view.days) > 1 else np.zeros(len(view))
    if view.past:
        first = int(view.days[0]) if len(view) else 0
        sets = [
            batch.keys if name == "key" else batch.contents[name]
            for batch in view.past
            if batch.day < first and (name == "key" or batch.day >= first - RECENT)
            and (name == "key" or name in batch.contents)
        ]  # fmt: skip
        if sets:
            repeats = np.where(repeats == 1, 1.0, held_by(sets, digests))
    return repeats


def _again_in_view(view: View, name: str, digests: Array) -> Floats:
    """Which rows repeat a row of an earlier day of the view."""
    order = np.lexsort((view.day, digests))
    sorted_digests, days = digests[order], view.day[order]
    # the day before of the same digest: that of the last row with another day
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (sorted_digests[1:] != sorted_digests[:-1]) | (days[1:] != days[:-1])
    place = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    before = np.maximum(place - 1, 0)
    same = (place > 0) & (sorted_digests[before] == sorted_digests)
    near = (days - days[before] <= RECENT) | (name == "key")
    repeats = np.zeros(len(order))
    repeats[order] = same & near
    return repeats
