"""Forms: patterns and white space of texts, and the digits of numbers.

Texts are profiled by patterns of character classes: see `patterns`. Numbers lie on a grid where
they were measured or converted in steps, such as tenths or miles per hour made of whole knots: the
greatest common divisor of their differences. Another unit, a rounding or a mean leaves that grid,
or falls on a coarser one far more often.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import ClassVar

import msgspec
import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import counted, show
from lockstep.laws import lapses
from lockstep.laws.bands import (
    Band,
    Banded,
    Reading,
    days_like,
    fitted,
    had_before,
    share,
    training_days,
    with_bands,
)
from lockstep.laws.glance import (
    Glancing,
    as_numbers,
    dated_columns,
    glance,
    number_columns,
    text_columns,
)
from lockstep.laws.law import ENOUGH_DAYS, Broken
from lockstep.laws.patterns import pattern
from lockstep.laws.rows import Rows, TrainingRows

MOST_PATTERNS = 200
"""Patterns of a column with a form."""
MOST_VALUES = 2_000
"""Values of a column that are known one by one."""
MOST_NEW = 0.1
"""Share of a usual day that no other day had from which on what is new tells nothing."""
MOST_DECIMALS = 6
"""Digits after the point within which a grid is looked for."""
MOST_EMPTY = 50
"""Places of a grid for each of its values that training had: more, and the grid tells nothing."""
ENOUGH_VALUES = 20
"""Different numbers that a grid takes."""
MANY_VALUES = 1_000
"""Different numbers that lie on no grid by chance, however many places it has."""
MOST_SLOTS = 1e12
"""Places that a grid has at most, so that the digits of a number tell them apart."""
_PADDED = re.compile(r"(?<![0-9])0[0-9]")
NEW_FORM = "new form"
"""The statistic of texts that look like none of training."""
_TRAITS = {
    "padded": "begin or end with white space",
    "lower": "have lower-case letters",
    "upper": "have upper-case letters",
    "foreign": "have characters beyond ASCII",
}


class Form(Banded, frozen=True, kw_only=True, tag="form"):
    """What texts of a column look like.

    Attributes:
        exact: Whether the lengths of runs are part of a pattern.
        is_counted: Whether digits are numbers, none of which begins with 0: such as those of
            orders, they may have a digit more one day.
        patterns: The patterns that training had; none where it had too many.
        texts: The values that training had; none where it had too many.
    """

    binds: ClassVar[bool] = False

    exact: bool
    is_counted: bool = False
    patterns: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Texts of {self.columns[0]} look as they always did."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`; rows without any text have no form."""
        traits = _traits(rows, self.columns[0])
        if not traits:
            return {}
        if self.patterns:
            known = frozenset(self.patterns)
            new = _share(rows, self.columns[0], _are_not(_patterns(rows, self), known))
            traits[NEW_FORM] = new
        if self.texts:
            values = glance(rows).rows.values(self.columns[0]).found.tolist()
            new = _share(rows, self.columns[0], _are_not(values, frozenset(self.texts)))
            traits["new text"] = new
        return traits

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        if name in _TRAITS:
            what = _TRAITS[name]
        else:
            what = "have a form" if name == NEW_FORM else "are texts"
            what += " that training never had"
        at = self.rows_of(rows, name)[:1]
        example = "".join(f", such as {show(rows.columns[self.columns[0]][at[0]])}" for _ in at)
        return (
            f"{reading.value:.1%} of {self.columns[0]} {what}{example}; on training days "
            f"from {usual.lowest:.1%} to {usual.highest:.1%}"
        )

    def rows_of(self, rows: Rows, name: str) -> Array:
        """See `Banded.rows_of`."""
        seen = glance(rows)
        values = seen.rows.values(self.columns[0])
        if name == NEW_FORM:
            is_it = _are_not(_patterns(rows, self), frozenset(self.patterns))
        elif name == "new text":
            is_it = _are_not(values.found.tolist(), frozenset(self.texts))
        else:
            is_it = _have(values.found.tolist())[name]
            if len(is_it) and is_it.mean() > 0.5 and self.bands[name].middle > 0.5:
                is_it = ~is_it
        return seen.all_positions(np.r_[is_it, False][values.places])


