"""Recall: what a row holds of earlier days is what the batches of these days held.

Stores of features join to a row what the same thing had before: what the shop sold a week ago, the
balance of yesterday, a mean of four weeks. Such a lag (Box and Jenkins, "Time Series Analysis",
1970) is another number of the same table, held then: joined from another day, by half of its key,
or from a cache, no other column of its own row tells that it is wrong, but the batch of then does.

Which columns name the things, and which column holds another one of how many days before, is found
in the training days: what agrees there on each of them, and with no other day and no other thing
half as often. Means and sums of several days are looked for likewise. Of a published batch what its
things held is kept, and of many things those of the smallest digests (a bottom-k sketch: Cohen and
Kaplan, "Summarizing Data using Bottom-k Sketches", 2007): the same ones on every day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from msgspec.structs import replace

from lockstep.columns.kinds import Array, Bools, Floats, Ints, Kind
from lockstep.columns.plain import counted, show
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing
from lockstep.laws.earlier import Held
from lockstep.laws.glance import as_numbers, value_columns
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.series import moments_at, terms_of_columns
from lockstep.laws.terms import Term, told
from lockstep.laws.things import names_of_things

FURTHEST = 28
"""Days before a day that it may hold something of: as many batches are kept."""
FIRST_LAGS = (1, 7, 14, 28)
"""Lags that are tried before others: a day, and weeks."""
WINDOWS = (2, 3, 5, 7, 10, 14, 21, 28)
"""Days that a mean or a sum is of; it ends today, or the day before."""
ENOUGH_AGAIN = 0.2
"""Share of the things of training days that an earlier one had, too, at least."""
MOST_NAMINGS = 10
"""Of what may name things so much is tried."""
MOST_BY_CHANCE = 0.5
"""Share of what agrees with the day before that agrees with other days or things, too, at most."""
TELLING = 0.05
"""Share of values that are not the commonest one, at least: these alone tell."""
MOST_OFF = 0.1
"""Share of a training day's rows that do not hold what was then, at most."""
MANY = 0.05
"""Share of a batch's rows beyond that, which is more than is corrected now and then."""
MOST_BROKEN = 0.05
"""Share of training days that have such rows, at most."""
MOST_DOUBLE = 0.02
"""Share of rows of a day whose thing has another row, or another value, at most."""
ENOUGH_TOLD = 100
"""Values of things that are looked at, and not the commonest one, at least."""
SAMPLE = 2_000
"""Things of training days on which lags are looked for, before they are held to all of them."""
GLANCED = 64
"""Of these so many at which it is first seen whether any lag may hold."""
KEPT = 4_096
"""Things of a batch of which is kept what they held."""
_ALIKE = (0.0, 1e-9, 1e-6)
"""By which share of it a number differs at most that is the same: not at all, by the order of sums,
and by the last digits of single precision."""
DECIMALS = 6
"""Decimals to which a number is rounded, at most."""
_FAMILIES = {
    Kind.FLOAT: "number",
    Kind.INT: "number",
    Kind.BOOL: "truth",
    Kind.TEXT: "text",
    Kind.TIME: "time",
}


