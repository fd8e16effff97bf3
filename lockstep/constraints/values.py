"""Values: features of a single column, whatever the others of its row hold.

Missing, zero, negative, a value or a form that training never had, off the grid of its decimals,
beyond its range; the shares of common values, and the rank of a number among those of training.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.digests import among
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.cells import by_cell
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.forms import forms_of
from lockstep.constraints.layout import Layout
from lockstep.constraints.past import DAYS
from lockstep.constraints.quantities import CELLS, Quantity, value
from lockstep.constraints.quantity_values import evaluate, row_before
from lockstep.constraints.thresholds import (
    HALF,
    MOST_KNOWN,
    NEARLY,
    STRICT_ROWS,
    STRICT_THINGS,
)
from lockstep.constraints.view import View
from lockstep.stats.limits import BLOCKS

FAMILY = "values"
_GRIDS = (1.0, 0.1, 0.01, 0.001, 1e-4)
_UNITS = (100.0, 10.0, 5.0, 1.0, 0.5, 0.1, 0.01)
"""Units that numbers may be multiples of."""
_QUANTILES = 2_049
"""Quantiles of training that are kept: a place is known to a two thousandth."""
_FARTHEST = 1e6
"""How many times as far as chance moves it the number of a day is from the middle, at most."""
_TIMES_APART = 3
"""How many times as far from zero as apart the least numbers of blocks of days are, at least. So
far beyond five blocks a sixth goes once in some thousands (Gumbel, "Statistics of extremes", 1958).
"""
_UNSEEN = "hold a value that training never had"
Never = Literal["zero", "negative"]


class Number(msgspec.Struct, frozen=True, dict=True):
    """What training had of a number."""

    quantity: Quantity
    quantiles: bytes  # float64, evenly spaced by rank
    grid: float  # the unit that all numbers are multiples of; 0 where there is none
    units: tuple[float, ...]  # coarser units that only some are multiples of
    top: float
    # the kinds of number that training never had and came nowhere near to
    never: tuple[Never, ...] = ()
    known: bytes = b""  # uint64, digests of the values of a category, in order; empty for others
    # of a column with one value a day, the middle of its days and how chance moves one
    by_day: tuple[float, float] | None = None

    @property
    def sorted(self) -> Floats:
        """The quantiles: float64, rising."""
        return np.frombuffer(self.quantiles, dtype="<f8")

    def place(self, numbers: Floats) -> Floats:
        """The ranks of numbers among those of training, from -1 to 1; NaN where there is none."""
        steps, ranks = self._ranks
        at = np.minimum(np.searchsorted(steps, numbers), len(steps) - 1)
        places: Floats = ranks[2 * at + (steps[at] == numbers)]
        places[numbers > steps[-1]] = 1.0
        places[~np.isfinite(numbers)] = np.nan
        return places

    @cached_property
    def _ranks(self) -> tuple[Floats, Floats]:
        """The different numbers of training, and the ranks before and at each, by turns."""
        steps, counts = np.unique(self.sorted, return_counts=True)
        before = np.concatenate([[0], np.cumsum(counts)])
        at = (before[:-1] + before[1:]) / 2
        return steps, np.column_stack([before[:-1], at]).ravel() * 2 / before[-1] - 1


class Text(msgspec.Struct, frozen=True):
    """What training had of a text."""

    column: str
    known: bytes  # uint64, digests of the values in order; empty where there were too many
    forms: tuple[str, ...]
    common: tuple[str, ...]  # the most frequent forms
    is_fine: bool  # whether forms count digits
    is_closed: bool = False  # whether the later training days had no value that was new


class Values(msgspec.Struct, frozen=True, tag=FAMILY):
    """What training had of each column."""

    numbers: tuple[Number, ...]
    texts: tuple[Text, ...]

    def number(self, quantity: Quantity) -> Number | None:
        """What training had of a number; None where it had too few."""
        return next((number for number in self.numbers if number.quantity == quantity), None)

    def place(self, quantity: Quantity, view: View) -> Floats:
        """The rank of a quantity among the numbers of training: float64, -1 to 1; NaN for none."""

        def made() -> Floats:
            known = self.number(quantity) or self.number(value(quantity.fields[0]))
            assert known is not None, "places are of fields that training had"
            if quantity.made in CELLS:
                cells, numbers = by_cell(view, quantity)
                return known.place(numbers)[cells.place]
            return known.place(evaluate(view, quantity))

        return view.once(("place", quantity), made)

    def place_before(self, quantity: Quantity, view: View) -> Floats:
        """The rank of a quantity of the row before: float64; NaN where the day has none."""

        def made() -> Floats:
            known = self.number(quantity)
            assert known is not None, "places are of numbers that training had"
            return known.place(row_before(view, quantity))

        return view.once(("place before", quantity), made)

    def _range(self, place: int, view: View) -> tuple[Floats, Floats]:
        """The range of a number, by training and by the batches before."""
        number = self.numbers[place]
        if view.fold is not None:
            return _held_out_range(evaluate(view, number.quantity), view.fold)
        lows, highs = self._ranges(view)
        return lows[view.group, place], highs[view.group, place]

    def _ranges(self, view: View) -> tuple[Floats, Floats]:
        """The range of each number by training and by what came before, by day.

        Days that are held back widen none.
        """
        return view.once("ranges", lambda: self._ranges_of(view))

    def _ranges_of(self, view: View) -> tuple[Floats, Floats]:
        of_numbers = (number.sorted for number in self.numbers)
        trained = np.array([(known[0], known[-1]) for known in of_numbers]).reshape(-1, 2).T
        past = [
            batch for batch in view.past
            if len(batch.low) == trained[0].nbytes and not batch.blocked
        ]  # fmt: skip
        days = np.array([*(batch.day for batch in past), *view.days.tolist()], dtype=np.int64)
        held_back = np.isin(view.days, list(view.held_back))[:, None]
        ranges = []
        for of_training, end, own, widest in zip(
            trained, ("low", "high"), self.ends(view.whole), (np.fmin, np.fmax), strict=True
        ):
            of_past = [np.frombuffer(getattr(batch, end), dtype="<f8") for batch in past]
            known = np.array([*of_past, *np.where(held_back, np.nan, own)])
            of_days = np.empty((len(view.days), len(self.numbers)))
            for at, day in enumerate(view.days.tolist()):
                before = len(past) + at
                near = known[:before][days[:before] >= day - DAYS]
                of_days[at] = widest.reduce(np.vstack([of_training, near]))
            ranges.append(of_days)
        low, high = ranges
        return low, high

    def ends(self, view: View) -> tuple[Floats, Floats]:
        """The least and the greatest of each number: days x numbers; NaN where there is none."""
        return view.once("ends", lambda: self._ends(view))

    def _ends(self, view: View) -> tuple[Floats, Floats]:
        order = np.argsort(view.group, kind="stable")
        starts = np.searchsorted(view.group[order], np.arange(len(view.days)))
        shape = (len(view.days), len(self.numbers))
        low, high = np.empty(shape), np.empty(shape)
        for place, number in enumerate(self.numbers):
            own = evaluate(view, number.quantity)[order]
            own = np.where(np.isfinite(own), own, np.nan)
            low[:, place], high[:, place] = (
                widest.reduceat(own, starts) for widest in (np.fmin, np.fmax)
            )
        return low, high

    def evaluate(self, view: View) -> Iterator[Measured]:
        """The features of each row."""
        layout = view.layout
        for name in layout.fields:
            yield _of(("missing", name, "have no value"), view.missing(name))
        for name in layout.dates:
            lacking = np.isnan(evaluate(view, moment_of(layout, name)))
            unread = np.where(view.missing(name), np.nan, lacking)
            yield _of(("form", name, "are no date"), unread, by_row=True)
        for text in self.texts:
            yield from _of_text(text, view)
        for name, common in layout.categories.items():
            if name not in layout.dated:
                yield from _shares(name, common, view)
        for at, number in enumerate(self.numbers):
            if number.quantity.fields[0] in layout.dated:
                yield from _of_days(number, view, self._range(at, view))
                continue
            if number.quantity.made == "digits":
                continue
            place, ends = self.place(number.quantity, view), self._range(at, view)
            yield from _of_number(number, view, place, ends)
        if layout.event_time is not None:
            yield from _of_clock(layout.event_time, view)

    def breaks(self, feature: Feature, view: View) -> Array:
        """Which rows break a strict feature: 0 or 1; NaN where it does not apply."""
        name = feature.columns[0]
        if feature.kind == "unseen":
            text = next(text for text in self.texts if text.column == name)
            return _unseen(view, name, text.known)
        return _has(feature.kind, evaluate(view, value(name)))


def discover(view: View) -> Values:
    """Learn what training rows have of each column."""
    numbers = [_number(quantity, view) for quantity in raw_quantities(view.layout)]
    texts = tuple(_text(name, view) for name in view.layout.texts)
    return Values(tuple(number for number in numbers if number is not None), texts)


def moment_of(layout: Layout, name: str) -> Quantity:
    """The number of a field with times: hours since the event of its row, or of the day."""
    has_day = "%Y" in layout.dates.get(name, "%Y")
    return Quantity("lapse" if has_day else "clock", (name,))


def raw_quantities(layout: Layout) -> list[Quantity]:
    """The numbers that are made of a row's own fields."""
    quantities = [value(name) for name in layout.numbers]
    quantities += [Quantity("clock", (name,)) for name in layout.clocks]
    if layout.event_time is not None:
        quantities.append(Quantity("clock", (layout.event_time,)))
    moments = [*layout.times, *layout.dates]
    quantities += [moment_of(layout, name) for name in moments]
    quantities += [Quantity("clock", (name,)) for name in layout.times]
    with_day = [name for name in moments if moment_of(layout, name).made == "lapse"]
    for place, first in enumerate(with_day):
        for second in with_day[place + 1 :]:
            if (first in layout.dates) == (second in layout.dates):
                quantities.append(Quantity("span", (first, second)))
    if layout.key is not None:
        quantities.append(Quantity("digits", (layout.key,)))
    return quantities