def _patterns(rows: Rows, law: Form) -> list[str]:
    """The pattern of each value of a law's column."""
    seen, column = glance(rows), law.columns[0]
    return seen.rows.once(
        ("patterns", column, law.exact, law.is_counted),
        lambda: [
            pattern(text, exact=law.exact, is_counted=law.is_counted)
            for text in seen.rows.values(column).found.tolist()
        ],
    )


def _are_not(values: Sequence[str], known: frozenset[str]) -> Array:
    return np.array([value not in known for value in values], dtype=bool)


def _share(rows: Rows, column: str, is_it: Array) -> Reading:
    """The share of the rows with a value whose value is one of some."""
    counts = glance(rows).counts(column)
    return share(float(counts[is_it].sum()), int(counts.sum()))


def _share_of_values(rows: Rows, column: str, is_it: Array) -> Reading:
    """The same, by chance of which values there are: rows of one value are in or out together.

    Each counts by its rows, so they are as many as if all had the same number of rows (the
    effective sample size: Kish, "Survey Sampling", 1965).
    """
    counts = glance(rows).counts(column).astype(np.float64)
    values = counts.sum() ** 2 / max(float(counts @ counts), 1.0)
    return share(float(counts[is_it].sum() / max(counts.sum(), 1.0) * values), float(values))


def _have(texts: Sequence[str]) -> dict[str, Array]:
    return {
        "padded": np.array([text != text.strip() for text in texts], dtype=bool),
        "lower": np.array([text != text.upper() for text in texts], dtype=bool),
        "upper": np.array([text != text.lower() for text in texts], dtype=bool),
        "foreign": np.array([not text.isascii() for text in texts], dtype=bool),
    }


def _traits(rows: Rows, column: str) -> dict[str, Reading]:
    found = glance(rows).rows.values(column).found.tolist()
    have = _have(found) if found else {}
    return {name: _share(rows, column, is_it) for name, is_it in have.items()}


