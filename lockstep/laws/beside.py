"""Beside each other: one of a few like things that is apart from the others all day.

Three airports of a region, or four turbines on a hill, have weathers of their own, which differ now
and then, by much in gusts and showers and by little otherwise. So what one of them tells is held
against the median of what the others tell at the same moment, by how far these are from each other
(an externally studentized residual: Cook and Weisberg, "Residuals and influence in regression",
1982). Of the moments of a day the lower fifth counts: a front passes, while a vane that was put up
askew, or a window that is dirty, is so at nearly every moment (an order statistic, which half a day
of anything cannot move).

Some numbers of a thing follow from each other by a curve of its own, such as the power of a turbine
from the wind. What is left of one beyond that curve is compared, too: it is far smaller than what
winds differ by, and what the air does to all of them is in none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from math import inf, sqrt

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.laws.abreast import Abreast, abreast_of, are_one
from lockstep.laws.bands import Band, Banded, Reading, fitted, short, training_days
from lockstep.laws.glance import Segments, as_numbers, glance
from lockstep.laws.law import Broken
from lockstep.laws.ranks import ranks
from lockstep.laws.rows import Rows, TrainingRows

LEAST_THINGS = 3
"""Things of which one can be told to be apart: of two, either may be."""
PERSISTENT = 0.2
"""Share of a day's moments in which a thing may be as the others are, and is told all the same."""
ENOUGH_MOMENTS = 8
"""Moments of a day that it takes, as many as come by themselves: hours of a working day."""
ENOUGH_SHARE = 1 / 3
"""Share of a day's moments that has to be told."""
BY_CHANCE = 0.5
"""The standard deviation of the lower fifth of a normal number's size, times the root of how many
there are: sqrt(0.2 * 0.8) over its density there, 0.77."""
RESTING = 0.1
"""What a thing at rest moves at most: of how far it usually is from the others, or of a step of a
curve."""
TURN = 360.0
"""Degrees of a full circle."""
ALMOST = 30.0
"""Degrees by which two directions may differ from a full circle, or from half of one, to be that
far apart."""
STEPS = 40
"""Steps of a curve, each of as many moments."""
TELLING = 0.25
"""Of how much a number varies, what may be left at a step of a curve that tells it."""
TOLD = 0.5
"""Share of the moments that a curve has to tell."""
SAMPLE = 2_000
"""Cells of things and moments by which it is told which numbers go together: a correlation of a
tenth is four times what chance does."""
TRIED = 3
"""Numbers that a number goes with most, of which a curve is looked for."""
MOST_TOLD = 50
"""Numbers told by others at most: curves of hundreds would be most of a book and of its fit."""
TRIED_DAYS = 20
"""Training days on which it is tried whether a law tells, spread evenly over all."""
TELLING_DAYS = 0.5
"""Share of things and training days on which one that is off by as much as it moves within a day
has to be unusual."""
LEAST_SCALE = 0.2
"""Of how far a thing is from the others on average, what it is taken to be usually, at least: where
it is the same at most moments, any difference would be without measure."""
PARTS = 6
"""Parts of a day, hours each, in which weather may be what it never is all day."""
_TINY = 1e-9
_FAR = "apart at most moments: "
_LEVEL = "from the others: "


class Curve(msgspec.Struct, frozen=True, array_like=True):
    """By what a number of a thing is told: its medians at steps of another number.

    A regressogram (Tukey, "Curves as parameters, and touch estimation", 1961).

    Attributes:
        edges: Where the steps begin and end.
        middles: The median of the number in each; none where the step leaves too much.
    """

    edges: tuple[float, ...]
    middles: tuple[float | None, ...]

    def of(self, numbers: Floats) -> Floats:
        """What is told at some numbers, NaN for nothing; linear between the steps' middles.

        The first and the last step tell nothing: they go on to the farthest number, most of theirs
        lie at the near end, and a calm day or a stormy one may lie all beyond.
        """
        edges = np.array(self.edges)
        middles = np.array([np.nan if one is None else one for one in self.middles])
        tells, at = ~np.isnan(middles), (edges[1:] + edges[:-1]) / 2
        told: Floats = np.interp(numbers, at[tells], middles[tells])
        step = np.searchsorted(edges, numbers, side="right") - 1
        tells[[0, -1]] = False
        told[~tells[np.clip(step, 0, len(middles) - 1)] | np.isnan(numbers)] = np.nan
        return told