class Recalled(Law, frozen=True, kw_only=True, tag="recalled"):
    """A column holds what another one held some days before for the same thing.

    Attributes:
        things: What names a thing that has one value a day.
        lag: How many days before; of several days the last one of them.
        window: How many days, of which it is the mean or the sum.
        is_sum: Whether it is their sum.
        absolute: By how much the two may differ: what rounding takes from it.
        relative: By which share of it, beside that.
        usual: Largest share of a training day's rows that held something else.
    """

    binds: ClassVar[bool] = False
    lacks: ClassVar[str] = "no batch of the days that it recalls is known, or none of its things"

    things: tuple[Term, ...]
    lag: int
    window: int
    is_sum: bool
    absolute: float
    relative: float
    usual: float = 0.0

    @property
    def recalling(self) -> str:
        """The column that holds what was."""
        return self.columns[0]

    @property
    def held(self) -> str:
        """The column that held it."""
        return self.columns[1]

    @property
    def what(self) -> str:
        """By what it is kept what things held."""
        return told(self.things)

    @property
    def says(self) -> str:
        """See `Law.says`."""
        return f"{self.recalling} is {self._source}."

    @property
    def _source(self) -> str:
        of_same = f"{self.held} of the same {told(self.things)}"
        if self.window == 1:
            return f"{of_same} {counted(self.lag, 'day')} before"
        end = "to the day itself" if self.lag == 0 else f"to {counted(self.lag, 'day')} before"
        return (
            f"the {'sum' if self.is_sum else 'mean'} of {of_same} in the {self.window} days {end}"
        )

    def find(self, rows: Rows) -> Broken | None:
        """The rows that hold something else; see `Law.find`.

        A few may have been corrected upstream since the batch of then was published, and a file of
        no day may hold what is corrected: that is unusual.
        """
        known, positions = self.compared(rows)
        size, count = len(known), len(positions)
        if not count or count <= self.usual * size:
            return None
        return Broken(
            law=self,
            columns=(self.recalling, *(term.column for term in self.things)),
            message=f"{self.recalling} of {count:,} of {counted(size, 'row')} is not "
            f"{self._source}, such as that {self._example(rows, int(positions[0]))}; "
            f"{on_training_days(self.usual)}: it was joined from elsewhere, or what it was "
            "joined from has been corrected since",
            rows=positions,
            strict=self.is_strict and rows.day is not None and count > max(1.0, MANY * size),
            numbers={"rows that recall something else": count},
            cases={"rows": count / size},
        )

    def _example(self, rows: Rows, row: int) -> str:
        thing = " and ".join(
            f"{term.says} {term.show(values.found[values.places[row]])}"
            for term in self.things
            for values in (term.values(rows),)
        )
        holds = rows.columns[self.recalling][row]
        if _family(rows.schema, self.recalling) not in ("number", "truth"):
            return f"of {thing}: {show(holds)}"
        return f"of {thing}: {show(holds)} rather than {self._expected(rows)[row]:.6g}"

    def looks_at(self, rows: Rows) -> int:
        """See `Law.looks_at`."""
        known, _ = self.compared(rows)
        return len(known)

    def compared(self, rows: Rows) -> tuple[Ints, Ints]:
        """Positions of rows of which it is known what they are to hold, and of those that do not.

        Args:
            rows: The rows.
        """
        values, expected = values_of(rows, self.recalling), self._expected(rows)
        known = np.flatnonzero(~np.isnan(expected))
        known = known[~np.isnan(values[known])]
        agree = _agree(values[known], expected[known], self.absolute, self.relative)
        return known, known[~agree]

    def _expected(self, rows: Rows) -> Floats:
        """What each row is to hold, as `values_of` tells it; NaN where that is not known."""
        return rows.once(
            ("recalled", self.things, self.held, self.lag, self.window, self.is_sum),
            lambda: self._find_expected(rows),
        )

    def _find_expected(self, rows: Rows) -> Floats:
        every = moments_at(rows, self.things)
        found = np.full(len(every.first) + 1, np.nan)  # the last one is that of rows of no thing
        kept = {one.partition: one.recalled.get(self.what) for one in rows.earlier}
        own = {str(day): things for day, things in _days(rows, self.things)}
        for day, things in own.items():
            total = np.zeros(len(things))
            for back in range(self.lag, self.lag + self.window):
                before = str(np.datetime64(day) - np.timedelta64(back, "D"))
                held = self._own(rows, own[before]) if before in own else kept.get(before)
                if held is None:
                    total[:] = np.nan
                    break
                total += held.of_column(self.held, every.digests[things])
            found[things] = total if self.is_sum else total / self.window
        return found[every.of_row]

    def _own(self, rows: Rows, things: Ints) -> Held:
        """What things of a day of the batch hold themselves."""
        what = ("held", self.things, self.held, things[:1].tobytes())
        return rows.once(what, lambda: _held(rows, self.things, (self.held,), things, len(things)))


