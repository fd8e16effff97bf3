"""Continuity: a number that moves slowly goes on from one day to the next.

Where a batch begins, a number lies about where the one before it ended and where both lead: the
step between them is told by the slopes on its two sides (a linear regression over the training
days). How well they tell it is known by how far they lead apart, those of a few hours and of more,
of both sides, and from standing still: what is left of the step, as a multiple of that, is never
large, and days count the less in the regression the more their slopes differ (weighted least
squares: Aitken, 1935). A level that is off for all rows is large, though other days have that
level. The square of it counts: normal errors become improbable with their square.

Which columns do is searched for, so what is found has to survive the search: hours next to each
other are alike within days too, and the steps between days are so small as no column of them all
has by chance (Bonferroni's correction). Of directions steps go the shorter way round: see `turns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from statistics import NormalDist
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.growth import grows
from lockstep.columns.kinds import Floats, Ints
from lockstep.laws.bands import (
    ERROR_RATE,
    IMPOSSIBLE,
    Band,
    Banded,
    Reading,
    training_days,
    with_bands,
)
from lockstep.laws.earlier import Earlier, Ends
from lockstep.laws.glance import (
    Glance,
    Segments,
    as_numbers,
    categories,
    glance,
    number_columns,
)
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.order import resting
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.turns import around, deviation, means, turn_of, unrolled

WINDOWS = (5, 8)
"""Hours with a value on either side of a step, of which slopes are taken."""
HOURS = max(WINDOWS)
"""Hours with a value on either side that it takes."""
MOST_SEGMENTS = 8
"""Segments of a category within which steps are looked for."""
ENOUGH_NUMBERS = 20
"""Different numbers of a column that moves."""
TELLING = 0.2
"""Share of training days on which a level that is off by the column's standard deviation has to be
unusual."""
ALIKE = 1.0
"""Von Neumann's ratio of the steps between days up to which the hours on both sides are alike: 2
where their order tells nothing."""
BY_CHANCE = 0.01
"""How probable it is that any column of a table is alike where the order of days tells nothing."""
BETTER = 1.2
"""How many times as telling steps within segments have to be as those of all rows."""
CALM = 0.5
"""How far slopes lead apart between calm days, by the median of training days."""
FAR = 20.0
"""How many times the median step from hour to hour another one is that is a jump: where a counter
begins anew, or a turbine that stood still turns to a new wind. Numbers that move slowly go ten
times as far in one hour of some hundred, hardly ever farther."""
RETURNS = 0.5
"""Standard deviations of a column that a usual step goes at most, where nothing leads: one that
begins each day anew goes further."""
_STEP = "step between days"


class Continues(Banded, frozen=True, kw_only=True, tag="continues"):
    """A number goes on where the batch before it ended, and so does the batch after it.

    Attributes:
        category: The column within whose segments it does; None where all rows are one.
        labels: The segments.
        weights: What a step follows from: a constant, and how much of the way that the slopes
            before and after it lead in the hours between.
        usual: How far slopes lead apart between calm days.
        longest: Hours between two days at most, for a step to be told.
        turn: What a turn is of a number that goes round; 0 of others, and of a version that an
            older Lockstep fitted.
        jumps: Whether it now and then jumps within a day, so that it may do so between days, or
            rests at values at which slopes end, such as a battery that is full, or counts what
            comes, of which a night may have more.
    """

    binds: ClassVar[bool] = False
    only_above: ClassVar[bool] = True
    lacks: ClassVar[str] = "nothing is kept of the day before or after"

    category: str | None
    labels: tuple[str, ...]
    weights: tuple[float, ...] = ()
    usual: float = 0.0
    longest: float = 0.0
    turn: float = 0.0
    jumps: bool = False

    @property
    def says(self) -> str:
        """See `Law.says`."""
        within = "" if self.category is None else f" within one {self.category}"
        return f"{self.columns[0]} goes on from day to day{within}."

    @property
    def what(self) -> str:
        """What ends are kept of for it."""
        return f"{self.columns[0]} by {self.category}"

    def ends(self, rows: Rows) -> dict[str, Ends]:
        """Where the number begins and ends in some rows, by segment."""
        return _ends(rows, self.columns[0], Segments(self.category, self.labels), self.turn)

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`; of two steps the less probable one."""
        steps = self._steps(rows)
        if not steps:
            return {}
        readings = (self.read(step) for step, _ in steps)
        return {_STEP: max(readings, key=lambda one: one.value)}

    def read(self, step: Step) -> Reading:
        """How improbable a step is."""
        times = self._beyond(step) / (step.apart + self.usual)
        return Reading(times * times, 0.0)

    def find(self, rows: Rows) -> Broken | None:
        """See `Banded.find`; of a number that jumps nothing cannot be."""
        found = super().find(rows)
        if found is None or not self.jumps:
            return found
        return replace(found, strict=False)

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`; none where no batch next to it is known."""
        return super().looks_at(rows) if self._steps(rows) else 0

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        step, other = max(self._steps(rows), key=lambda one: self.read(one[0]).value)
        is_before = other in rows.earlier
        way = f"{'from the end' if is_before else 'to the beginning'} of {other.partition}"
        return (
            f"{self.columns[0]} moves by {step.size:+.5g} {way}, in "
            f"{step.gap:.3g} hours: {self._beyond(step):+.4g} from where it leads on both sides, "
            f"{sqrt(reading.value):.2g} times what these are apart there and usually; on training "
            f"days at most {sqrt(usual.highest):.2g} times"
        )

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """See `Banded.suspects`."""
        return self.columns[:1]

    def _steps(self, rows: Rows) -> list[tuple[Step, Earlier]]:
        """The steps from the batch before and to the one after, of those that are known."""
        return rows.once(("steps", self.what), lambda: list(self._find_steps(rows)))

    def _find_steps(self, rows: Rows) -> Iterator[tuple[Step, Earlier]]:
        for one in (*rows.earlier[-1:], *rows.later[:1]):
            own, other = self.ends(rows), one.ends.get(self.what, {})
            for pair in ((other, own), (own, other)):
                step = step_between(*pair, self.longest, self.turn)
                if step is not None:
                    yield step, one

    def _beyond(self, step: Step) -> float:
        """How far a step leads elsewhere than slopes do."""
        beyond = step.size - np.dot(self.weights, step.terms)
        return float(around(np.array(beyond), self.turn))


class Step(msgspec.Struct, frozen=True):
    """A step between two batches, on average over segments.

    Attributes:
        size: How far it goes.
        gap: How many hours it takes.
        leads: How far slopes lead in that time: those before it and those after it.
    """

    size: float
    gap: float
    leads: tuple[float, ...]

    @property
    def terms(self) -> tuple[float, float]:
        """What it follows from: a constant, and where slopes lead on average."""
        return 1.0, sum(self.leads) / len(self.leads)

    @property
    def apart(self) -> float:
        """How far slopes lead apart, and from where it stands still."""
        return max(*self.leads, 0.0) - min(*self.leads, 0.0)


def step_between(
    earlier: Mapping[str, Ends], later: Mapping[str, Ends], longest: float, turn: float = 0.0
) -> Step | None:
    """The step from one batch to another; None if these are not next to each other.

    Args:
        earlier: Where it begins and ends, by segment.
        later: Where the other does.
        longest: Hours between them at most.
        turn: What a turn is of a number that goes round; 0 of others.
    """
    steps = list(_steps_of(earlier, later, longest, turn))
    if not steps:
        return None
    size, gap, *leads = np.mean(steps, axis=0).tolist()
    return Step(size, gap, tuple(leads))


def _steps_of(
    earlier: Mapping[str, Ends], later: Mapping[str, Ends], longest: float, turn: float
) -> Iterator[tuple[float, ...]]:
    """The step of each segment: its size, the gap, and where slopes lead; see `Step`."""
    for label in earlier.keys() & later.keys():
        one, other = earlier[label], later[label]
        gap = other.first_hours[0] - one.last_hours[-1]
        if 0 < gap <= longest:
            last, first = unrolled(one.last, turn), unrolled(other.first, turn)
            before = (_slope(one.last_hours[-size:], last[-size:]) for size in WINDOWS)
            after = (_slope(other.first_hours[:size], first[:size]) for size in WINDOWS)
            size = float(around(np.array(first[0] - last[-1]), turn))
            yield size, gap, *(gap * lead for lead in (*before, *after))


def _slope(hours: Sequence[int], values: Floats) -> float:
    """The slope of a line through some values, by the hour."""
    apart = np.array(hours) - np.mean(hours)
    return float(apart @ values / (apart @ apart))


def _ends(rows: Rows, column: str, parted: Segments, turn: float) -> dict[str, Ends]:
    """Where a column begins and ends by the hour, in each segment with values in enough hours."""
    seen = glance(rows)
    return seen.rows.once(
        ("ends", column, parted, turn), lambda: _find_ends(seen, column, parted, turn)
    )


def _find_ends(seen: Glance, column: str, parted: Segments, turn: float) -> dict[str, Ends]:
    of_hours, codes, hours = _by_hour(seen, column, parted, turn)
    found = {}
    for code, label in enumerate(parted.labels or ("",)):
        first, last = np.searchsorted(codes, (code, code + 1)).tolist()
        if last - first >= HOURS:
            begin, end = slice(first, first + HOURS), slice(last - HOURS, last)
            found[label] = Ends(
                first_hours=tuple(hours[begin].tolist()),
                first=tuple(_short(of_hours[begin])),
                last_hours=tuple(hours[end].tolist()),
                last=tuple(_short(of_hours[end])),
            )
    return found


def _by_hour(seen: Glance, column: str, parted: Segments, turn: float) -> tuple[Floats, Ints, Ints]:
    """The mean of a column in each hour in which it has values, the segment and the hour."""
    order, starts, codes, hours = _cells_of(seen, parted)
    known = ~seen.missing(column)[order]
    of_hours = means(seen.numbers(column)[order], known, starts, turn)
    told = ~np.isnan(of_hours)
    return of_hours[told], codes[told], hours[told]


def _jumps(column: str, parted: Segments, days: list[Rows], turn: float) -> bool:
    """Whether a number jumps from hour to hour more often than a batch may be an error."""
    steps = []
    for day in days:
        of_hours, codes, hours = _by_hour(glance(day), column, parted, turn)
        follows = (codes[1:] == codes[:-1]) & (np.diff(hours) == 1)
        steps.append(np.abs(around(np.diff(of_hours), turn))[follows])
    sizes = np.concatenate(steps)
    moves = sizes[sizes > 0]
    return bool(len(moves)) and float(np.mean(sizes > FAR * np.median(moves))) > ERROR_RATE


def _short(values: Floats) -> list[float]:
    return [float(f"{one:.7g}") for one in values.tolist()]


def _cells_of(seen: Glance, parted: Segments) -> tuple[Ints, Ints, Ints, Ints]:
    """Rows by segment and hour; found once: see `_cells`."""
    return seen.rows.once(("cells", parted), lambda: _cells(seen, parted))


def _cells(seen: Glance, parted: Segments) -> tuple[Ints, Ints, Ints, Ints]:
    """Rows by segment and hour: their order, where each hour begins, its segment and number."""
    hours = seen.rows.hours
    order = seen.order
    assert hours is not None
    assert order is not None
    order = order[~np.isnat(hours[order])]
    codes = np.zeros(len(seen), dtype=np.int64)
    if parted.column is not None:
        codes = parted.codes(seen)
        order = order[codes[order] >= 0]
        order = order[np.argsort(codes[order], kind="stable")]
    of, at = codes[order], hours[order].astype(np.int64)
    starts = np.flatnonzero(np.r_[True, (np.diff(at) != 0) | (np.diff(of) != 0)][: len(order)])
    return order, starts, of[starts], at[starts]


def discover(training: TrainingRows) -> list[Continues]:
    """Find the numbers that go on from one training day to the next.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    rows = training.rows
    if not days or rows.schema.event_time is None:
        return []
    parts = [
        Segments(None, ()),
        *(one for one in categories(rows) if len(one.labels) <= MOST_SEGMENTS),
    ]
    columns = [
        name
        for name in number_columns(rows.schema)
        if len(rows.values(name).found) >= ENOUGH_NUMBERS
    ]
    if not columns:
        return []
    tried = len(columns) * len(parts)
    moving = [(one, _moving(columns, one, days)) for one in parts]
    found = []
    for column in columns:
        turn = turn_of(column, training)
        laws = [
            (one.column, *law)
            for one, move in moving
            if one.column != column
            if column in move or turn
            if (law := _law(column, one, days, rows, turn, tried)) is not None
        ]
        if laws:
            # All rows are one where no category tells far more.
            best = max(laws, key=lambda one: one[2] * (1 if one[0] else BETTER))[1]
            jumps = (
                best.jumps
                or column in resting(training)
                or grows(rows.columns[column], training.day_of)
            )
            found.append(msgspec.structs.replace(best, jumps=jumps))
    return found


def _moving(columns: Sequence[str], parted: Segments, days: Sequence[Rows]) -> set[str]:
    """The columns of which hours next to each other are alike, by those of the day and the next."""
    hourly = [_hourly(glance(day), columns, parted) for day in days]
    squares, variances = ([np.zeros((0, len(columns)))] for _ in range(2))
    for earlier, later in pairwise(hourly):
        for label in earlier.keys() & later.keys():
            both = [earlier[label], later[label]]
            squares += [np.diff(one, axis=0) ** 2 for one in both]
            variances.append(_variance(np.concatenate(both)))
    step, variance = (_mean(np.concatenate(one)) for one in (squares, variances))
    return {name for name, one in zip(columns, step <= ALIKE * variance, strict=True) if one}


def _hourly(seen: Glance, columns: Sequence[str], parted: Segments) -> dict[int, Floats]:
    """The mean of each column in each hour of each segment: hours by columns, NaN for none."""
    order, starts, codes, _ = _cells_of(seen, parted)
    if not len(order):
        return {}
    numbers = np.array([seen.numbers(name)[order] for name in columns])
    known = ~np.isnan(numbers)
    sizes = np.add.reduceat(known, starts, axis=1, dtype=np.int64)
    sums = np.add.reduceat(np.where(known, numbers, 0.0), starts, axis=1)
    means = np.divide(sums, sizes, out=np.full_like(sums, np.nan), where=sizes > 0).T
    return {int(code): means[codes == code] for code in np.unique(codes)}


def _mean(values: Floats) -> Floats:
    """The mean of each column of what is known; infinite where nothing is."""
    known = ~np.isnan(values)
    size = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean: Floats = np.divide(total, size, out=np.full(len(size), np.inf), where=size > 0)
    return mean


def _variance(values: Floats) -> Floats:
    """The variance of each column of what is known: one row of them."""
    return _mean((values - _mean(values)) ** 2)[None]


def _law(
    column: str, parted: Segments, days: list[Rows], rows: Rows, turn: float, tried: int
) -> tuple[Continues, float] | None:
    """The law of a column, and how far outside of its band a level that is off usually is.

    None where that would be told on too few days, or is found by chance among all that is tried.
    """
    numbers = as_numbers(rows.columns[column])
    spread = deviation(numbers[~np.isnan(numbers)], turn)
    ends = [_ends(day, column, parted, turn) for day in days]
    pairs = list(pairwise(ends))
    gaps = [step.gap for step in _steps(pairs, np.inf, turn) if step is not None]
    if not gaps:
        return None
    longest = 1.5 * float(np.median(gaps))
    steps = list(_steps(pairs, longest, turn))
    told = [step for step in steps if step is not None]
    if len(told) < ENOUGH_DAYS or _ratio(pairs, longest, turn) > _alike(len(told), tried):
        return None
    sizes, terms = np.array([one.size for one in told]), np.array([one.terms for one in told])
    apart = np.array([one.apart for one in told])
    usual = float(f"{CALM * np.median(apart):.6g}")
    if not usual:
        return None
    scale = apart + usual
    weights = np.linalg.lstsq(terms / scale[:, None], sizes / scale, rcond=None)[0]
    if abs(weights[0]) > RETURNS * spread:
        return None
    event_time = rows.schema.event_time
    assert event_time is not None
    law = Continues(
        columns=(column, *([] if parted.column is None else [parted.column]), event_time),
        days=0,
        category=parted.column,
        labels=parted.labels,
        weights=tuple(float(f"{one:.6g}") for one in weights),
        usual=usual,
        longest=longest,
        turn=turn,
        jumps=_jumps(column, parted, days, turn),
    )
    beyond = around(sizes - terms @ weights, turn)
    readings = iter(law.read(one) for one in _left_out(told, beyond, terms / scale[:, None]))
    measured: list[dict[str, Reading]] = [{}]
    measured += [{} if step is None else {_STEP: next(readings)} for step in steps]
    fitted = with_bands(law, measured, days)
    if fitted is None:
        return None
    band = fitted.bands[_STEP]
    if band.reach > IMPOSSIBLE:  # a few days go far beyond all others, and others will
        return None
    if not band.highest:  # it stands still at midnight, as a tariff does, and tells no step
        return None
    off = [
        law.read(msgspec.structs.replace(one, size=one.size + shift))
        for one in told
        for shift in (-spread, spread)
    ]
    share = len(told) / len(steps)
    if share * np.mean([band.share(one, only_above=True) > 1 for one in off]) < TELLING:
        return None
    return fitted, share * float(np.median([one.value for one in off])) / band.highest


def _left_out(steps: Sequence[Step], beyond: Floats, terms: Floats) -> list[Step]:
    """Steps that go as far beyond where slopes lead as if each had no part in the regression.

    Args:
        steps: The steps.
        beyond: How far each goes beyond, having a part.
        terms: What they follow from, each as it counts: steps by terms.
    """
    leverage = np.einsum("ij,ji->i", terms, np.linalg.pinv(terms))
    farther = beyond * leverage / np.maximum(1 - leverage, 1 / len(steps))
    return [
        msgspec.structs.replace(step, size=step.size + more)
        for step, more in zip(steps, farther.tolist(), strict=True)
    ]


def _ratio(
    pairs: Sequence[tuple[Mapping[str, Ends], Mapping[str, Ends]]], longest: float, turn: float
) -> float:
    """The mean square of steps by the variance of the hours on both sides (von Neumann, 1941)."""
    sides = [
        [*earlier[label].first, *earlier[label].last, *later[label].first, *later[label].last]
        for earlier, later in pairs
        for label in earlier.keys() & later.keys()
    ]
    sizes = [step[0] for pair in pairs for step in _steps_of(*pair, longest, turn)]
    variance = float(np.mean([deviation(np.array(side), turn) ** 2 for side in sides]))
    return float(np.mean(np.square(sizes))) / max(variance, 1e-12)


def _alike(steps: int, tried: int) -> float:
    """Von Neumann's ratio up to which hours on both sides of some steps are alike.

    Where their order tells nothing, it is 2, give or take 2 by the square root of the steps.

    Args:
        steps: How many steps there are.
        tried: How many columns and segments steps are looked for in.
    """
    return min(ALIKE, 2 + 2 / sqrt(steps) * NormalDist().inv_cdf(BY_CHANCE / tried))


def _steps(
    pairs: Sequence[tuple[Mapping[str, Ends], Mapping[str, Ends]]], longest: float, turn: float
) -> Iterator[Step | None]:
    return (step_between(*pair, longest, turn) for pair in pairs)
