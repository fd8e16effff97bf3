"""Bands: between which limits a statistic lay on every training day, and how far outside it is.

A band is a distribution-free tolerance interval (Wilks, "Determination of sample sizes for setting
tolerance limits", 1941): the smallest and the largest value of the training days. How far outside
of it a day has to be to count follows from the days themselves, each held against the band of the
others (the jackknife+ of Barber et al., "Predictive inference with the jackknife+", 2021), for all
statistics together: see `margins`.

Seasons move statistics slowly, and training may have seen one of them. So a band reaches as far as
two of the last published batches did, each of which was within the limits of then, or accepted: see
`Band.with_late`. What is sudden is outside of both.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot, inf, isinf, log
from typing import ClassVar, TypeVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import bars
from lockstep.laws.earlier import Earlier
from lockstep.laws.glance import MOST_ROWS
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

RATE = 0.01
"""Share of batches without any change on which any statistic of any law is unusual, by chance."""
ERROR_RATE = 0.002
"""Share of them on which any is so far outside that it is held to be impossible."""
SELDOM = ERROR_RATE / 100
"""How often chance alone breaks a law of a single column, at most: there are up to a hundred."""
UNUSUAL = 1.5
"""Half widths outside of its band, and beyond what any training day was, from which on a statistic
is unusual that was not calibrated together with others: of an older version, or of a law alone."""
IMPOSSIBLE = 2.2
"""The same, with twice that reach, of what cannot be."""
LIKE = 1.3
"""How many times as many rows as the largest training day a day may have, or as the smallest as
few, to be compared with them."""
MOST_DAYS = 16
"""Days of a batch that are judged, spread evenly over it."""
LATE = 7
"""Published batches whose statistics are usual, too: a week, so that what weekends do is in it."""
LATE_TIMES = 2
"""How many of them have to lie as far outside of a band: one may be by chance."""
WIDER = 2.0
"""How many times as wide as by the training a band's half widths are for them, at most."""
PARTS = 10
"""Parts of a band, in which training days are counted."""
_NARROWEST = 1e-12
_WIDEST = 1e6
"""What is counted of a wider margin, of what no day can break."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A statistic of some rows.

    Attributes:
        value: Its value.
        noise: Its standard deviation by chance alone, at this number of rows.
    """

    value: float
    noise: float


