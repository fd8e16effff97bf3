"""Order over time: sensors that freeze, and values that lost their place in time.

Two statistics of rows sorted by their event time. The longest time for which a value does not move
(a "stuck value"; see Sharma, Golubchik and Govindan, "Sensor faults: detection methods and
prevalence in real-world datasets", 2010), within each segment of a category whose sensors these
may be, but at values at which it rests: see `rests`. And von Neumann's ratio of the mean square
successive difference to the variance (1941):
near 2 where the order of the values tells nothing, and far below where neighbours are alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import listed
from lockstep.laws.bands import Band, Banded, Reading, days_like, fitted, training_days
from lockstep.laws.glance import Glance, Segments, categories, glance, value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.rests import Stays, is_settled, rests_of
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.turns import around, deviation, means, turn_of

Kept = TypeVar("Kept", bound="Ordered")
ENOUGH_ROWS = 20
"""Values that their order takes to tell something."""
ENOUGH_AN_HOUR = 3
"""Rows of an hour from which on its mean is compared with that of the next."""
ENOUGH_STEPS = 10
"""Steps from hour to hour from which on the share in which a value moved is one of a day."""
STILLER = 0.25
"""Of the smallest share of hours in which a value ever moved, below which it stands still."""
STILL_BY_CHANCE = 0.001
"""How probable it is at most that it moves in so few, if it would in no more than ever."""
ENOUGH_IN_RUN = 10
"""Rows that a value stays the same for until it counts as one that does not move."""
CHANCE = 1 / 3
"""Hours by which a run is longer by chance."""
SHORTEST_USUAL = 0.25
"""Hours that the longest run of a day usually takes, where several rows share a measurement."""
LONGEST_USUAL = 0.4
"""Share of a day's length that the longest run of a day usually takes, of a value that moves."""
LEAST_ROUGHNESS = 0.005
"""Von Neumann's ratio that tells nothing, whatever smaller ones there were."""
ROUGHEST_USUAL = 1.0
"""Von Neumann's ratio up to which neighbours in time are alike."""
_KURTOSIS = 3
"""Of normal numbers: of how many rows it takes one to tell as much, by their deviations alone."""
_HOUR = 3600
"""Seconds after a row that nothing is known of, and that do not count, where no other follows."""
_RUN = "hours in one place"
_ROUGHNESS = "roughness from row to row"
_HOURLY = "roughness from hour to hour"


class Ordered(Banded, frozen=True, kw_only=True):
    """A law of rows in the order of their event time.

    Attributes:
        measured: The columns that are looked at; `columns` are also those that order them.
        category: The column within whose segments they are ordered; None where all of them are.
        labels: The segments.
    """

    binds: ClassVar[bool] = False

    only_above: ClassVar[bool] = True
    measured: tuple[str, ...]
    category: str | None
    labels: tuple[str, ...]

    @property
    def within(self) -> str:
        """Within what rows are ordered, in a sentence."""
        return "" if self.category is None else f" within one {self.category}"