def grid_of(numbers: Floats) -> float:
    """The largest power of ten, up to 1, that all numbers are multiples of; 0 for none."""
    known = numbers[np.isfinite(numbers)][:6_000]
    for grid in _GRIDS:
        if len(known) and np.all(is_on(known, grid)):
            return grid
    return 0.0


def is_on(numbers: Floats, grid: float) -> Array:
    """Which numbers are multiples of a grid, up to rounding: bool."""
    steps = numbers / grid
    return np.abs(steps - np.round(steps)) < 1e-6 * np.maximum(np.abs(steps), 1.0)


def _number(quantity: Quantity, view: View) -> Number | None:
    numbers = evaluate(view, quantity)
    known = numbers[np.isfinite(numbers)]
    if len(known) < 20:
        return None
    quantiles = np.quantile(known, np.linspace(0, 1, min(_QUANTILES, len(known))), method="nearest")
    grid = grid_of(known) if quantity.made == "value" else 0.0
    units = [unit for unit in _UNITS if grid == 0 or unit > grid * 1.01]
    values, counts = np.unique(known, return_counts=True)
    name, is_value = quantity.fields[0], quantity.made == "value"
    is_dated = is_value and name in view.layout.dated
    is_category = name in view.layout.categories and len(values) <= HALF * len(view.days)
    codes = np.unique(view.code(name)) if is_dated and is_category else np.empty(0)
    return Number(
        quantity,
        quantiles.astype("<f8").tobytes(),
        grid,
        tuple(unit for unit in units if is_on(known, unit).mean() < 0.98),
        float(values[counts.argmax()]),
        never=_never(numbers, view) if is_value else (),
        known=codes[codes != 0].astype("<u8").tobytes(),
        by_day=_by_day(numbers, view) if is_dated and not is_category else None,
    )