def on_training_days(usual: float) -> str:
    """How often rows of a training day held something else, in a sentence.

    Args:
        usual: The largest share of a training day's rows that did.
    """
    if not usual:
        return "on training days it always was"
    return f"on a training day at most {100 * usual:.3g} % of rows held something else"


def _agree(values: Floats, expected: Floats, absolute: float, relative: float) -> Bools:
    within: Bools = np.abs(values - expected) <= absolute + relative * np.abs(expected)
    return within


def values_of(rows: Rows, column: str) -> Floats:
    """A column as numbers that are the same where its values are: float64, NaN where missing.

    Times are microseconds since 1970; of the digest of a text as many bits as a float has.
    """
    return rows.once(("recalled values", column), lambda: _values_of(rows, column))


def _values_of(rows: Rows, column: str) -> Floats:
    array = rows.columns[column]
    if array.dtype != object and array.dtype.kind != "M":
        return as_numbers(array)
    if array.dtype.kind == "M":
        found = array.astype(np.int64).astype(np.float64)
    else:
        places = rows.values(column).places
        found = (rows.value_digests(column) >> np.uint64(11)).astype(np.float64)[places]
    return np.where(is_missing(array), np.nan, found)


def _of_things(rows: Rows, things: tuple[Term, ...], column: str) -> Floats:
    """What each thing of each day holds, in the order of `moments_at`; NaN where rows differ."""
    every, values = moments_at(rows, things), values_of(rows, column)
    found = values[every.first]
    if len(found) < len(rows):
        known = np.flatnonzero(every.of_row >= 0)
        differs = values[known] != found[every.of_row[known]]
        found[every.of_row[known[differs]]] = np.nan
    return found


def _days(rows: Rows, things: tuple[Term, ...]) -> list[tuple[np.datetime64, Ints]]:
    """The things of each day of a batch; of a batch of one day, of that: see `moments_at`."""
    return rows.once(("days of things", things), lambda: list(_find_days(rows, things)))


def _find_days(rows: Rows, things: tuple[Term, ...]) -> Iterator[tuple[np.datetime64, Ints]]:
    assert rows.days is not None, "what is recalled is that of days"
    days = rows.days[moments_at(rows, things).first]
    if rows.day is not None:
        day = np.datetime64(rows.day)
        yield day, np.flatnonzero(days == day)
        return
    order = np.argsort(days, kind="stable")
    order = order[~np.isnat(days[order])]
    edges = np.flatnonzero(np.diff(days[order].astype(np.int64))) + 1
    for one in np.split(order, edges) if len(order) else ():
        yield days[one[0]], one


def _held(
    rows: Rows, terms: tuple[Term, ...], columns: Iterable[str], things: Ints, most: int
) -> Held:
    """What things of a day hold.

    Args:
        rows: The rows.
        terms: What names the things.
        columns: What is kept of them.
        things: The things of the day.
        most: How many are kept at most.
    """
    values = {name: _of_things(rows, terms, name)[things] for name in columns}
    return Held.of(moments_at(rows, terms).digests[things], values, most)


def remembered(laws: Iterable[Law], rows: Rows) -> dict[str, Held]:
    """What things held in a batch of a day, to be kept for the batches that follow it.

    Args:
        laws: All laws of a version: what they recall is kept.
        rows: The rows of the batch.
    """
    columns: defaultdict[tuple[Term, ...], dict[str, None]] = defaultdict(dict)
    for law in laws:
        if isinstance(law, Recalled) and rows.day is not None:
            columns[law.things][law.held] = None
    return {
        told(terms): _held(rows, terms, names, things, KEPT)
        for terms, names in columns.items()
        for _, things in _days(rows, terms)
    }