class Band(msgspec.Struct, frozen=True, array_like=True):
    """Where a statistic lay on the training days.

    Attributes:
        lowest: Its smallest value.
        middle: Its median.
        highest: Its largest value.
        reach: How far outside of the band of the others the farthest training day was, in half
            widths.
        unusual: Half widths outside of the band from which on it is unusual; 0 while that is not
            calibrated.
        impossible: Half widths outside of the band from which on it cannot be.
        histogram: One of the training days, from the smallest value to the largest.
    """

    lowest: float
    middle: float
    highest: float
    reach: float
    unusual: float = 0.0
    impossible: float = 0.0
    histogram: str = ""

    def beyond(self, reading: Reading) -> float:
        """How far outside a reading is, in half widths of its side; 0 within."""
        value = reading.value
        if value > self.highest:
            return (value - self.highest) / self._above(reading.noise)
        if value < self.lowest:
            return (self.lowest - value) / self._below(reading.noise)
        return 0.0

    def share(self, reading: Reading, *, only_above: bool) -> float:
        """How much of the way from the median to where it is unusual a reading goes: 1 there.

        Args:
            reading: The reading.
            only_above: Whether only what lies above is outside.
        """
        away, margin = reading.value - self.middle, self.warns_beyond
        if away >= 0:
            return away / (self.highest - self.middle + margin * self._above(reading.noise))
        if only_above:
            return 0.0
        return -away / (self.middle - self.lowest + margin * self._below(reading.noise))

    def is_impossible(self, beyond: float) -> bool:
        """Whether that is so far outside that it cannot be."""
        return beyond > self.blocks_beyond

    @property
    def warns_beyond(self) -> float:
        """Half widths outside of the band from which on it is unusual."""
        return self.unusual or UNUSUAL + self.reach

    @property
    def blocks_beyond(self) -> float:
        """Half widths outside of the band from which on it cannot be."""
        if self.impossible:
            return self.impossible
        return IMPOSSIBLE + 2 * self.reach if self.reach <= IMPOSSIBLE else inf

    @property
    def width(self) -> float:
        """How much passes it: the wider the band and its margins, the more."""
        margins = min(self.warns_beyond, _WIDEST) + min(self.blocks_beyond, _WIDEST)
        return self.highest - self.lowest + margins

    def among(self, parts: int) -> Band:
        """The band with limits that any of several parts passes as seldom as one passes its own.

        What lies beyond a band has an exponential tail, of which both limits tell the scale: see
        `margins`.

        Args:
            parts: Days or blocks of rows that are judged together.
        """
        if parts == 1 or isinf(self.blocks_beyond):
            return self
        further = log(parts) / log(RATE / ERROR_RATE) * (self.blocks_beyond - self.warns_beyond)
        return msgspec.structs.replace(
            self,
            unusual=self.warns_beyond + further,
            impossible=self.blocks_beyond + further,
        )

    def with_late(self, late: Sequence[float]) -> Band:
        """The band, as far as `LATE_TIMES` of the last published batches lay outside of it.

        Args:
            late: What those batches told that were outside of the band.
        """
        if len(late) < LATE_TIMES:
            return self
        ordered = sorted(late)
        return Moved(
            min(self.lowest, ordered[LATE_TIMES - 1]),
            self.middle,
            max(self.highest, ordered[-LATE_TIMES]),
            self.reach,
            self.unusual,
            self.impossible,
            self.histogram,
            self,
        )

    def limits(self, beyond: float, noise: float) -> tuple[float, float]:
        """The values that lie so far outside, below and above.

        Args:
            beyond: Half widths outside of the band.
            noise: What chance does at a number of rows.
        """
        return (
            self.lowest - beyond * self._below(noise),
            self.highest + beyond * self._above(noise),
        )

    def _above(self, noise: float) -> float:
        return max(hypot(self.highest - self.middle, 3 * noise), _NARROWEST)

    def _below(self, noise: float) -> float:
        return max(hypot(self.middle - self.lowest, 3 * noise), _NARROWEST)


class Moved(Band, frozen=True, array_like=True):
    """A band that goes as far as batches of late did.

    Half widths go from the median of the training to there, since the farther a season leads from
    what training saw, the less that tells of how far days lie apart; but to twice what they are
    by the training at most: otherwise each step would make room for a larger one.

    Attributes:
        training: Where the statistic lay on the training days.
    """

    training: Band | None = None

    def _above(self, noise: float) -> float:
        assert self.training is not None
        return min(super()._above(noise), WIDER * self.training._above(noise))

    def _below(self, noise: float) -> float:
        assert self.training is not None
        return min(super()._below(noise), WIDER * self.training._below(noise))