def _never(numbers: Floats, view: View) -> tuple[Never, ...]:
    """The kinds of number that training never had and came nowhere near to.

    The least numbers of its blocks of days are several times as far from zero as they are apart: a
    temperature that sinks from block to block will be below zero some day.
    """
    assert view.fold is not None, "training rows are held out by blocks of days"
    known = np.isfinite(numbers)
    own = numbers[known]
    least = np.full(BLOCKS, np.inf)
    np.minimum.at(least, view.fold[known], np.abs(own))
    is_tried = len(own) >= STRICT_ROWS and len(np.unique(own)) >= STRICT_THINGS
    apart = _TIMES_APART * (least.max() - least.min())
    if not is_tried or not least.min() >= apart:
        return ()
    kinds: list[Never] = []
    if own.min() > 0 or own.max() < 0:
        kinds.append("zero")
    if own.min() >= 0:
        kinds.append("negative")
    return tuple(kinds)


def _by_day(numbers: Floats, view: View) -> tuple[float, float] | None:
    """The middle of the numbers that days have, and by how much chance moves one.

    That is learnt of the days on which it moves (half of the mean square of successive differences:
    von Neumann, 1941): a price that stands for months moves as far as it did before.

    None where they count days: such a number has no level, and begins anew when it may.
    """
    known = np.flatnonzero(np.isfinite(numbers))
    of_days = numbers[known[np.unique(view.day[known], return_index=True)[1]]]
    moves = np.diff(of_days)
    steps, times = np.unique(moves, return_counts=True)
    if not moves.any() or np.any(times[steps != 0] >= HALF * times.sum()):
        return None
    return float(np.median(of_days)), float(np.sqrt(np.mean(moves[moves != 0] ** 2) / 2))