def discover(training: TrainingRows) -> list[Recalled]:
    """Find which columns hold what others held on the days before, for the same things.

    Args:
        training: The training rows.
    """
    if not training.has_days or training.days < ENOUGH_DAYS:
        return []
    found: list[Recalled] = []
    for terms in _namings(training):
        recalling = {law.recalling for law in found}
        found += _Search.of(training, terms).laws(recalling)
    return found


def _namings(training: TrainingRows) -> list[tuple[Term, ...]]:
    """What may name things that come again, and have one row a day, or one value of some columns.

    Those with the fewest things come first; of many namings those are tried whose things come again
    most often, since by each of them every column is held against all others.
    """
    time = training.rows.schema.event_time
    assert time is not None, "the rows have days"
    moments = terms_of_columns(training, time).values()
    single = [(Term(name),) for name in value_columns(training.rows.schema)]
    several = [one for one in (names_of_things(training), *moments) if one]
    tried = dict.fromkeys([*several, *(one for one in single if _names_rows(training, one))])
    again = [terms for terms in tried if _come_again(training, terms)]
    different: dict[bytes, tuple[Term, ...]] = {}
    for terms in sorted(again, key=lambda one: len(moments_at(training.rows, one).first)):
        numbers = pd.factorize(moments_at(training.rows, terms).digests)[0]
        different.setdefault(numbers.tobytes(), terms)
    best = sorted(different.values(), key=lambda one: _renewal(training, one))[:MOST_NAMINGS]
    return [terms for terms in different.values() if terms in best]


def _names_rows(training: TrainingRows, terms: tuple[Term, ...]) -> bool:
    """Whether hardly any two rows of a day have the same name, and some other days have it."""
    (term,) = terms
    kind = training.rows.schema[term.column].kind
    values = term.values(training.rows)
    if kind not in (Kind.INT, Kind.TEXT) or len(values.found) < 2:
        return False
    if len(values.found) > (1 - ENOUGH_AGAIN) * len(training.rows):
        return False
    return len(moments_at(training.rows, terms).first) >= (1 - MOST_DOUBLE) * len(training.rows)


def _come_again(training: TrainingRows, terms: tuple[Term, ...]) -> bool:
    """Whether things of the days were there on an earlier one."""
    return _renewal(training, terms) <= 1 - ENOUGH_AGAIN


def _renewal(training: TrainingRows, terms: tuple[Term, ...]) -> float:
    """The share of the things of days that no earlier day had; 1 where there are none."""
    digests = moments_at(training.rows, terms).digests
    return len(np.unique(digests)) / len(digests) if len(digests) else 1.0