class Stuck(Ordered, frozen=True, kw_only=True, tag="stuck"):
    """How long values stay the same, those of one column or of several together.

    Attributes:
        fewest: The smallest share of the steps of a training day, from an hour that has rows to
            the next, in which they moved; 0 where that tells nothing, and of a version that an
            older Lockstep fitted.
        rests: By column the values at which it rests, if there are some: where all columns do,
            it counts for nothing that they do not move. A number that rests may do so at the
            smallest or the largest one of a day that has others, too, as what is clipped does.
    """

    fewest: float = 0.0
    rests: dict[str, tuple[float, ...]] = msgspec.field(default_factory=dict)

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return (
            f"{listed(self.measured)} does not stay in one place for longer than ever{self.within}."
        )

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        run = self._longest(rows)
        return {} if run is None else {_RUN: Reading(run[0], CHANCE)}

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        run = self._longest(rows)
        where = ""
        if run is not None and self.category is not None:
            seen = glance(rows)
            label = self.labels[Segments(self.category, self.labels).codes(seen)[run[1][0]]]
            where = f" where {self.category} is {label}"
        return (
            f"{listed(self.measured)} {'does' if len(self.measured) == 1 else 'do'} not move for "
            f"{reading.value:.1f} hours{where}; on training days for {usual.highest:.1f} at most"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        run = self._longest(rows)
        seen = glance(rows)
        is_in = np.zeros(len(seen), dtype=bool)
        if run is not None:
            is_in[run[1]] = True
        return seen.all_positions(is_in)

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """See `Banded.suspects`; rows in other segments, or at other times, do not stay alike."""
        return self.measured

    def find_besides(self, rows: Rows) -> Broken | None:
        """See `Banded.find_besides`; the first day on which values hardly move at all."""
        if not self.fewest:
            return None
        for part in days_like(rows, self.size):
            if not any(one.reading.value > one.band.highest for one in self.stand(part)):
                continue
            moves = self.moves(part.rows)
            share = float(moves.mean()) if len(moves) else 1.0
            chance = float((1 - self.fewest) ** (len(moves) * (1 - share)))
            if share < STILLER * self.fewest and chance <= STILL_BY_CHANCE:
                return Broken(
                    law=self,
                    columns=self.measured,
                    message=(
                        f"{listed(self.measured)} moved in {np.count_nonzero(moves)} of "
                        f"{len(moves)} hours{self.within}; on every training day in "
                        f"{self.fewest:.0%} or more"
                    ),
                    rows=part.in_batch(np.arange(len(part.rows))),
                    strict=self.days >= ENOUGH_DAYS,
                    numbers={"share of hours that moved": share},
                    cases={"stands still": 1 - share},
                )
        return None

    def moves(self, rows: Rows) -> Array:
        """Whether values moved from an hour that has some to the next: bool, one a step.

        Args:
            rows: The rows of a day.
        """
        seen = glance(rows)
        if seen.order is None:
            return np.empty(0, dtype=bool)
        order, codes = _sorted(seen, self.category, self.labels)
        hours = _sorted_hours(seen, self.category, self.labels)
        columns = [seen.rows.values(name).places[order] for name in self.measured]
        known = np.logical_or.reduce([places >= 0 for places in columns])
        codes, hours = codes[known], hours[known]
        begins = np.r_[True, (np.diff(hours) != 0) | (np.diff(codes) != 0)][: len(hours)]
        firsts = [places[known][begins] for places in columns]
        moved = np.logical_or.reduce([one[1:] != one[:-1] for one in firsts])
        together = codes[begins][1:] == codes[begins][:-1]
        is_told = together & ~self._are_at_rest(seen, order[known][begins][:-1])
        steps: Array = moved[is_told]
        return steps

    def stays(self, rows: Rows) -> Stays | None:
        """For how long values stay the same in some rows; None where these are too few to tell."""
        seen = glance(rows)
        return seen.rows.once(
            ("stays", self.measured, self.category), lambda: self._find_stays(seen)
        )

    def _find_stays(self, seen: Glance) -> Stays | None:
        if seen.order is None:
            return None
        order, codes = _sorted(seen, self.category, self.labels)
        moving = [seen.rows.values(name).places for name in self.measured]
        keep = np.logical_or.reduce([places >= 0 for places in moving])[order]
        if np.count_nonzero(keep) < ENOUGH_ROWS:
            return None
        if not keep.all():
            order, codes = order[keep], codes[keep]
        moved = codes[1:] != codes[:-1]
        for places in moving:
            ordered = places[order]
            moved |= ordered[1:] != ordered[:-1]
        edges = np.flatnonzero(moved)
        starts, ends = np.r_[0, edges + 1], np.r_[edges, len(order) - 1]
        several = ends - starts + 1 >= ENOUGH_IN_RUN
        starts, ends = starts[several], ends[several]
        times = _times(seen)[order].astype("datetime64[s]").astype(np.int64)
        told = np.r_[0, np.cumsum(np.minimum(np.diff(times), _HOUR))]
        between = np.diff(told)[codes[1:] == codes[:-1]].sum() / _HOUR
        return Stays(order, starts, ends, (told[ends] - told[starts]) / _HOUR, float(between))

    def _longest(self, rows: Rows) -> tuple[float, Ints] | None:
        """The longest run of one value: hours, and the positions of its rows."""
        stays = self.stays(rows)
        if stays is None:
            return None
        at_rest = self._are_at_rest(glance(rows), stays.order[stays.starts])
        hours = np.where(at_rest, 0.0, stays.hours)
        if not hours.any():
            return 0.0, np.empty(0, dtype=np.int64)
        longest = int(hours.argmax())
        return float(hours[longest]), stays.rows(longest)

    def _are_at_rest(self, seen: Glance, positions: Ints) -> Array:
        """At which of some rows all columns rest: bool."""
        if len(self.rests) < len(self.measured):
            return np.zeros(len(positions), dtype=bool)
        at_rest: Array = np.logical_and.reduce(
            [
                np.isin(seen.numbers(name)[positions], (*rests, *_ends(seen.numbers(name))))
                for name, rests in self.rests.items()
            ]
        )
        return at_rest


def _ends(numbers: Floats) -> tuple[float, ...]:
    """The smallest and the largest of some numbers; none where all are the same."""
    known = numbers[~np.isnan(numbers)]
    if not len(known) or known.min() == known.max():
        return ()
    return float(known.min()), float(known.max())


def _sorted(seen: Glance, category: str | None, labels: tuple[str, ...]) -> tuple[Ints, Ints]:
    """Rows by segment and time, without those of no segment, and the segment of each."""
    return seen.rows.once(("sorted", category), lambda: _sort(seen, category, labels))


def _sort(seen: Glance, category: str | None, labels: tuple[str, ...]) -> tuple[Ints, Ints]:
    order = seen.order
    assert order is not None
    order = order[~np.isnat(_times(seen)[order])]
    if category is None:
        return order, np.zeros(len(order), dtype=np.int64)
    codes = Segments(category, labels).codes(seen)[order]
    by_segment = np.argsort(codes, kind="stable")
    order, codes = order[by_segment], codes[by_segment]
    return order[codes >= 0], codes[codes >= 0]


def _times(seen: Glance) -> Array:
    """The event time of each row."""
    event_time = seen.rows.schema.event_time
    assert event_time is not None
    return seen.rows.columns[event_time]


class Smooth(Ordered, frozen=True, kw_only=True, tag="smooth"):
    """How alike neighbours in time are.

    Attributes:
        narrowest: The smallest standard deviation of a training day: what varies less is no day,
            and cannot tell.
        turn: What a turn is of a number that goes round, see `turns`; 0 of others, and of a
            version that an older Lockstep fitted.
    """

    narrowest: float = 0.0
    turn: float = 0.0

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return (
            f"Values of {self.measured[0]} are alike that follow each other in time{self.within}."
        )

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`."""
        seen = glance(rows)
        if seen.order is None:
            return {}
        order, codes = _sorted(seen, self.category, self.labels)
        numbers = seen.numbers(self.measured[0])[order]
        known = ~np.isnan(numbers)
        numbers, codes = numbers[known], codes[known]
        moments = _sorted_times(seen, self.category, self.labels)[known]
        if len(numbers) < ENOUGH_ROWS or deviation(numbers, self.turn) < self.narrowest / 2:
            return {}
        hours = _sorted_hours(seen, self.category, self.labels)[known]
        starts = np.flatnonzero(np.r_[True, (np.diff(hours) != 0) | (np.diff(codes) != 0)])
        if len(starts) * ENOUGH_AN_HOUR > len(numbers):
            return {}
        hourly = means(numbers, None, starts, self.turn)
        told = {
            _ROUGHNESS: _roughness(numbers, codes, moments, self.turn),
            _HOURLY: _roughness(hourly, codes[starts], hours[starts], self.turn),
        }
        return {name: reading for name, reading in told.items() if reading is not None}

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        return (
            f"{self.measured[0]} does not follow time as it did: {name.partition(' ')[2]} it moves "
            f"by {reading.value:.2g} of its variance, on training days by {usual.lowest:.2g} to "
            f"{usual.highest:.2g}; values are at other rows than theirs"
        )


def _sorted_hours(seen: Glance, category: str | None, labels: tuple[str, ...]) -> Ints:
    """The hour of each row, in the order of `_sorted`."""
    hours = seen.rows.hours
    assert hours is not None
    return seen.rows.once(
        ("sorted hours", category),
        lambda: hours[_sorted(seen, category, labels)[0]].astype(np.int64),
    )


def _sorted_times(seen: Glance, category: str | None, labels: tuple[str, ...]) -> Ints:
    """The event time of each row in microseconds, in the order of `_sorted`."""
    return seen.rows.once(
        ("sorted times", category),
        lambda: _times(seen)[_sorted(seen, category, labels)[0]].view(np.int64),
    )


def _roughness(numbers: Floats, codes: Ints, moments: Ints, turn: float) -> Reading | None:
    """Von Neumann's ratio within segments; by chance alone its variance is 4 / n.

    Rows of one moment have no order in time: such as lines of a receipt, they are alike anyway.

    Args:
        numbers: The numbers by segment and time.
        codes: The segment of each.
        moments: The moment of each.
        turn: What a turn is of a number that goes round; 0 of others.
    """
    together = (codes[1:] == codes[:-1]) & (moments[1:] != moments[:-1])
    pairs = int(np.count_nonzero(together))
    if pairs < ENOUGH_ROWS:
        return None
    starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
    sizes = np.diff(starts, append=len(codes))
    of_segments = means(numbers, None, starts, turn)
    squares = around(numbers - np.repeat(of_segments, sizes), turn) ** 2
    variance = float(np.mean(squares))
    if variance <= 1e-12 * max(1.0, float(np.mean(numbers * numbers))):
        return None
    if _KURTOSIS * squares.sum() ** 2 < ENOUGH_ROWS * float(squares @ squares):
        return None  # rain in one hour: a few rows are all of the variance, and have no order
    steps = around(np.diff(numbers)[together], turn)
    ratio = float(np.mean(steps * steps)) / variance
    return Reading(ratio, LEAST_ROUGHNESS + min(ratio, 1.0) / float(np.sqrt(pairs)))


def discover(training: TrainingRows) -> list[Stuck | Smooth]:
    """Find which columns move, and which move smoothly, on training days.

    Args:
        training: The training rows.
    """
    return training.rows.once("order over time", lambda: _discover(training))


def resting(training: TrainingRows) -> frozenset[str]:
    """The columns that move, and rest at some values.

    Args:
        training: The training rows.
    """
    laws = discover(training)
    return frozenset(name for law in laws if isinstance(law, Stuck) for name in law.rests)


def _discover(training: TrainingRows) -> list[Stuck | Smooth]:
    days = training_days(training)
    time = training.rows.schema.event_time
    if not days or time is None:
        return []
    parts = [Segments(None, ()), *categories(training.rows)]
    names = value_columns(training.rows.schema)
    numbers = [name for name in names if training.rows.columns[name].dtype != object]
    smooth = [
        law for name in numbers for law in _smooth(name, parts, days, time, turn_of(name, training))
    ]
    values = {name: len(training.rows.values(name).found) for name in numbers}
    return [*smooth, *_stuck(smooth, days, time, values)]


def _stuck(
    smooth: list[Smooth], days: list[Rows], time: str, values: Mapping[str, int]
) -> list[Stuck]:
    """How long sensors stay the same in their segments, each alone and all of them together.

    A number is a sensor's where neighbours in time are alike, and it moves most of the time.

    Args:
        smooth: How alike neighbours are.
        days: The rows of each training day.
        time: The event time.
        values: How many different ones each column has.
    """
    moves = LONGEST_USUAL * float(np.median([_length(day) for day in days]))
    candidates = [
        _law(Stuck, law.measured, Segments(law.category, law.labels), time) for law in smooth
    ]
    alone = [law for law in fitted(candidates, days) if law.bands[_RUN].middle <= moves]
    alone = [law for law in alone if not is_settled([law.stays(day) for day in days])]
    together: dict[Segments, list[str]] = {}
    for law in alone:
        if law.bands[_RUN].middle >= SHORTEST_USUAL:
            together.setdefault(Segments(law.category, law.labels), []).extend(law.measured)
    moving = [_law(Stuck, tuple(some), one, time) for one, some in together.items() if some[1:]]
    both = [*alone, *(law for law in fitted(moving, days) if law.bands[_RUN].middle <= moves)]
    resting = _with_rests(both, days, values)
    return [replace(law, fewest=_fewest(law, days)) for law in resting]


def _with_rests(
    laws: Sequence[Stuck], days: list[Rows], values: Mapping[str, int]
) -> Iterator[Stuck]:
    """Laws with the values at which their columns rest, and with bands that leave these out."""
    rests: dict[str, set[float]] = {}
    for law in laws:
        if len(law.measured) == 1:
            (name,) = law.measured
            stays = [law.stays(day) for day in days]
            numbers = [glance(day).numbers(name) for day in days]
            rests.setdefault(name, set()).update(rests_of(stays, numbers, values[name]))
    for law in laws:
        own = {name: tuple(sorted(rests[name])) for name in law.measured if rests.get(name)}
        if len(own) < len(law.measured):
            yield law
        else:
            yield from fitted([replace(law, rests=own)], days)


def _fewest(law: Stuck, days: list[Rows]) -> float:
    """The smallest share of a day's hours in which values moved; 0 if it is far the smallest."""
    moves = [law.moves(day) for day in days]
    shares = sorted(float(one.mean()) for one in moves if len(one) >= ENOUGH_STEPS)
    if len(shares) < ENOUGH_DAYS or shares[0] < STILLER * shares[1]:
        return 0.0
    return float(f"{shares[0]:.4g}")


def _smooth(
    column: str, parts: list[Segments], days: list[Rows], time: str, turn: float
) -> list[Smooth]:
    """How alike neighbours are in a column, if they are: over all rows, and within segments."""
    others = [one for one in parts if one.column != column]
    alike = [
        law
        for law in fitted(
            [replace(_law(Smooth, (column,), one, time), turn=turn) for one in others], days
        )
        if _ROUGHNESS in law.bands and law.bands[_ROUGHNESS].middle <= ROUGHEST_USUAL
    ]
    known = [
        numbers[~np.isnan(numbers)] for day in days for numbers in [glance(day).numbers(column)]
    ]
    narrowest = min((deviation(one, turn) for one in known if len(one)), default=0.0)
    best = _best(alike, _ROUGHNESS)
    return [replace(law, narrowest=narrowest) for law in best]


def _best(laws: list[Kept], statistic: str) -> list[Kept]:
    """The law over all rows, and that of the category whose segments hold it best."""
    over_all = [law for law in laws if law.category is None]
    within = [law for law in laws if law.category is not None]
    return over_all + sorted(within, key=lambda law: law.bands[statistic].middle)[:1]


def _law(kind: type[Kept], measured: tuple[str, ...], parted: Segments, time: str) -> Kept:
    category = parted.column
    return kind(
        columns=(*measured, *([] if category is None else [category]), time),
        days=0,
        measured=measured,
        category=category,
        labels=parted.labels,
    )


def _length(day: Rows) -> float:
    """Hours from the first to the last row of a day."""
    name = day.schema.event_time
    assert name is not None
    times = day.columns[name][~np.isnat(day.columns[name])]
    return float((times.max() - times.min()) / np.timedelta64(3600, "s")) if len(times) else 0.0