def _is_closed(name: str, view: View) -> bool:
    """Whether a text had all its values early in training, and none that came only once.

    Later days without a new value, and enough of them, show that new ones are no habit. Days that
    have one value together, such as that of a week, are one.
    """
    assert view.fold is not None, "training rows are held out by blocks of days"
    codes = view.code(name)
    known, late = codes != 0, view.fold >= BLOCKS // 2
    days, first = np.unique(view.day[known & late], return_index=True)
    tried = len(days)
    if name in view.layout.dated:
        tried = int(np.count_nonzero(np.diff(codes[known & late][first])))
    if known.sum() < STRICT_ROWS or tried < STRICT_THINGS:
        return False
    is_early = np.isin(codes[known & late], codes[known & ~late]).all()
    return bool(is_early and not newness(view, codes, codes)[known].any())


def _text(name: str, view: View) -> Text:
    values = pd.unique(view.columns[name][~view.missing(name)])
    fine = forms_of(values, is_fine=True)
    is_fine = len({*fine}) <= NEARLY * len(view)
    forms = fine if is_fine else forms_of(values, is_fine=False)
    counts = pd.Series(dict(zip(values, forms, strict=True)), dtype=object)
    of_rows = pd.Series(view.columns[name]).map(counts).value_counts()
    known = np.unique(view.code(name))
    known = known[known != 0]
    return Text(
        name,
        (known if len(known) <= MOST_KNOWN else known[:0]).astype("<u8").tobytes(),
        tuple(of_rows.index.tolist()),
        tuple(of_rows.index[:6].tolist()),
        is_fine,
        is_closed=_is_closed(name, view),
    )


def _of(
    what: tuple[str, str, str], values: Array, *, by_row: bool = False, strict: bool = False
) -> Measured:
    kind, column, says = what
    return Measured(Feature(FAMILY, kind, (column,), says, by_row, strict), values)


def _of_text(text: Text, view: View) -> Iterator[Measured]:
    name = text.column
    missing = view.missing(name)
    if text.known:
        unseen = _unseen(view, name, text.known)
        yield _of(("unseen", name, _UNSEEN), unseen, by_row=True, strict=text.is_closed)
    places, strings = pd.factorize(view.columns[name])
    forms = np.array([*forms_of(strings, is_fine=text.is_fine), ""], dtype=object)
    form_codes = np.unique(forms, return_inverse=True)[1].astype(np.uint64)
    if view.fold is not None:
        new = newness(view, form_codes[places], form_codes[:0])
    else:
        new = ~np.isin(forms, np.array([*text.forms, ""], dtype=object))[places]
    says = "have a form that training never had"
    yield _of(("form", name, says), np.where(missing, np.nan, new), by_row=True)
    if len(text.common) > 1:
        for common in text.common:
            yield _of(("share", name, f'have the form "{common}"'), (forms == common)[places])
    lengths = np.array([*(len(string) for string in strings), np.nan])
    yield _of(("length", name, "length"), lengths[places])


def _unseen(view: View, name: str, known: bytes) -> Floats:
    """Which rows hold a value that training never had: 0 or 1; NaN where a value is missing."""
    new = newness(view, view.code(name), np.frombuffer(known, dtype="<u8"))
    return np.where(view.missing(name), np.nan, new)


def newness(view: View, codes: Array, known: Array) -> Array:
    """Which rows hold a value that training, or no other block of its days, had: bool."""
    if view.fold is None:
        return ~among(codes, known)
    _, place = np.unique(codes, return_inverse=True)
    has = np.zeros((int(place.max(initial=-1)) + 1, BLOCKS), dtype=bool)
    has[place, view.fold] = True
    is_new: Array = (has.sum(axis=1) == 1)[place]
    return is_new


def _shares(name: str, common: tuple[str | float, ...], view: View) -> Iterator[Measured]:
    values = view.columns[name]
    only_first = values.dtype != object and len(common) <= 2
    for held in common[:1] if only_first else common:
        shown = f"{held:g}" if isinstance(held, float) else f'"{held}"'
        yield _of(("share", name, f"have {name} {shown}"), np.asarray(values == held))