@dataclass(frozen=True, eq=False)
class _Search:
    """Where lags are looked for: some things of training days, and what they held before.

    Attributes:
        training: The training rows.
        terms: What names the things.
        things: The things that are looked at: see `moments_at`.
        before: For each number of days before, from 0, and each of them: the same thing then; -1
            where it was not there.
    """

    training: TrainingRows
    terms: tuple[Term, ...]
    things: Ints
    before: Ints

    @classmethod
    def of(cls, training: TrainingRows, terms: tuple[Term, ...]) -> _Search:
        """The things of a naming, spread evenly over all days."""
        every = moments_at(training.rows, terms)
        assert training.rows.days is not None, "the rows have days"
        days = training.rows.days[every.first]
        dated = np.flatnonzero(~np.isnat(days))
        since = (days[dated] - days[dated].min()).astype(np.int64) + FURTHEST
        number = np.unique(every.digests[dated], return_inverse=True)[1]
        at = number * (int(since.max(initial=0)) + 1) + since  # days before a thing's first: none
        order = np.argsort(at, kind="stable")
        some = np.linspace(0, len(dated) - 1, min(SAMPLE, len(dated))).astype(np.int64)
        wanted = at[some] - np.arange(FURTHEST + 1)[:, None]
        place = np.minimum(np.searchsorted(at[order], wanted), len(order) - 1)
        before = np.where(at[order][place] == wanted, dated[order][place], -1)
        return cls(training, terms, dated[some], before)

    def laws(self, but_of: Collection[str]) -> Iterator[Recalled]:
        """What recalls another column: the first lag with which it agrees, or else a window.

        Args:
            but_of: Columns of which it is known what they recall.
        """
        schema = self.training.rows.schema
        columns = self._columns()
        for family in dict.fromkeys(_FAMILIES.values()):
            held = {name: one for name, one in columns.items() if _family(schema, name) == family}
            if len(held) < 2:
                continue
            lags = _lags(held, self.before)
            windows = _windows(lags) if family == "number" else []
            for name, values in held.items():
                if schema[name].role != "value" or name in but_of:
                    continue
                law = self._law(name, values, [lags, *windows])
                if law is not None:
                    yield law

    def _columns(self) -> dict[str, Floats]:
        """The columns that have one value for each thing, and these."""
        rows = self.training.rows
        first = moments_at(rows, self.terms).first
        found = {}
        for name in rows.schema.names:
            values = _of_things(rows, self.terms, name)
            known = np.count_nonzero(~np.isnan(values_of(rows, name)[first]))
            if np.count_nonzero(~np.isnan(values)) >= (1 - MOST_DOUBLE) * known:
                found[name] = values
        return found

    def _law(self, name: str, values: Floats, tried: Sequence[_Lags]) -> Recalled | None:
        """What a column recalls; None where that is nothing.

        Args:
            name: The column.
            values: What it holds of each thing.
            tried: What it may recall.
        """
        known = values[~np.isnan(values)]
        own = values[self.things]
        telling = np.flatnonzero(~np.isnan(own) & (own != _commonest(known)))
        if len(telling) < max(ENOUGH_TOLD, TELLING * np.count_nonzero(~np.isnan(own))):
            return None
        is_number = _family(self.training.rows.schema, name) == "number"
        alike = [(0.0, one) for one in (_ALIKE if is_number else _ALIKE[:1])]
        rounding = rounding_of(known) if is_number else 0.0
        if rounding:
            alike.append((rounding, _ALIKE[1]))
        for lags in tried:
            for lag in lags.agreeing(name, own, telling, alike[-1]):
                law = self._held_to_all(name, lag, alike)
                if law is not None:
                    return law
        return None

    def _held_to_all(
        self, recalling: str, lag: _Lag, alike: Sequence[tuple[float, float]]
    ) -> Recalled | None:
        """A lag as a law, as exact as it agrees; None where on too many days it does not.

        Args:
            recalling: The column that holds what was.
            lag: What it seems to hold.
            alike: By how much it may differ, absolutely and relatively: the smallest one first.
        """
        rows, day_of = self.training.rows, self.training.day_of
        tried = []
        for absolute, relative in alike:
            law = Recalled(
                columns=(recalling, lag.held, *dict.fromkeys(one.column for one in self.terms)),
                days=self.training.days,
                things=self.terms,
                lag=lag.lag,
                window=lag.window,
                is_sum=lag.is_sum,
                absolute=absolute,
                relative=relative,
            )
            known, off = law.compared(rows)
            of_days = np.bincount(day_of[known], minlength=self.training.days)
            wrong = np.bincount(day_of[off], minlength=self.training.days)
            days, broken = np.count_nonzero(of_days), np.count_nonzero(wrong)
            usual = float((wrong / np.maximum(of_days, 1)).max())
            tried.append(replace(law, days=int(days), broken=int(broken), usual=usual))
            if not broken:
                break
        best = min(tried, key=lambda one: one.broken)
        is_kept = best.usual <= MOST_OFF and best.broken <= MOST_BROKEN * best.days
        return best if is_kept and best.days >= ENOUGH_DAYS else None


def _commonest(values: Floats) -> float:
    found, times = np.unique(values, return_counts=True)
    return float(found[times.argmax()]) if len(found) else np.nan


def rounding_of(values: Floats) -> float:
    """By how much rounding to the decimals that numbers have moves them; 0 where they have many."""
    for decimals in range(DECIMALS + 1):
        unit = 10.0**-decimals
        if np.allclose(values, np.round(values, decimals), rtol=0.0, atol=1e-3 * unit):
            return 0.5 * unit
    return 0.0


