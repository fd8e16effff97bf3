"""Dependencies: columns that tell another one, among the rows of a day or over all days.

A functional dependency (Codd, 1971; approximate ones: Huhtala et al., "TANE", 1999) is told by
pairs of rows that agree on the left: how often they differ on the right, and how often they would
by chance. What counts as evidence is how many such pairs there are, not how many rows or days.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.digests import mixed
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.thresholds import (
    AGAIN,
    BROKEN,
    BY_CHANCE,
    HALF,
    MOST_KNOWN,
    MOST_RULES,
    MOST_TERMS,
    NEARLY,
    SAMPLE,
)
from lockstep.constraints.view import View
from lockstep.stats.limits import BLOCKS


class _Dependency(msgspec.Struct, frozen=True):
    """Columns that tell another one.

    Attributes:
        left: The columns that tell.
        right: The one that is told.
    """

    left: tuple[str, ...]
    right: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at, the first suspect first."""
        return tuple(name for name in (self.right, *self.left) if not name.startswith("@"))

    @property
    def _tells(self) -> str:
        """What tells what, for a person."""
        return f"{' and '.join(map(_title, self.left)) or 'a day'} tells {self.right}"


class OfDay(_Dependency, frozen=True, tag="of a day"):
    """Rows of a day that agree on the left agree on the right; nothing on the left: all do."""

    @property
    def says(self) -> str:
        """The rule for a person."""
        return f"{self._tells}{' of a day' if self.left else ''}"

    def breaks(self, view: View) -> Array:
        """Where a row is not as most of its group are: 0 or 1, NaN where it is alone."""
        codes, right = view.codes(self.left), view.code(self.right)
        found = _minority(view.once(("of a day", self.left), lambda: _of_a_day(view, codes)), right)
        found[codes == 0] = np.nan
        return found


class LookUp(_Dependency, frozen=True, tag="look-up"):
    """What columns tell of another one over all days.

    Attributes:
        keys: uint64, digests of what is on the left, in order.
        told: uint64, the digest of what is on the right, of each.
        is_exact: Whether nearly all rows keep it.
    """

    keys: bytes
    told: bytes
    is_exact: bool

    @property
    def says(self) -> str:
        """The rule for a person."""
        return f"{self._tells}{'' if self.is_exact else ', mostly'}"

    def breaks(self, view: View) -> Array:
        """Where a row has another right than training had: 0 or 1, NaN where it had none."""
        codes, right = view.codes(self.left), view.code(self.right)
        if view.fold is not None:
            return _held_out(codes, right, view.fold)
        keys = np.frombuffer(self.keys, dtype="<u8")
        told = np.frombuffer(self.told, dtype="<u8")
        if not len(keys):
            return np.full(len(view), np.nan)
        at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
        known = (keys[at] == codes) & (codes != 0)
        return np.where(known, told[at] != right, np.nan)


def _title(name: str) -> str:
    return {"@clock": "time of day", "@weekday": "weekday", "@hour": "hour"}.get(name, name)


def _of_a_day(view: View, codes: Array) -> Ints:
    """Which thing of which day each row is of, by its number."""
    of_days = (
        codes if len(view.days) == 1 else mixed((codes, view.day.astype(np.uint64)), len(view))
    )
    places: Ints = pd.factorize(of_days)[0]
    return places


def _minority(place: Ints, value: Array) -> Floats:
    """Which rows do not have what most of their group have; NaN of those that are alone.

    In most groups all agree, so that only those are sorted in which some do not.
    """
    sizes = np.bincount(place)
    some = np.empty(len(sizes), dtype=value.dtype)
    some[place] = value
    disagree = np.zeros(len(sizes), dtype=bool)
    disagree[place[value != some[place]]] = True
    found = np.where(sizes > 1, 0.0, np.nan)[place]
    rows = np.flatnonzero(disagree[place])
    found[rows] = ~_of_most(place[rows], value[rows])
    return found


def _of_most(place: Ints, value: Array) -> Array:
    """Which rows have what more than half of their group have: bool."""
    pair = pd.factorize(mixed((place.astype(np.uint64), value), len(place)))[0]
    counts = np.bincount(pair)
    held: Array = 2 * counts[pair] > np.bincount(place)[place]
    return held