def _form(column: str, training: TrainingRows, days: list[Rows]) -> Form | None:
    texts = training.rows.values(column).found.tolist()
    if not texts:
        return None
    patterns: tuple[str, ...] = ()
    is_counted = not any(_PADDED.search(text) for text in texts)
    is_dated = any(column == one.until.column for one in lapses.found(training))
    is_of_a_day = column in dated_columns(training)  # new in all rows or in none
    for exact in (True, False):
        found = {pattern(text, exact=exact, is_counted=is_counted) for text in texts}
        if len(found) <= min(MOST_PATTERNS, max(len(texts) // 2, 20)):
            patterns = tuple(sorted(found))
            break
    law = Form(
        columns=(column,),
        days=0,
        exact=exact,
        is_counted=is_counted,
        patterns=patterns,
        texts=tuple(sorted(texts)) if len(texts) <= MOST_VALUES and not is_dated else (),
    )
    measured = [_traits(day, column) for day in days]
    _without_day(
        measured, NEW_FORM, law.patterns, days, column, [_patterns(day, law) for day in days]
    )
    _without_day(
        measured,
        "new text",
        law.texts,
        days,
        column,
        [day.values(column).found.tolist() for day in days],
    )
    known = {NEW_FORM: "patterns", "new text": "texts"}
    for name, kept in known.items():
        new = [told[name].value for told in measured if name in told] or [0.0]
        if np.median(new) > MOST_NEW or (is_of_a_day and any(new)):
            law = msgspec.structs.replace(law, **{kept: ()})
            for told in measured:
                told.pop(name, None)
    return with_bands(law, measured, days)


def _without_day(
    measured: list[dict[str, Reading]],
    name: str,
    known: Sequence[str],
    days: list[Rows],
    column: str,
    values: list[list[str]],
) -> None:
    """Add to each day's statistics the share of what training would not have known of it.

    That is what no day before it had (see `had_before`); of the first days, before which there are
    too few, what no other day had.
    """
    if not known:
        return
    occurs = Counter(value for one in values for value in set(one))
    known_before = had_before(values)
    for told, day, one, before in zip(measured, days, values, known_before, strict=True):
        if not one:
            continue
        if before is not None:
            is_new = _are_not(one, before)
        else:
            is_new = np.array([occurs[value] == 1 for value in one], dtype=bool)
        told[name] = _share(day, column, is_new)


class Digits(Banded, frozen=True, kw_only=True, tag="digits"):
    """How often numbers of a column fall on coarser grids, such as whole numbers or tens.

    Attributes:
        between: By step, how many different numbers between its multiples every training day had
            at least; none of a version that an older Lockstep fitted.
        rough: By step, the smallest share of the rows of a training day that lay between its
            multiples, where that is large; none of an older version.
    """

    binds: ClassVar[bool] = False

    between: dict[float, int] = msgspec.field(default_factory=dict)
    rough: dict[float, float] = msgspec.field(default_factory=dict)

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"Numbers of {self.columns[0]} are as rarely round as they always were."

    def measure(self, rows: Rows) -> dict[str, Reading]:
        """See `Banded.measure`; rows without any number tell nothing."""
        told: dict[str, Reading] = {}
        for step, is_it in _round(rows, self.columns[0]).items():
            if not len(is_it):
                continue
            told[f"multiples of {step:g}"] = _share_of_values(rows, self.columns[0], is_it)
            if len(is_it) >= ENOUGH_VALUES:
                told[f"multiples of {step:g}{_DIFFERENT}"] = share(is_it.sum(), len(is_it))
        return told

    def find(self, rows: Rows) -> Broken | None:
        """See `Banded.find`; or a day without any number between two multiples."""
        found = super().find(rows)
        if found is not None and found.strict:
            return found
        return self._rounded(rows) or found

    def _rounded(self, rows: Rows) -> Broken | None:
        """The first day whose numbers are all multiples of a step, as those of no other were."""
        for part in days_like(rows, self.size) if self.between or self.rough else ():
            known = int(glance(part.rows).counts(self.columns[0]).sum())
            for step, is_it in _round(part.rows, self.columns[0]).items():
                says = self._says_rounded(step, len(is_it), known) if is_it.all() else ""
                if says:
                    return Broken(
                        law=self,
                        columns=self.columns,
                        message=says,
                        rows=part.in_batch(np.arange(len(part.rows))),
                        strict=self.days >= ENOUGH_DAYS,
                        numbers={f"multiples of {step:g}{_DIFFERENT}": 1.0},
                    )
        return None

    def _says_rounded(self, step: float, values: int, rows: int) -> str:
        """What it means that all of so many values are multiples of a step; empty for nothing."""
        if step in self.between and values >= ENOUGH_BETWEEN:
            what, fewest = f"{values} different values", str(self.between[step])
        elif values > 1 and self.rough.get(step, 0.0) * rows >= ENOUGH_BETWEEN:
            what, fewest = f"{counted(rows, 'value')}", f"{self.rough[step]:.0%}"
        else:
            return ""
        return (
            f"All {what} of {self.columns[0]} are multiples of {step:g}; on every training day "
            f"{fewest} or more were not"
        )

    def tell(self, name: str, reading: Reading, usual: Band, rows: Rows) -> str:
        """See `Banded.tell`."""
        step = name.removesuffix(_DIFFERENT)
        of = "the different values of " if name.endswith(_DIFFERENT) else ""
        return (
            f"{reading.value:.1%} of {of}{self.columns[0]} are {step}; on training days from "
            f"{usual.lowest:.1%} to {usual.highest:.1%}"
        )


_DIFFERENT = ", each value counted once"
_STEPS = (100.0, 10.0, 5.0, 1.0, 0.1, 0.01)


ENOUGH_BETWEEN = 5
"""Different numbers between the multiples of a step that every training day has to have had, and
different numbers that a batch has to have, so that their lack on a day tells of a rounding."""
FEWEST = 0.25
"""Of how many a usual day has between them, what every training day has to have had: where one had
far fewer, another one may have none."""


def _between(column: str, days: list[Rows]) -> dict[float, int]:
    """The steps between whose multiples every day had some numbers, and how many different ones."""
    counts: dict[float, list[int]] = {}
    for day in days:
        for step, is_it in _round(day, column).items():
            counts.setdefault(step, []).append(int((~is_it).sum()))
    return {
        step: min(of_days)
        for step, of_days in counts.items()
        if min(of_days) >= max(FEWEST * float(np.median(of_days)), ENOUGH_BETWEEN)
    }


ROUGH = 0.25
"""Share of the rows of every training day that lay between the multiples of a step, from which on
it tells of a rounding that on a day none does, however few different numbers there are."""


def _rough(column: str, days: list[Rows]) -> dict[float, float]:
    """The steps between whose multiples a large share of the rows of every day lay, and that."""
    shares: dict[float, list[float]] = {}
    for day in days:
        counts = glance(day).counts(column)
        for step, is_it in _round(day, column).items():
            shares.setdefault(step, []).append(float(counts[~is_it].sum() / max(counts.sum(), 1)))
    fewest = {step: min(of_days) for step, of_days in shares.items()}
    return {step: float(f"{one:.4g}") for step, one in fewest.items() if one >= ROUGH}


def _round(rows: Rows, column: str) -> dict[float, Array]:
    """Which of a column's values are multiples of each step that its type leaves open."""
    found = as_numbers(glance(rows).rows.values(column).found)
    finest = 1.0 if rows.schema[column].declared == "int" else 0.0
    return {step: _is_whole(found / step) for step in _STEPS if step > finest}


def _is_whole(numbers: Floats) -> Array:
    """Which numbers are whole, but for what a division leaves: of numbers near 5e9 a millionth."""
    return np.abs(numbers - np.round(numbers)) <= 1e-9 + _ROUNDED * np.abs(numbers)


_ROUNDED = 4 * np.finfo(np.float64).eps


class Grid(Glancing, frozen=True, kw_only=True, tag="grid"):
    """The steps in which numbers of a column lie.

    Attributes:
        step: How far two neighbours are apart.
        start: One of the numbers.
    """

    binds: ClassVar[bool] = False

    step: float
    start: float

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.columns[0]} lies in steps of {self.step:g} from {self.start:g}."

    def find(self, rows: Rows) -> Broken | None:
        """See `Law.find`."""
        seen = glance(rows)
        values = seen.rows.values(self.columns[0])
        found = values.found.astype(np.float64)
        is_off = np.isfinite(found) & ~_lies(found, self.step, self.start)
        counts = seen.counts(self.columns[0])
        off, known = int(counts[is_off].sum()), int(counts.sum())
        if not off:
            return None
        return Broken(
            law=self,
            columns=self.columns,
            message=(
                f"{off / known:.1%} of {self.columns[0]} lie between the steps of {self.step:g} "
                f"that all training values lie on, such as {show(found[is_off][0])}"
            ),
            rows=seen.all_positions(np.r_[is_off, False][values.places]),
            strict=self.is_strict and off >= max(MANY_OFF * known, 3),
            numbers={"share off the grid": off / known},
            cases=self._cases(found[is_off], counts[is_off] / known),
        )

    def _cases(self, off: Floats, shares: Floats) -> dict[str, float]:
        """How far beyond a step numbers lie, and which share of all do; none of too many.

        Of a distance at which only a few lie, chance decides whether a day has it.
        """
        beyond, place = np.unique(np.round((off - self.start) % self.step, 6), return_inverse=True)
        often = beyond[np.bincount(place, shares, len(beyond)) >= MANY_OFF]
        if len(often) > MOST_CASES:
            return {}
        return dict.fromkeys(map(str, often.tolist()), float(shares.sum()))


MOST_CASES = 10
"""Distances from the grid that a batch tells one by one, as where a base rate has another part."""
MANY_OFF = 0.05
"""Share of numbers off their grid from which on they cannot be what they were."""


def _lies(numbers: Floats, step: float, start: float) -> Array:
    places = (numbers - start) / step
    return np.abs(places - np.round(places)) <= 1e-3


def _grid(column: str, days: list[Rows], *, is_whole: bool) -> Grid | None:
    found = [as_numbers(day.values(column).found) for day in days]
    found = [one[np.isfinite(one)] for one in found]
    everything = np.unique(np.concatenate(found)) if found else np.empty(0)
    if len(everything) < ENOUGH_VALUES:
        return None
    decimals = _decimals(everything)
    if decimals is None:
        return None
    start = everything[0]
    steps = np.array([_divisor(one - start, decimals) for one in found])
    step = int(np.gcd.reduce(steps))
    if not step:
        return None  # so small that digits do not tell them apart
    slots = (everything[-1] - start) * 10**decimals / step
    if (is_whole and decimals == 0 and step == 1) or slots > _most_slots(len(everything)):
        return None  # whole by their type; or any number has a place
    forward = np.gcd.accumulate(np.r_[0, steps[:-1]])
    backward = np.gcd.accumulate(np.r_[0, steps[:0:-1]])[::-1]
    broken = int(np.count_nonzero(np.gcd(forward, backward) != step))
    return Grid(
        columns=(column,),
        days=len(days),
        broken=broken,
        step=step / 10**decimals,
        start=float(start),
    )


def _most_slots(values: int) -> float:
    """How many places a grid may have that so many different numbers lie on.

    Of a thousand numbers that have four decimals each, by chance none had: a fifth one is new.
    """
    return MOST_SLOTS if values >= MANY_VALUES else MOST_EMPTY * values


def _decimals(numbers: Floats) -> int | None:
    """How many digits after the point the numbers have; None if there are too many."""
    largest = float(np.abs(numbers).max())
    for decimals in range(MOST_DECIMALS + 1):
        if largest * 10**decimals > 2**52:
            return None
        scaled = numbers * 10**decimals
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-6):
            return decimals
    return None


def _divisor(distances: Floats, decimals: int) -> int:
    whole: Ints = np.round(distances * 10**decimals).astype(np.int64)
    return int(np.gcd.reduce(whole)) if len(whole) else 0


def discover(training: TrainingRows) -> list[Form | Digits | Grid]:
    """Find the forms of texts and the grids of numbers on training days.

    Args:
        training: The training rows.
    """
    days = training_days(training)
    if len(days) < ENOUGH_DAYS:
        return []
    schema = training.rows.schema
    numbers = [name for name in number_columns(schema) if schema[name].declared != "bool"]
    forms = [_form(name, training, days) for name in text_columns(schema)]
    grids = [_grid(name, days, is_whole=schema[name].declared == "int") for name in numbers]
    # Of a few numbers, such as the offsets of clocks, a season may change how many are round.
    several = [
        name
        for name in numbers
        if len(training.rows.values(name).found) >= ENOUGH_VALUES
        and name not in dated_columns(training)
    ]
    digits = [
        msgspec.structs.replace(
            law, between=_between(law.columns[0], days), rough=_rough(law.columns[0], days)
        )
        for law in fitted([Digits(columns=(name,), days=0) for name in several], days)
    ]
    return [*(law for law in forms if law), *(law for law in grids if law), *digits]