class Beside(Banded, frozen=True, kw_only=True, tag="beside"):
    """How far things are from the others, by how far these are from each other.

    Attributes:
        category: What names the things.
        labels: The things.
        hourly: Whether one row of each hour is looked at, as of sensors that others are joined to;
            else each moment has one.
        turns: Whether the number is a direction, which goes round.
        usual: How far each thing usually is from the others.
        scales: By how much it usually is nearer or farther.
        steady: Whether things are always some way apart, not the same but for now and then: then a
            level tells something.
        curves: What of the number the second column tells, a curve of each thing; none where the
            number itself is compared.
        passing: Where each statistic lay in parts of training days, some hours each: its smallest
            and its largest value.
    """

    binds = False

    category: str
    labels: tuple[str, ...]
    hourly: bool
    turns: bool = False
    usual: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    steady: bool = False
    curves: tuple[Curve, ...] = ()
    passing: dict[str, tuple[float, float]] = msgspec.field(default_factory=dict)

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self._what} of one {self.category} is about that of the others at that moment."

    @property
    def _what(self) -> str:
        column, by, *_ = self.columns
        return f"{column} beyond what {by} tells" if self.curves else column

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`; of each thing."""
        apart = self.apart(rows)
        return {} if apart is None else self.readings(*apart)

    def readings(self, off: Floats, says: Floats) -> dict[str, Reading]:
        """The statistics of each thing of which enough is known.

        Args:
            off: How far things are from where they usually are: things by moments.
            says: How much each of these says, 0 for nothing.
        """
        count = np.count_nonzero(says, axis=1)
        lower = lower_fifth(off, says).tolist()
        levels = middles(off, says).tolist() if self.steady else []
        best = says.max(axis=1).tolist()
        found = {}
        for place, known in enumerate(count.tolist()):
            if known < max(ENOUGH_MOMENTS, ENOUGH_SHARE * off.shape[1]):
                continue
            chance, label = BY_CHANCE / sqrt(known), self.labels[place]
            found[f"{_FAR}{label}"] = Reading(lower[place], chance)
            if self.steady:
                found[f"{_LEVEL}{label}"] = Reading(levels[place], chance / best[place])
        return found

    def apart(self, rows: Rows) -> tuple[Floats, Floats] | None:
        """How far each thing is from where it usually is beside the others, and how much that says.

        Args:
            rows: The rows of a day.

        Returns:
            Both things by moments: differences, and one over how large they are by chance; 0 where
            nothing is told.
        """
        numbers = self.numbers(rows)
        if numbers is None:
            return None
        off, others = beside(numbers, turns=self.turns)
        off = off - np.array(self.usual)[:, None]
        off = wrapped(off) if self.turns else off
        known = ~np.isnan(off)
        says = known / np.hypot(others, np.array(self.scales)[:, None])
        off[~known] = says[~known] = 0.0
        return off, says

    def numbers(self, rows: Rows) -> Floats | None:
        """What is compared: things by moments, NaN for nothing; None of rows that have no moments.

        Args:
            rows: The rows of a day.
        """
        column, by, *_ = self.columns
        things = Abreast(Segments(self.category, self.labels), self.hourly)
        numbers = things.numbers(rows, column)
        if numbers is None or not self.curves:
            return numbers
        others = things.numbers(rows, by)
        assert others is not None, "it has the moments of the other"
        told = [curve.of(one) for curve, one in zip(self.curves, others, strict=True)]
        return numbers - np.array(told)

    def sort_of(self, name: str) -> str:
        """See `Banded.sort_of`."""
        return name.partition(": ")[0]

    def find(self, rows: Rows) -> Broken | None:
        """See `Banded.find`; a thing that rests, such as a turbine that is repaired, may be so.

        Of two numbers the one that rests is suspected first: wind goes on where power is curtailed.
        What was so for a part of a training day may be so all day, such as a turbine in the wake of
        another where the wind does not turn.
        """
        found = super().find(rows)
        if found is None:
            return None
        resting = self._resting(rows.take(found.rows), *found.numbers)
        columns = (*resting, *(one for one in found.columns if one not in resting))
        passes = all(
            lowest <= value <= highest
            for name, value in found.numbers.items()
            for lowest, highest in [self.passing.get(name, (inf, -inf))]
        )
        return replace(found, columns=columns, strict=found.strict and not (resting or passes))

    def _resting(self, own: Rows, name: str) -> tuple[str, ...]:
        """Numbers that are the same, by far more nearly than things are, for half of the day.

        Args:
            own: The rows of the thing.
            name: The name of its statistic.
        """
        place, (column, by, *_) = self.labels.index(_label(name)), self.columns
        usual = [(column, self.scales[place])]
        if self.curves:
            usual.append((by, float(np.median(np.diff(self.curves[place].edges)))))
        return tuple(one for one, size in usual if _rests(as_numbers(own.columns[one]), size))

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        label = _label(name)
        if name.startswith(_LEVEL):
            return (
                f"{self._what} where {self.category} is {label} lies {reading.value:+.4g} from "
                f"where it usually is beside the others, at most moments of the day; on training "
                f"days {usual.lowest:+.4g} to {usual.highest:+.4g}"
            )
        return (
            f"{self._what} where {self.category} is {label} is {reading.value:.3g} times as far "
            f"from the others as usual, or more, at {1 - PERSISTENT:.0%} of the moments of the "
            f"day; on training days {usual.highest:.3g} times at most"
        )

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """See `Banded.suspects`; when it was read is of all things alike."""
        return self.columns[:-1]

    def rows_of(self, rows: Rows, name: str) -> Ints:
        """See `Banded.rows_of`."""
        codes = Segments(self.category, self.labels).codes(glance(rows))
        return glance(rows).all_positions(codes == self.labels.index(_label(name)))


def _rests(numbers: Floats, usual: float) -> bool:
    """Whether half of the numbers are the same, but for a little of how much usually lies apart."""
    known = numbers[~np.isnan(numbers)]
    away = np.abs(known - np.median(known)) if len(known) else known
    return 2 * int(np.count_nonzero(away <= RESTING * usual)) >= len(known)


def _label(name: str) -> str:
    """The thing that a statistic is of."""
    return name.partition(": ")[2]


def lower_fifth(off: Floats, says: Floats) -> Floats:
    """How far rows of differences are where they are nearest; infinity where nothing is known.

    Args:
        off: Some rows of differences.
        says: How much each says, 0 for nothing.
    """
    far = np.sort(np.where(says > 0, np.abs(off) * says, np.inf), axis=1)
    places = (PERSISTENT * np.count_nonzero(says, axis=1)).astype(np.int64)
    found: Floats = far[np.arange(len(far)), places]
    return found


def middles(numbers: Floats, weights: Floats) -> Floats:
    """The medians of rows of numbers by their precisions, the squares of weights (Edgeworth, 1888).

    Args:
        numbers: Some rows of numbers.
        weights: One a number; 0 where it tells nothing.
    """
    order = np.argsort(numbers, axis=1)
    total = np.take_along_axis(weights, order, axis=1)
    np.cumsum(total * total, axis=1, out=total)
    place = np.count_nonzero(total < total[:, -1:] / 2, axis=1)
    found: Floats = np.take_along_axis(numbers, np.take_along_axis(order, place[:, None], 1), 1)[
        :, 0
    ]
    return found


def wrapped(degrees: Floats) -> Floats:
    """Differences of directions, from -180 to 180 degrees."""
    found: Floats = (degrees + TURN / 2) % TURN - TURN / 2
    return found


def beside(numbers: Floats, *, turns: bool) -> tuple[Floats, Floats]:
    """How far each thing is from the middle of the others, and how far these are from it.

    Args:
        numbers: Things by moments, NaN for nothing.
        turns: Whether they are directions, of which the middle is that of the unit vectors.

    Returns:
        Both things by moments, NaN where less than two others tell.
    """
    others = numbers[_others(len(numbers))]
    known = ~np.isnan(others)
    count = np.count_nonzero(known, axis=0)
    middle = _direction(others, known) if turns else _median(others, count)
    away, off = np.where(known, others - middle, 0.0), numbers - middle
    if turns:
        away, off = wrapped(away), wrapped(off)
    spread = np.sqrt((away * away).sum(axis=0) / np.maximum(count, 1))
    enough = count >= LEAST_THINGS - 1
    return np.where(enough, off, np.nan), np.where(enough, spread, np.nan)


@cache
def _others(size: int) -> Ints:
    """Of each of some things the places of all others: one less than there are by things."""
    return np.array([[one for one in range(size) if one != place] for place in range(size)]).T


def _direction(degrees: Floats, known: Array) -> Floats:
    """The mean direction along the first axis (Mardia and Jupp, "Directional Statistics", 2000)."""
    turned = np.where(known, np.exp(1j * np.radians(np.where(known, degrees, 0.0))), 0.0)
    found: Floats = np.degrees(np.angle(turned.sum(axis=0)))
    return found


def _median(numbers: Floats, known: Ints) -> Floats:
    """The median along the first axis of what is known."""
    ordered = np.sort(numbers, axis=0)  # what is not known comes last
    places = (np.maximum(known - 1, 0) // 2, np.minimum(known // 2, np.maximum(known - 1, 0)))
    low, high = (np.take_along_axis(ordered, one[None], axis=0)[0] for one in places)
    found: Floats = (low + high) / 2
    return found


def discover(training: TrainingRows) -> list[Beside]:
    """Find in which columns like things tell nearly the same at the same moment.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    found = [
        law
        for things, names in abreast_of(training)
        if days and len(things.parted.labels) >= LEAST_THINGS
        for law in _candidates(things, names, days)
    ]
    return [_with_passing(law, days) for law in fitted(found, days) if _is_telling(law, days)]


def _candidates(things: Abreast, names: Sequence[str], days: Sequence[Rows]) -> Iterator[Beside]:
    """Laws without bands: of each number, and of what others leave of it.

    Args:
        things: The things.
        names: The numbers.
        days: The training days.
    """
    numbers = {}
    for name in names:
        known = [one for day in days if (one := things.numbers(day, name)) is not None]
        if known and not are_one(own := np.concatenate(known, axis=1)):
            numbers[name] = own
    turning = {name for name, own in numbers.items() if goes_round(own)}
    category, time = things.parted.column, days[0].schema.event_time
    assert category is not None, "quarters are no things"
    assert time is not None, "things have moments"
    law = Beside(
        columns=(), days=0, category=category, labels=things.parted.labels, hourly=things.hourly
    )
    for name, own in numbers.items():
        alone = msgspec.structs.replace(law, columns=(name, category, time), turns=name in turning)
        yield _with_usual(alone, own)
    straight = {name: own for name, own in numbers.items() if name not in turning}
    for name, by, curves in islice(_told_by(straight), MOST_TOLD):
        told = [curve.of(one) for curve, one in zip(curves, numbers[by], strict=True)]
        left = msgspec.structs.replace(law, columns=(name, by, category, time), curves=curves)
        yield _with_usual(left, numbers[name] - np.array(told))


def _told_by(numbers: Mapping[str, Floats]) -> Iterator[tuple[str, str, tuple[Curve, ...]]]:
    """What is told by another number, by which, and how: of each the one that goes with it most.

    Args:
        numbers: Things by moments, by name.

    Yields:
        Names and curves, those first that go together most.
    """
    names, alike = list(numbers), correlations(list(numbers.values()))
    for place in np.argsort(-alike.max(axis=1, initial=0.0), kind="stable").tolist():
        for other in np.argsort(-alike[place], kind="stable")[:TRIED].tolist():
            name, by = names[place], names[other]
            curves = curves_of(numbers[name], numbers[by]) if alike[place, other] > 0 else None
            if curves is not None:
                yield name, by, curves
                break


def correlations(numbers: Sequence[Floats]) -> Floats:
    """How much numbers go together: sizes of rank correlations (Spearman, 1904), 0 with itself.

    Of a sample of what things have at moments, of all pairs at once; what is not known counts as
    the middle rank.

    Args:
        numbers: Things by moments, NaN for nothing.
    """
    if not numbers:
        return np.zeros((0, 0))
    cells = np.unique(np.linspace(0, numbers[0].size - 1, SAMPLE).astype(np.int64))
    ranked = np.array([ranks(one.ravel()[cells]) for one in numbers])
    found: Floats = np.abs(ranked @ ranked.T)
    np.fill_diagonal(found, 0.0)
    return found


def goes_round(numbers: Floats) -> bool:
    """Whether numbers are directions: from 0 to 360, and 359 is next to 1.

    Two things that are nearly a full circle apart are then more frequent than two that are half of
    one apart; of any other numbers they are the rarest.

    Args:
        numbers: Things by moments, NaN for nothing.
    """
    known = numbers[~np.isnan(numbers)]
    if not len(known) or known.min() < 0 or known.max() > TURN or known.max() < TURN - ALMOST:
        return False
    away = np.abs(np.diff(numbers, axis=0))
    half = np.count_nonzero(np.abs(away - TURN / 2) < ALMOST / 2)
    return bool(np.count_nonzero(away > TURN - ALMOST) > half)


def curves_of(numbers: Floats, others: Floats) -> tuple[Curve, ...] | None:
    """The curves by which others tell numbers, one of each thing; None where one tells too little.

    Args:
        numbers: Things by moments, NaN for nothing.
        others: The same of another column.
    """
    found = [_curve(own, other) for own, other in zip(numbers, others, strict=True)]
    known = [one for one in found if one is not None]
    return tuple(known) if len(known) == len(found) else None


def _curve(numbers: Floats, others: Floats) -> Curve | None:
    both = ~np.isnan(numbers) & ~np.isnan(others)
    numbers, others = numbers[both], others[both]
    if not len(numbers):
        return None
    edges = np.unique(np.quantile(others, np.linspace(0, 1, STEPS + 1)))
    if len(edges) <= STEPS / 2:
        return None
    step = np.clip(np.searchsorted(edges, others, side="right") - 1, 0, len(edges) - 2)
    most = TELLING * float(np.median(np.abs(numbers - np.median(numbers))))
    if not most:
        return None
    middles: list[float | None] = []
    told = 0
    for place in range(len(edges) - 1):
        own = numbers[step == place]
        middle = float(np.median(own)) if len(own) else 0.0
        tells = len(own) > 0 and float(np.median(np.abs(own - middle))) <= most
        told += len(own) if tells else 0
        middles.append(short(middle) if tells else None)
    if told < TOLD * len(numbers):
        return None
    return Curve(tuple(map(short, edges.tolist())), tuple(middles))


def _is_telling(law: Beside, days: Sequence[Rows]) -> bool:
    """Whether a thing that is off by as much as it moves within a day is mostly unusual."""
    things = Abreast(Segments(law.category, law.labels), law.hourly)
    chosen = np.unique(np.linspace(0, len(days) - 1, TRIED_DAYS).astype(int)).tolist()
    days = [days[place] for place in chosen]
    numbers = [things.numbers(day, law.columns[0]) for day in days]
    moves = _moves([one for one in numbers if one is not None])
    told = []
    for day in days:
        apart = law.apart(day)
        if apart is not None:
            readings = law.readings(apart[0] + moves[:, None], apart[1])
            shares = (
                law.bands[name].share(reading, only_above=False)
                for name, reading in readings.items()
                if name in law.bands and name.startswith(_FAR)
            )
            told += [share > 1 for share in shares]
    return bool(told) and float(np.mean(told)) >= TELLING_DAYS


def _moves(days: Sequence[Floats]) -> Floats:
    """By how much each thing moves within a day: a standard deviation, usually.

    Args:
        days: What things have on each day: things by moments, NaN for nothing.
    """
    within = [
        one - _median(one.T, np.count_nonzero(~np.isnan(one), axis=1))[:, None] for one in days
    ]
    away = np.concatenate(within, axis=1)
    known = np.maximum(np.count_nonzero(~np.isnan(away), axis=1), 1)
    found: Floats = np.sqrt(np.nansum(away * away, axis=1) / known)
    return found


def _with_passing(law: Beside, days: Sequence[Rows]) -> Beside:
    """A law with where its statistics lay in parts of days, each of which begins amid another."""
    figures = {_FAR: lower_fifth, _LEVEL: middles} if law.steady else {_FAR: lower_fifth}
    told: dict[str, list[Floats]] = {title: [] for title in figures}
    for day in days:
        apart = law.apart(day)
        if apart is None:
            continue
        things, moments = apart[0].shape
        length = max(ENOUGH_MOMENTS, moments // PARTS)
        starts = np.arange(0, moments - length + 1, length // 2)
        off, says = (
            one[:, starts[:, None] + np.arange(length)].reshape(-1, length) for one in apart
        )
        few = np.count_nonzero(says, axis=1) < max(ENOUGH_MOMENTS, ENOUGH_SHARE * length)
        for title, figure in figures.items():
            told[title].append(np.where(few, np.nan, figure(off, says)).reshape(things, -1))
    passing = {
        f"{title}{label}": (short(float(known.min())), short(float(known.max())))
        for title, parts in told.items()
        for label, own in zip(law.labels, np.concatenate(parts, axis=1), strict=True)
        if len(known := own[~np.isnan(own)])
    }
    return msgspec.structs.replace(law, passing=passing)


def _with_usual(law: Beside, numbers: Floats) -> Beside:
    """A law with how far each thing usually is from the others, by what it compares in training."""
    off, _ = beside(numbers, turns=law.turns)
    known = [one[~np.isnan(one)] for one in off]
    usual = [_usual(one, turns=law.turns) for one in known]
    away = [
        np.abs(wrapped(one - middle) if law.turns else one - middle)
        for one, middle in zip(known, usual, strict=True)
    ]
    middles = [float(np.median(one)) if len(one) else 0.0 for one in away]
    least = [LEAST_SCALE * float(np.mean(one)) if len(one) else 1.0 for one in away]
    scales = [max(*both, _TINY) for both in zip(middles, least, strict=True)]
    return msgspec.structs.replace(
        law,
        usual=tuple(map(short, usual)),
        scales=tuple(map(short, scales)),
        steady=all(middle > one for middle, one in zip(middles, least, strict=True)),
    )


def _usual(off: Floats, *, turns: bool) -> float:
    """The median of differences; of directions, beside their mean direction."""
    if not len(off):
        return 0.0
    if not turns:
        return float(np.median(off))
    mean = float(_direction(off[:, None], np.ones((len(off), 1), dtype=bool))[0])
    return mean + float(np.median(wrapped(off - mean)))
