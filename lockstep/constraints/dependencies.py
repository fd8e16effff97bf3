"""Dependencies: columns that determine another, among the rows of a day or over all days.

The evidence of a functional dependency (Codd, 1971; approximate ones: Huhtala et al., "TANE", 1999)
is pairs of rows that agree on the left: how often they differ on the right, and how often they
would by chance. The number of such pairs counts, not the number of rows or days.
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
from lockstep.constraints.view import View, made_once
from lockstep.stats.limits import BLOCKS


class _Dependency(msgspec.Struct, frozen=True):
    """A functional dependency."""

    left: tuple[str, ...]
    right: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at, the first suspect first."""
        return tuple(name for name in (self.right, *self.left) if not name.startswith("@"))

    @property
    def _tells(self) -> str:
        return f"{' and '.join(map(_title, self.left)) or 'a day'} tells {self.right}"


class OfDay(_Dependency, frozen=True, tag="of a day"):
    """Rows of a day that agree on the left agree on the right; all do where the left is empty."""

    @property
    def says(self) -> str:
        """The rule for a person."""
        return f"{self._tells}{' of a day' if self.left else ''}"

    def breaks(self, view: View) -> Array:
        """Which rows differ from most of their group: float64, 0 or 1; NaN where a row is alone."""
        codes, right = view.codes(self.left), view.code(self.right)
        broken = _minority(_of_a_day(view, self.left), right)
        broken[codes == 0] = np.nan
        return broken


class LookUp(_Dependency, frozen=True, tag="look-up"):
    """A dependency that holds over all days."""

    keys: bytes  # uint64, digests of the left, in order
    told: bytes  # uint64, the digest of the right that each key has
    is_exact: bool  # whether nearly all rows keep the dependency

    @property
    def says(self) -> str:
        """The rule for a person."""
        return f"{self._tells}{'' if self.is_exact else ', mostly'}"

    def breaks(self, view: View) -> Array:
        """Which rows have another right than training: float64, 0 or 1; NaN where it had none."""
        codes, right = view.codes(self.left), view.code(self.right)
        if view.fold is not None:
            return _held_out(codes, right, view.fold)
        keys, rights = (np.frombuffer(held, dtype="<u8") for held in (self.keys, self.told))
        return _unlike(keys, rights, codes, right)

    def expected_broken(self, view: View) -> float:
        """How many pairs of a day are expected to break it, though none of training did.

        It is as many claims as it has pairs of left and right, and no row backs that of a pair
        which was seen on one day only. As many pairs are new on a day as were seen on one day only,
        by the number of days (Good, 1953). Of a new pair the left was never known; that it is has
        the chance of one in so many pairs and two (the rule of succession: Laplace, 1774).
        """
        codes = view.codes(self.left)
        pairs = mixed((codes, view.code(self.right)), len(view))
        rows = pd.DataFrame({"pair": pairs, "day": view.day})[codes != 0]
        days = rows.drop_duplicates()["pair"].value_counts()
        new = (np.count_nonzero(days == 1) + 1) / len(view.days)
        return float(new / (len(days) + 2))


def _title(name: str) -> str:
    return {"@clock": "time of day", "@weekday": "weekday", "@hour": "hour"}.get(name, name)


@made_once
def _of_a_day(view: View, left: tuple[str, ...]) -> Ints:
    """The group of each row: one for each left of each day."""
    codes = view.codes(left)
    places: Ints = pd.factorize(view.by_day(codes) if len(view.days) > 1 else codes)[0]
    return places


def _minority(place: Ints, value: Array) -> Floats:
    """Which rows do not have what most of their group have; NaN where a row is alone.

    Most groups agree; only the others are counted.
    """
    sizes = np.bincount(place)
    some = np.empty(len(sizes), dtype=value.dtype)
    some[place] = value
    disagree = np.zeros(len(sizes), dtype=bool)
    disagree[place[value != some[place]]] = True
    broken = np.where(sizes > 1, 0.0, np.nan)[place]
    rows = np.flatnonzero(disagree[place])
    broken[rows] = ~_of_most(place[rows], value[rows])
    return broken


def _of_most(place: Ints, value: Array) -> Array:
    """Which rows have what more than half of their group have: bool."""
    pair = pd.factorize(mixed((place.astype(np.uint64), value), len(place)))[0]
    counts = np.bincount(pair)
    held: Array = 2 * counts[pair] > np.bincount(place)[place]
    return held


def _modes(codes: Array, right: Array) -> tuple[Array, Array]:
    """The lefts in order, and the most frequent right of each: digests."""
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
    """Which rows have another right than their left has in the other blocks of days."""
    broken = np.full(len(codes), np.nan)
    for block in range(BLOCKS):
        own = fold == block
        broken[own] = _unlike(*_modes(codes[~own], right[~own]), codes[own], right[own])
    return broken


def _unlike(keys: Array, rights: Array, codes: Array, right: Array) -> Floats:
    """Which rows have another right than their left has among the keys; NaN where it has none."""
    if not len(keys):
        return np.full(len(codes), np.nan)
    at = np.minimum(np.searchsorted(keys, codes), len(keys) - 1)
    known = (keys[at] == codes) & (codes != 0)
    return np.where(known, rights[at] != right, np.nan)