def _family(schema: Schema, name: str) -> str:
    return _FAMILIES[schema[name].kind]


@dataclass(frozen=True)
class _Lag:
    """What a column seems to hold.

    Attributes:
        held: The column that held it.
        lag: How many days before.
        window: Of how many days.
        is_sum: Whether it is their sum.
    """

    held: str
    lag: int
    window: int = 1
    is_sum: bool = False


@dataclass(frozen=True, eq=False)
class _Lags:
    """What columns held on days before, or in as many of them, of the things that are looked at.

    Attributes:
        held: The columns.
        window: Of how many days.
        is_sum: Whether it is their sum.
        values: Of each column, and for each number of days before from 0, what each thing held; NaN
            where that is not known.
        tried: The numbers of days before that are tried, the likeliest first.
    """

    held: tuple[str, ...]
    window: int
    is_sum: bool
    values: Floats
    tried: tuple[int, ...]

    def agreeing(
        self, name: str, own: Floats, telling: Ints, alike: tuple[float, float]
    ) -> Iterator[_Lag]:
        """With what numbers agree, and with no other day or thing.

        Args:
            name: The column that holds them.
            own: The numbers.
            telling: Those of them that are compared.
            alike: By how much they may differ.
        """
        few = telling[np.linspace(0, len(telling) - 1, GLANCED).astype(np.int64)]
        seen = _shares(own[few], self.values[..., few], alike, 1)
        for column in np.flatnonzero(seen[:, self.tried].max(axis=1) >= 1 - 2 * MOST_OFF):
            held = self.held[column]
            if held == name:
                continue
            values = self.values[column][:, telling]
            shares = _shares(own[telling], values, alike, ENOUGH_TOLD)
            for lag in self.tried:
                others = np.append(
                    np.delete(shares, lag),
                    _shares(own[telling], np.roll(values[lag], 1), alike, ENOUGH_TOLD),
                )
                if shares[lag] >= 1 - MOST_OFF and others.max() <= MOST_BY_CHANCE:
                    yield _Lag(held, lag, self.window, self.is_sum)


def _lags(columns: Mapping[str, Floats], before: Ints) -> _Lags:
    """What columns held on each day before.

    Args:
        columns: What each thing holds of them.
        before: The same thing on the days before: see `_Search`.
    """
    values = np.stack([np.where(before >= 0, one[before], np.nan) for one in columns.values()])
    others = [lag for lag in range(1, FURTHEST + 1) if lag not in FIRST_LAGS]
    return _Lags(tuple(columns), 1, False, values, (*FIRST_LAGS, *others))


def _windows(lags: _Lags) -> list[_Lags]:
    """What columns held in several days that end today, or the day before, or the day before that.

    Args:
        lags: What they held on each day.
    """
    is_known = ~np.isnan(lags.values)
    known = np.cumsum(is_known, axis=1, dtype=np.int64)
    sums = np.cumsum(np.where(is_known, lags.values, 0.0), axis=1)
    found = []
    for window in WINDOWS:
        ends = slice(window - 1, window + 2)
        total, days = sums[:, ends].copy(), known[:, ends].copy()
        total[:, 1:] -= sums[:, : total.shape[1] - 1]
        days[:, 1:] -= known[:, : total.shape[1] - 1]
        totals = np.where(days == window, total, np.nan)
        found.append(_Lags(lags.held, window, False, totals / window, (0, 1)))
        found.append(_Lags(lags.held, window, True, totals, (0, 1)))
    return found


def _shares(own: Floats, others: Floats, alike: tuple[float, float], enough: int) -> Array:
    """The share of numbers that agree with others, of those that are known; 0 of too few."""
    known = np.count_nonzero(~np.isnan(others), axis=-1)
    agreeing = np.count_nonzero(_agree(own, others, *alike), axis=-1)
    return np.where(known >= enough, agreeing / np.maximum(known, 1), 0.0)