def _modes(codes: Array, right: Array) -> tuple[Array, Array]:
    """The most frequent right of each left: digests in order, and what each tells."""
    order = np.lexsort((right, codes))
    lefts, rights = codes[order], right[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (lefts[1:] != lefts[:-1]) | (rights[1:] != rights[:-1])
    first = np.flatnonzero(starts)
    counts = np.diff(np.append(first, len(order)))
    best = np.lexsort((counts, lefts[first]))
    last = np.ones(len(best), dtype=bool)
    last[:-1] = lefts[first][best][1:] != lefts[first][best][:-1]
    return lefts[first][best][last], rights[first][best][last]


def _held_out(codes: Array, right: Array, fold: Ints) -> Floats:
    """Which rows have another right than the other blocks of days tell."""
    found = np.full(len(codes), np.nan)
    for block in range(BLOCKS):
        own = fold == block
        keys, told = _modes(codes[~own], right[~own])
        if len(keys):
            at = np.minimum(np.searchsorted(keys, codes[own]), len(keys) - 1)
            known = (keys[at] == codes[own]) & (codes[own] != 0)
            found[own] = np.where(known, told[at] != right[own], np.nan)
    return found


def discover(view: View) -> list[OfDay | LookUp]:
    """Find the dependencies of training rows.

    Args:
        view: The rows.
    """
    layout = view.layout
    distinct = {name: len(np.unique(view.code(name))) for name in layout.fields}
    rights = [name for name in layout.fields if distinct[name] > 1]
    lefts = [
        name
        for name in sorted(rights, key=lambda right: distinct[right])
        if distinct[name] <= 0.5 * len(view) and name not in layout.times
        and _names(view, name, distinct[name])
    ]  # fmt: skip
    calendar = [
        unit
        for unit in ("@hour", "@clock", "@weekday")
        if layout.event_time is not None and len(np.unique(view.calendar(unit))) > 1
    ]
    sources = [*calendar, *lefts[:MOST_TERMS]]
    candidates = [(name,) for name in sources] + list(combinations(sources, 2))
    return [*_of_days(view, candidates, rights), *_look_ups(view, candidates, rights)]


def _names(view: View, name: str, distinct: int) -> bool:
    """Whether a column may tell others: texts, categories, and whole numbers."""
    if name not in view.layout.numbers or distinct <= 400:
        return True
    numbers = view.columns[name]
    return numbers.dtype.kind != "f" or not np.any(numbers[np.isfinite(numbers)] % 1)


def _implies(coarse: tuple[str, ...], fine: tuple[str, ...]) -> bool:
    """Whether rows that agree on the one columns agree on the others: the time tells the hour."""
    told = {*fine, "@hour"} if "@clock" in fine else {*fine}
    return {*coarse} <= told


def _of_days(
    view: View, candidates: Sequence[tuple[str, ...]], rights: Sequence[str]
) -> list[OfDay]:
    step = max(1, len(view) // 6_000)
    chosen = np.flatnonzero(view.group % step == step // 2)
    day = view.day[chosen].astype(np.uint64)
    random = np.random.default_rng(2)
    dealt = np.empty(len(chosen), dtype=np.int64)  # within the day
    dealt[np.argsort(day, kind="stable")] = np.lexsort((random.random(len(chosen)), day))
    found, told = [], dict[str, list[tuple[str, ...]]]()
    for left in [(), *candidates]:
        codes = view.codes(left)[chosen]
        other = _mates(np.where(codes != 0, mixed((codes, day), len(chosen)), 0))
        if np.mean(other >= 0) < BY_CHANCE:
            continue
        for right in rights:
            if right in left or any(_implies(one, left) for one in told.get(right, [])):
                continue
            value = view.code(right)[chosen]
            compared, differ, chance = _compare(other, value, dealt)
            least = max(0.1, 20 * differ) if left else 0.0
            if compared >= BY_CHANCE and differ <= 2 * BROKEN and chance >= least:
                told.setdefault(right, []).append(left)
                found.append(OfDay(left, right))
    return found[:MOST_RULES]


def _look_ups(
    view: View, candidates: Sequence[tuple[str, ...]], rights: Sequence[str]
) -> list[LookUp]:
    random = np.random.default_rng(2)
    chosen = np.sort(random.permutation(len(view))[:SAMPLE])
    dealt = random.permutation(len(chosen))
    day = view.day[chosen]
    found = dict[str, list[tuple[tuple[str, ...], float]]]()
    for left in candidates:
        other = _mates(view.codes(left)[chosen], day)
        if np.mean(other >= 0) < AGAIN:
            continue
        for right in rights:
            if right in left:
                continue
            if any(_implies(one, left) and by < NEARLY for one, by in found.get(right, [])):
                continue
            compared, differ, chance = _compare(other, view.code(right)[chosen], dealt)
            if compared < AGAIN or chance < 0.15:
                continue
            mostly = differ <= HALF and differ <= 0.6 * chance
            if differ <= NEARLY or (mostly and right not in view.layout.dated):
                found.setdefault(right, []).append((left, differ))
    kept = []
    for right, ways in found.items():
        ways.sort(key=lambda way: (way[1] > NEARLY, way[1] + 0.02 * len(way[0])))
        exact = [way for way in ways if way[1] <= NEARLY][:4]
        others = [way for way in ways if way[1] > NEARLY][: max(0, 2 - len(exact))]
        kept += [_look_up(view, left, right, differ <= NEARLY) for left, differ in exact + others]
    return kept[:MOST_RULES]


def _look_up(view: View, left: tuple[str, ...], right: str, is_exact: bool) -> LookUp:
    codes = view.codes(left)
    keys, told = _modes(codes[codes != 0], view.code(right)[codes != 0])
    kept = slice(0, MOST_KNOWN)
    return LookUp(
        left, right, keys[kept].astype("<u8").tobytes(), told[kept].astype("<u8").tobytes(),
        is_exact,
    )  # fmt: skip


def _mates(codes: Array, day: Array | None = None) -> Ints:
    """Another row that agrees with each, of another day if days are told; -1 where none is."""
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    other = first[place]
    alone = (other == np.arange(len(codes))) | (codes == 0)
    if day is not None:
        alone |= day[other] == day
    return np.where(alone, -1, other)


def _compare(other: Ints, value: Array, dealt: Ints) -> tuple[float, float, float]:
    """The share of rows with a mate, how many of these differ from it, and would by chance."""
    rows = np.flatnonzero((other >= 0) & (value != 0))
    if not len(rows):
        return 0.0, 1.0, 0.0
    mates = other[rows]
    differ = np.mean(value[rows] != value[mates])
    chance = np.mean(value[dealt[rows]] != value[mates])
    return len(rows) / len(value), float(differ), float(chance)