def discover(view: View) -> list[OfDay | LookUp]:
    """Find the dependencies of training rows."""
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
    # without a time, nothing but their place holds the rows of a block together
    of_days = _of_days(view, candidates, rights) if layout.event_time is not None else []
    return [*of_days, *_look_ups(view, candidates, rights)]


def _names(view: View, name: str, distinct: int) -> bool:
    """Whether a column may determine others: texts, categories, and whole numbers."""
    if name not in view.layout.numbers or distinct <= 400:
        return True
    numbers = view.columns[name]
    return numbers.dtype.kind != "f" or not np.any(numbers[np.isfinite(numbers)] % 1)


def _implies(coarse: tuple[str, ...], fine: tuple[str, ...]) -> bool:
    """Whether rows that agree on the fine columns agree on the coarse: the time has the hour."""
    implied = {*fine, "@hour"} if "@clock" in fine else {*fine}
    return {*coarse} <= implied


def _of_days(
    view: View, candidates: Sequence[tuple[str, ...]], rights: Sequence[str]
) -> list[OfDay]:
    step = max(1, len(view) // 6_000)
    chosen = np.flatnonzero(view.group % step == step // 2)
    day = view.day[chosen].astype(np.uint64)
    random = np.random.default_rng(2)
    dealt = np.empty(len(chosen), dtype=np.int64)  # within the day
    dealt[np.argsort(day, kind="stable")] = np.lexsort((random.random(len(chosen)), day))
    kept, lefts = [], dict[str, list[tuple[str, ...]]]()
    for left in [(), *candidates]:
        codes = view.codes(left)[chosen]
        other = _mates(np.where(codes != 0, mixed((codes, day), len(chosen)), 0))
        if np.mean(other >= 0) < BY_CHANCE:
            continue
        for right in rights:
            if right in left or any(_implies(coarse, left) for coarse in lefts.get(right, [])):
                continue
            value = view.code(right)[chosen]
            compared, differ, chance = _compare(other, value, dealt)
            least = max(0.1, 20 * differ) if left else 0.0
            if compared >= BY_CHANCE and differ <= 2 * BROKEN and chance >= least:
                lefts.setdefault(right, []).append(left)
                kept.append(OfDay(left, right))
    return kept[:MOST_RULES]


def _look_ups(
    view: View, candidates: Sequence[tuple[str, ...]], rights: Sequence[str]
) -> list[LookUp]:
    random = np.random.default_rng(2)
    chosen = np.sort(random.permutation(len(view))[:SAMPLE])
    dealt = random.permutation(len(chosen))
    day = view.day[chosen]
    by_right = dict[str, list[tuple[tuple[str, ...], float]]]()
    for left in candidates:
        other = _mates(view.codes(left)[chosen], day)
        if np.mean(other >= 0) < AGAIN:
            continue
        for right in rights:
            if right in left:
                continue
            ways = by_right.get(right, [])
            if any(_implies(coarse, left) and share < NEARLY for coarse, share in ways):
                continue
            compared, differ, chance = _compare(other, view.code(right)[chosen], dealt)
            if compared < AGAIN or chance < 0.15:
                continue
            mostly = differ <= HALF and differ <= 0.6 * chance
            if differ <= NEARLY or (mostly and right not in view.layout.dated):
                by_right.setdefault(right, []).append((left, differ))
    kept = []
    for right, ways in by_right.items():
        ways.sort(key=lambda way: (way[1] > NEARLY, way[1] + 0.02 * len(way[0])))
        exact = [way for way in ways if way[1] <= NEARLY][:4]
        others = [way for way in ways if way[1] > NEARLY][: max(0, 2 - len(exact))]
        kept += [_look_up(view, left, right, differ <= NEARLY) for left, differ in exact + others]
    return kept[:MOST_RULES]


def _look_up(view: View, left: tuple[str, ...], right: str, is_exact: bool) -> LookUp:
    codes = view.codes(left)
    keys, rights = _modes(codes[codes != 0], view.code(right)[codes != 0])
    kept = slice(0, MOST_KNOWN)
    return LookUp(
        left, right, keys[kept].astype("<u8").tobytes(), rights[kept].astype("<u8").tobytes(),
        is_exact,
    )  # fmt: skip


def _mates(codes: Array, day: Array | None = None) -> Ints:
    """A row that agrees with each, of another day where days are given; -1 where there is none."""
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    other = first[place]
    alone = (other == np.arange(len(codes))) | (codes == 0)
    if day is not None:
        alone |= day[other] == day
    return np.where(alone, -1, other)


def _compare(other: Ints, value: Array, dealt: Ints) -> tuple[float, float, float]:
    """The share of rows with a mate; of these, the shares that differ, and that would by chance."""
    rows = np.flatnonzero((other >= 0) & (value != 0))
    if not len(rows):
        return 0.0, 1.0, 0.0
    mates = other[rows]
    differ = np.mean(value[rows] != value[mates])
    chance = np.mean(value[dealt[rows]] != value[mates])
    return len(rows) / len(value), float(differ), float(chance)