@dataclass(frozen=True)
class Spans:
    """Where statistics lay on some days, and how far outside of the others each day was.

    Attributes:
        lowest: The smallest value of each; NaN where no day tells it.
        middle: The medians.
        highest: The largest values.
        outside: Half widths outside of the band of the other days: days by statistics; 0 where
            a day does not tell.
        days: How many days tell each.
    """

    lowest: Floats
    middle: Floats
    highest: Floats
    outside: Floats
    days: Ints

    @classmethod
    def of(cls, values: Floats, noise: Floats, only_above: Array) -> Spans:
        """The spans of readings.

        Args:
            values: Statistics: days by statistics, NaN where a day does not tell one.
            noise: Their standard deviations by chance.
            only_above: Of which statistics only what lies above a band is outside of it.
        """
        ordered = np.sort(values, axis=0)  # what is not told comes last
        days = np.count_nonzero(~np.isnan(values), axis=0)
        lowest, second = ordered[0], ordered[min(1, len(ordered) - 1)]
        highest, last = (_at(ordered, np.maximum(days - back, 0)) for back in (1, 2))
        middle = (_at(ordered, np.maximum(days - 1, 0) // 2) + _at(ordered, days // 2)) / 2
        outside = how_far_outside(
            values,
            noise,
            (
                np.where(values == lowest, second, lowest),
                middle,
                np.where(values == highest, last, highest),
            ),
            only_above,
        )
        return cls(lowest, middle, highest, outside, days)


def _at(ordered: Floats, places: Ints) -> Floats:
    found: Floats = np.take_along_axis(ordered, np.minimum(places, len(ordered) - 1)[None], 0)[0]
    return found


def how_far_outside(
    values: Floats, noise: Floats, band: tuple[Floats, Floats, Floats], only_above: Array
) -> Floats:
    """How far outside of bands readings are, in half widths of their side.

    Args:
        values: Statistics: days by statistics, NaN where a day does not tell one.
        noise: Their standard deviations by chance.
        band: The smallest value, the median and the largest one.
        only_above: Of which statistics only what lies above a band is outside of it.
    """
    lowest, middle, highest = band
    above = (values - highest) / np.maximum(np.hypot(highest - middle, 3 * noise), _NARROWEST)
    below = (lowest - values) / np.maximum(np.hypot(middle - lowest, 3 * noise), _NARROWEST)
    farther = np.fmax(above, np.where(only_above, 0.0, below))
    return np.nan_to_num(np.fmax(farther, 0.0), nan=0.0)


def _histogram(values: Floats, lowest: float, highest: float) -> str:
    """The training days from the smallest value to the largest."""
    if not highest > lowest:
        return bars(np.ones(1))
    known = values[~np.isnan(values)]
    return bars(np.histogram(known, PARTS, (lowest, highest))[0])


@dataclass(frozen=True)
class Standing:
    """Where a statistic of a day stands.

    Attributes:
        law: Its law.
        name: Its name.
        reading: What it is.
        band: Where it lay on the training days and of late, with limits for as many days as are
            judged.
        share: How much of the way from the median to where it is unusual it goes: 1 there.
    """

    law: Banded
    name: str
    reading: Reading
    band: Band
    share: float

    @property
    def title(self) -> str:
        """What it is to a reader."""
        return self.law.titles.get(self.name, self.name)

    @property
    def is_outside(self) -> bool:
        """Whether no training day was so far from the others, whatever batches of late were."""
        usual, value = self.law.bands[self.name], self.reading.value
        return value > usual.highest or (value < usual.lowest and not self.law.only_above)

    @property
    def is_of_late(self) -> bool:
        """Whether it is usual for what batches of late told, and would not be for training."""
        usual = self.law.bands[self.name]
        is_moved = (usual.lowest, usual.highest) != (self.band.lowest, self.band.highest)
        return is_moved and self.share <= 1 < usual.share(
            self.reading, only_above=self.law.only_above
        )

    @property
    def histogram(self) -> str:
        """Training days and, as a mark, this one: within their band, or before or after it."""
        usual, value = self.law.bands[self.name], self.reading.value
        drawn = usual.histogram
        if value > usual.highest:
            return f"{drawn}{_APART}{_MARK}"
        if value < usual.lowest:
            return f"{_MARK}{_APART}{drawn}"
        width = (usual.highest - usual.lowest) or 1.0
        place = min(int((value - usual.lowest) / width * len(drawn)), len(drawn))
        return f"{drawn[:place]}{_MARK}{drawn[place:]}"


_MARK = "◆"
_APART = "\N{NO-BREAK SPACE}"


class Banded(Law, frozen=True, kw_only=True):
    """A law that keeps statistics of a batch within bands.

    Attributes:
        bands: The band of each statistic, by its name.
        size: Rows of the smallest and of the largest training day.
        told: What each training day told of each statistic, in order, a value and its noise, or
            nothing; none of a law whose bands are calibrated.
        known_as: The law's digest, see `digest`; none of one whose bands are not calibrated, and of
            a version that an older Lockstep fitted.
    """

    bands: dict[str, Band] = msgspec.field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    told: dict[str, list[tuple[float, float] | None]] = msgspec.field(default_factory=dict)
    known_as: str = ""
    only_above: ClassVar[bool] = False
    """Whether only what lies above a band is outside of it."""
    titles: ClassVar[Mapping[str, str]] = {}
    """What statistics are to a reader, where their names do not say it."""

    @abstractmethod
    def measure(self, rows: Rows) -> dict[str, Reading]:
        """The statistics of some rows, by name; without those that these rows cannot tell."""

    @abstractmethod
    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """What a statistic of some rows, outside of its band, means for a person."""

    def sort_of(self, name: str) -> str:
        """Which of the law's statistics, that vary alike, one belongs to: all of them are one."""
        return ""

    def suspects(self, name: str, reading: Reading, usual: Band) -> tuple[str, ...]:
        """The columns that may be at fault where a statistic is outside of its band."""
        return self.columns

    def rows_of(self, rows: Rows, name: str) -> Array:
        """Positions of the rows that put a statistic outside of its band; none where all do."""
        return np.empty(0, dtype=np.int64)

    def is_told(self, one: Standing, rows: Rows) -> bool:
        """Whether a statistic that is beyond its limits says something, by the rows of its day."""
        return True

    def find_besides(self, rows: Rows) -> Broken | None:
        """What breaks the law wherever statistics lie, in the first day that does; None by itself.

        Args:
            rows: The batch.
        """
        return None

    def find(self, rows: Rows) -> Broken | None:
        """What cannot be, else what is unusual, else nothing; see `Law.find`."""
        found, besides = self._farthest(rows), self.find_besides(rows)
        if found is None or not found.strict:
            return besides or found
        if besides is None or not besides.strict:
            return found
        return replace(found, cases=found.cases | besides.cases)  # to be accepted all of them

    def _farthest(self, rows: Rows) -> Broken | None:
        """The statistic that is farthest outside of its band; each day is judged by itself."""
        found = [
            (rank, one, part)
            for part in days_like(rows, self.size)
            for rank, one in self._far(part)
        ]
        if not found:
            return None
        (impossible, _), one, part = max(found, key=lambda told: told[0])
        positions = self.rows_of(part.rows, one.name)
        return Broken(
            law=self,
            columns=self.suspects(one.name, one.reading, self.bands[one.name]),
            message=self.tell(one.name, one.reading, self.bands[one.name], part.rows),
            rows=part.in_batch(positions),
            strict=impossible and self.days >= ENOUGH_DAYS,
            numbers={one.name: one.reading.value},
            cases=_cases(each for (rank, _), each, _ in found if rank == impossible),
        )

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`; the rows of days, of each of them a sample where it has many."""
        return sum(min(len(part.rows), MOST_ROWS) for part in days_like(rows, self.size))

    def standings(self, rows: Rows) -> list[Standing]:
        """Where each statistic stands, on the day on which it is nearest to its limits.

        One that is beyond them, and that the rows are not enough to tell, is left out.

        Args:
            rows: The batch.
        """
        found: dict[str, Standing] = {}
        for part in days_like(rows, self.size):
            told = [
                one for one in self.stand(part) if one.share <= 1 or self.is_told(one, part.rows)
            ]
            found |= {one.name: one for one in told if _is_farther(one, found)}
        return list(found.values())

    def stand(self, part: Part) -> list[Standing]:
        """Where each statistic of a day stands; measured once, though judged and listed.

        Args:
            part: The day, with the batches before it.
        """
        return part.rows.once(("standings", id(self)), lambda: self._find_standings(part))

    def _find_standings(self, part: Part) -> list[Standing]:
        measured = self.measure(part.rows)
        late = self._late(part)
        found = []
        for name, usual in self.bands.items():
            reading = measured.get(name)
            if reading is not None:
                band = usual.with_late(late.get(name, ())).among(part.judged)
                share = band.share(reading, only_above=self.only_above)
                found.append(Standing(self, name, reading, band, share))
        return found

    def _late(self, part: Part) -> Mapping[str, Sequence[float]]:
        """What the last batches told of statistics that were outside of their bands.

        A law is digested only where one of its statistics is named alike: most have none.
        """
        late = part.late
        return {} if late.names.isdisjoint(self.bands) else late.told.get(self.digest, {})

    def strayed(self, rows: Rows) -> dict[str, float]:
        """What a batch tells of the statistics that are outside of the band of the training days.

        Of several days, that of the one on which a statistic is nearest to its limits.

        Args:
            rows: The batch.
        """
        found: dict[str, Standing] = {}
        for part in days_like(rows, self.size):
            outside = [one for one in self.stand(part) if one.is_outside]
            found |= {one.name: one for one in outside if _is_farther(one, found)}
        return {name: short(one.reading.value) for name, one in found.items()}

    @property
    def digest(self) -> str:
        """Tells the law apart from all others, also from one of the same columns after another fit.

        16 hexadecimal digits of the SHA-256 of its kind, columns and bands as JSON: what a later
        Lockstep keeps of a law beside these does not make it another one. It is kept with the law,
        since a day asks for those of hundreds.
        """
        return self.known_as or self._digest_of(self.bands)

    def _far(self, part: Part) -> Iterator[tuple[tuple[bool, float], Standing]]:
        """The unusual statistics of a day: whether each cannot be, and how far it is."""
        for one in self.stand(part):
            if one.share > 1 and self.is_told(one, part.rows):
                yield (one.band.is_impossible(one.band.beyond(one.reading)), one.share), one


def _cases(found: Iterable[Standing]) -> dict[str, float]:
    """Which statistics are outside, on which side, and how many half widths on the worst day."""
    cases: dict[str, float] = {}
    for one in found:
        case = f"{one.name} {'above' if one.reading.value > one.band.middle else 'below'}"
        cases[case] = max(short(one.band.beyond(one.reading)), cases.get(case, 0.0))
    return cases


def _is_farther(one: Standing, found: Mapping[str, Standing]) -> bool:
    """Whether a statistic is nearer to its limits than on the days that were looked at before."""
    return one.name not in found or one.share > found[one.name].share


@dataclass(frozen=True, eq=False)
class Late:
    """Statistics that were outside of their bands in published batches.

    Attributes:
        told: By the digest of their law and their name, what each of these batches told; without
            those that too few of them tell of.
        names: Their names, of whichever laws.
    """

    told: Mapping[str, Mapping[str, Sequence[float]]]
    names: frozenset[str]

    @classmethod
    def of(cls, batches: Sequence[Earlier]) -> Late:
        """Those of some batches, the newest last."""
        told: dict[str, dict[str, list[float]]] = {}
        for digest, values in (law for one in batches for law in one.strayed.items()):
            of_law = told.setdefault(digest, {})
            for name, value in values.items():
                of_law.setdefault(name, []).append(value)
        often = {
            digest: {name: values for name, values in of_law.items() if len(values) >= LATE_TIMES}
            for digest, of_law in told.items()
        }
        return cls(often, frozenset(name for of_law in often.values() for name in of_law))


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a batch that are judged as a day.

    Attributes:
        rows: The rows.
        positions: Where they are in the batch; None where they are all of it.
        judged: How many days of the batch are judged.
        earlier: The batches that were published before, the newest last.
    """

    rows: Rows
    positions: Array | None = None
    judged: int = 1
    earlier: tuple[Earlier, ...] = ()

    @property
    def late(self) -> Late:
        """What the last batches told of statistics that were outside of their bands."""
        return self.rows.once("late", lambda: Late.of(self.earlier[-LATE:]))

    def in_batch(self, positions: Ints) -> Ints:
        """Where in the batch some of its rows are."""
        return positions if self.positions is None else self.positions[positions]


def days_like(rows: Rows, size: tuple[int, int]) -> tuple[Part, ...]:
    """The days of a batch that have about as many rows as training days, some of them if many.

    Rows without an event time are parted into blocks.

    Args:
        rows: The batch.
        size: Rows of the smallest and of the largest training day.
    """
    parts = rows.once(("days like", size), lambda: _days_like(rows, size))
    return (Part(rows, earlier=rows.earlier),) if parts is None else parts


def _days_like(rows: Rows, size: tuple[int, int]) -> tuple[Part, ...] | None:
    """These days; None where all rows are one: rows that keep themselves are freed late."""
    if not len(rows):
        return ()
    parted = TrainingRows.of(rows, max(size[1], 1))
    counts = np.bincount(parted.day_of[parted.day_of >= 0], minlength=parted.days)
    alike = np.flatnonzero((counts >= size[0] / LIKE) & (counts <= size[1] * LIKE))
    if not len(alike):
        return ()
    if len(alike) == 1 and counts[alike[0]] == len(rows):
        return None
    chosen = alike[np.unique(np.linspace(0, len(alike) - 1, MOST_DAYS).astype(np.int64))]
    places = [np.flatnonzero(parted.day_of == day) for day in chosen]
    return tuple(Part(rows.take(one), one, len(places), rows.earlier) for one in places)


Kept = TypeVar("Kept", bound=Banded)
Value = TypeVar("Value")


def fitted(candidates: Sequence[Kept], days: Sequence[Rows]) -> list[Kept]:
    """Laws with the bands of their statistics; without those that no band can be had of.

    Args:
        candidates: Laws without bands.
        days: The rows of each training day.
    """
    found = (with_bands(one, [one.measure(day) for day in days], days) for one in candidates)
    return [law for law in found if law is not None]


def with_bands(
    law: Kept, measured: Sequence[Mapping[str, Reading]], days: Sequence[Rows]
) -> Kept | None:
    """A law with the bands of its statistics; None if it has none on enough days.

    Args:
        law: The law without bands.
        measured: Its statistics on each training day, which that day had no part in.
        days: The rows of each of these days.
    """
    names = dict.fromkeys(name for one in measured for name in one)
    told = {name: [_pair(one.get(name)) for one in measured] for name in names}
    known = {
        name: days_of
        for name, days_of in told.items()
        if len(days_of) - days_of.count(None) >= ENOUGH_DAYS
    }
    if not known:
        return None
    values, noise = readings_of(known.values())
    spans = Spans.of(values, noise, np.full(len(known), law.only_above))
    found = np.column_stack(
        [spans.lowest, spans.middle, spans.highest, spans.outside.max(axis=0)]
    ).tolist()
    figures = [[short(number) for number in row] for row in found]
    bands = {
        name: Band(low, middle, high, reach, histogram=_histogram(column, low, high))
        for name, (low, middle, high, reach), column in zip(known, figures, values.T, strict=True)
    }
    return msgspec.structs.replace(
        law,
        bands=bands,
        days=len(days),
        broken=int(np.count_nonzero((spans.outside > IMPOSSIBLE).any(axis=1))),
        size=(min(map(len, days)), max(map(len, days))),
        told=known,
    )


def _pair(reading: Reading | None) -> tuple[float, float] | None:
    return None if reading is None else (reading.value, reading.noise)


def readings_of(told: Iterable[Sequence[tuple[float, float] | None]]) -> tuple[Floats, Floats]:
    """What days told of statistics, and the noise of it: days by statistics, NaN for nothing.

    Args:
        told: Of each statistic what each day told: see `Banded.told`.
    """
    nothing = (np.nan, np.nan)
    both = np.array([[nothing if one is None else one for one in days] for days in told])
    return both[:, :, 0].T, both[:, :, 1].T


def short(number: float) -> float:
    """A number with as many digits as a stored band has."""
    return float(f"{number:.6g}")


def training_days(training: TrainingRows) -> list[Rows]:
    """The training days that are large enough to be compared with each other; none if too few."""
    days = [day for day in training.each() if len(day)]
    return days if len(days) >= ENOUGH_DAYS else []


def had_before(values: Iterable[Iterable[Value]]) -> Iterator[frozenset[Value] | None]:
    """What the training days before each day had; None of a day before which there are too few.

    What is new comes with time, as the name of a month that begins, and may be frequent from then
    on. Held against later days too, no training day would ever have had anything new.

    Args:
        values: What each day had, the oldest first.
    """
    before: set[Value] = set()
    for number, one in enumerate(values):
        yield frozenset(before) if number >= ENOUGH_DAYS else None
        before.update(one)


def share(count: float, rows: float) -> Reading:
    """A share as a reading, with what chance alone does (Agresti and Coull, 1998)."""
    expected = (count + 2) / (rows + 4)
    return Reading(count / max(rows, 1), float(np.sqrt(expected * (1 - expected) / (rows + 4))))