def _of_number(
    number: Number, view: View, place: Floats, ends: tuple[Floats, Floats]
) -> Iterator[Measured]:
    quantity = number.quantity
    title = quantity.title
    numbers = evaluate(view, quantity)
    is_known = np.isfinite(numbers)
    columns = quantity.columns

    def measured(kind: str, says: str, values: Array, *, by_row: bool = False) -> Measured:
        known = np.where(is_known, values, np.nan)
        return Measured(Feature(FAMILY, kind, columns, says, by_row), known)

    yield measured("level", f"level of {title}", place)
    yield measured("spread", f"spread of {title}", np.abs(place))
    yield from _beyond(quantity, numbers, ends)
    if quantity.made != "value":
        return
    if number.grid:
        off = ~is_on(numbers, number.grid)
        yield measured(
            "grid", f"have {title} that is no multiple of {number.grid:g}", off, by_row=True
        )
    for unit in number.units:
        yield measured(
            "round", f"have {title} that is a multiple of {unit:g}", is_on(numbers, unit)
        )
    if len(view.layout.categories.get(quantity.fields[0], range(99))) > 2:
        yield measured("share", f"have {title} {number.top:g}", numbers == number.top)
    yield _of_sign("zero", number, numbers)
    yield _of_sign("negative", number, numbers)


def _beyond(quantity: Quantity, numbers: Floats, ends: tuple[Floats, Floats]) -> Iterator[Measured]:
    """Which rows go beyond the range of a number, and which ones far."""
    low, high = ends
    is_known = np.isfinite(numbers)
    for kind, reach in (("beyond", 0.0), ("far beyond", HALF)):
        off = np.maximum(low - numbers, numbers - high) > reach * (high - low)
        says = f"have {quantity.title} {kind} the range of training"
        feature = Feature(FAMILY, kind, quantity.columns, says, by_row=True)
        yield Measured(feature, np.where(is_known, off, np.nan))


def _of_sign(kind: Never, number: Number, numbers: Floats) -> Measured:
    """Which rows have 0, or a negative number: a rule where training came nowhere near to that."""
    title, strict = number.quantity.title, kind in number.never
    says = f"have {title} 0" if kind == "zero" else f"have negative {title}"
    feature = Feature(FAMILY, kind, number.quantity.columns, says, strict, strict)
    return Measured(feature, _has(kind, numbers))


def _has(kind: str, numbers: Floats) -> Floats:
    """Which numbers are 0, or negative: 0 or 1; NaN where there is none."""
    held: Array = numbers == 0 if kind == "zero" else numbers < 0
    return np.where(np.isfinite(numbers), held, np.nan)


def _of_days(number: Number, view: View, ends: tuple[Floats, Floats]) -> Iterator[Measured]:
    """The features of a column with one value a day: of the day, rather than of its rows."""
    name = number.quantity.fields[0]
    if number.known:
        yield _of(("unseen", name, _UNSEEN), _unseen(view, name, number.known), by_row=True)
    numbers = evaluate(view, number.quantity)
    if number.by_day is not None:
        middle, chance = number.by_day
        far = np.clip((numbers - middle) / chance, -_FARTHEST, _FARTHEST)
        yield Measured(Feature(FAMILY, "level", (name,), f"level of {name}", of_day=True), far)
        yield next(_beyond(number.quantity, numbers, ends))
    for kind in number.never:
        yield _of_sign(kind, number, numbers)


def _held_out_range(numbers: Floats, fold: Ints) -> tuple[Floats, Floats]:
    """The range of all blocks of days but its own, for each row."""
    low, high = np.full(BLOCKS, np.inf), np.full(BLOCKS, -np.inf)
    is_known = np.isfinite(numbers)
    np.minimum.at(low, fold[is_known], numbers[is_known])
    np.maximum.at(high, fold[is_known], numbers[is_known])
    others = [np.delete(np.arange(BLOCKS), block) for block in range(BLOCKS)]
    lows = np.array([low[rest].min() for rest in others])
    highs = np.array([high[rest].max() for rest in others])
    return lows[fold], highs[fold]


def _of_clock(name: str, view: View) -> Iterator[Measured]:
    for unit, part in (("@minute", "minute"), ("@second", "second")):
        times = view.calendar(unit)
        yield _of(("clock", name, f"are at the {part} 0"), times == 0)
        yield _of(("clock", name, f"are at a multiple of five {part}s"), times % 5 == 0)
