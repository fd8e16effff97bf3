"""Counterfactuals: what the outputs of a batch would be if some columns had other values.

They show what a finding does to decisions. A changed distribution is compared with the *mix of the
training*: each number becomes the training's number of the same rank, and categories get their
shares of the training. Rows that break a constraint are compared with *typical* values, since ranks
say nothing of values that were swapped or joined to other rows; rows that came again, with what
they were. A missing value stays missing in the mix, and is replaced by the typical value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Columns, Ints
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, listed
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import LockstepError
from lockstep.parity.effect import Effect, effects_of
from lockstep.parity.profiles import ColumnProfile, Profile

MOST_ROWS = 500
"""Rows in question that are computed once more, drawn at random: shares are then known to five
percent (95 % of the time, by the binomial distribution)."""
ROWS_OF_A_DAY, _MOST_DAYS = 100, 100
"""Rows of a day that are compared with those of training days, and how many of these: as many rows,
since the mix of a rare category takes some. The mean is then known to a tenth of what rows differ
by."""
_NAMED = 4
"""Columns that are named."""


@dataclass(frozen=True)
class Impact:
    """What a finding does to the outputs.

    Attributes:
        against: The values that its columns are compared with.
        lacking: Why the effect is not known, without a full stop; empty if it is known.
    """

    against: str = ""
    effects: tuple[Effect, ...] = ()
    rows: int = 0
    lacking: str = ""

    def __str__(self) -> str:
        if self.lacking:
            return self.lacking
        effects = (
            "; ".join(map(str, self.effects)) or f"no output of {counted(self.rows, 'row')} changes"
        )
        return f"Against {self.against}: {effects}"


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """Rows of a batch, and what computes them.

    Attributes:
        raw: The fields of the rows; outputs too, where these are replaced.
    """

    pipeline: Pipeline
    raw: Columns
    profile: Profile

    def mixed(self, columns: Iterable[str]) -> Impact:
        """Replace the values of columns by the mix of the training."""
        return self._replaced(columns, None, "the mix of the training", with_mix)

    def typical(self, columns: Iterable[str], rows: Array) -> Impact:
        """Replace the values of columns by typical values of the training.

        Args:
            rows: Positions of the rows in question; empty for all rows.
        """
        names = list(columns)
        return self._replaced(names, rows, f"typical values of {listed(names, _NAMED)}", typical)

    def as_they_were(self, values: Columns, rows: Array) -> Impact:
        """Replace the values of columns by those that they had before."""
        if (impact := self._without_outputs(values)) is not None:
            return impact
        some = drawn(np.arange(len(rows)))
        were = "the values as they were"
        return self._impact(lambda _: take_rows(values, some), (), rows[some], were)

    def _replaced(
        self,
        columns: Iterable[str],
        rows: Array | None,
        against: str,
        replace: Callable[[Array, ColumnProfile], Array],
    ) -> Impact:
        names = list(columns)
        if (impact := self._without_outputs(names)) is not None:
            return impact
        if lacking := [name for name in names if name not in self.profile.columns]:
            return Impact(
                lacking="Its effect on the outputs is not known, since training has no profile of "
                f"{listed(lacking, _NAMED)}"
            )
        if rows is None or not len(rows):
            rows = np.arange(len(self.raw[self.pipeline.key]))

        def others(now: Columns) -> Columns:
            return {name: replace(now[name], self.profile.columns[name]) for name in names}

        return self._impact(others, names, drawn(rows), against)

    def _without_outputs(self, columns: Iterable[str]) -> Impact | None:
        """The impact if no output can change; None if one can."""
        graph, names = self.pipeline.graph, list(columns)
        if not len(self.raw[self.pipeline.key]):
            return Impact(lacking="It changes no output, since every row is set aside")
        if any(set(names) & {output, *graph.ancestors(output)} for output in graph.outputs):
            return None
        return Impact(lacking=f"No output comes from {listed(names, _NAMED)}")

    def _impact(
        self,
        others: Callable[[Columns], Columns],
        names: Sequence[str],
        rows: Array,
        against: str,
    ) -> Impact:
        """The impact of other values, which come from what the rows have, these columns too."""
        graph, bound = self.pipeline.graph, self.pipeline.bound
        try:
            now = graph.evaluate(take_rows(self.raw, rows), (*graph.outputs, *names), bound)
            replaced = others(now)
            then = self._outputs_with(replaced, now)
        except LockstepError as error:
            why = str(error).removesuffix(".")
            return Impact(lacking=f"Its effect on the outputs is not known: {why}")
        effects = effects_of(then, now, graph.record, dict.fromkeys(graph.outputs))
        return Impact(against, tuple(effect for effect in effects if effect.differing), len(rows))

    def _outputs_with(self, replaced: Columns, now: Columns) -> Columns:
        """The outputs of rows of which some columns have other values."""
        graph = self.pipeline.graph
        kept = {
            name: values
            for name, values in now.items()
            if name not in replaced and not graph.ancestors(name) & replaced.keys()
        }
        return graph.evaluate({**kept, **replaced}, graph.outputs, self.pipeline.bound)

    def moves_of_days(self, columns: Iterable[str], day: Ints) -> dict[str, dict[str, float]]:
        """How far the values of a column moved each output on a day; see `ColumnProfile.moves`.

        A column is left out whose mix a function refuses, or from which no output comes.

        Args:
            day: int64, the day of each row; rows stand in the order of their days.
        """
        graph, bound = self.pipeline.graph, self.pipeline.bound
        reaching = {name for output in graph.outputs for name in graph.ancestors(output)}
        wanted = [name for name in columns if name in self.profile.columns and name in reaching]
        if not wanted or not len(day):
            return {}
        rows = [
            of_day[drawn(np.arange(len(of_day)), ROWS_OF_A_DAY)]
            for of_day in np.split(np.arange(len(day)), np.flatnonzero(np.diff(day)) + 1)
        ]
        rows = [rows[place] for place in drawn(np.arange(len(rows)), _MOST_DAYS).tolist()]
        ends = np.cumsum([len(of_day) for of_day in rows])[:-1]
        some = take_rows(self.raw, np.concatenate(rows))
        now = graph.evaluate(some, (*graph.outputs, *wanted), bound)
        moves = {}
        for name in wanted:
            known = self.profile.columns[name]
            mixed = [with_mix(values, known) for values in np.split(now[name], ends)]
            with suppress(LockstepError):  # as for a batch, whose effect is then not known
                then = self._outputs_with({name: np.concatenate(mixed)}, now)
                moves[name] = {
                    output: _farthest(output, then[output], now[output], ends)
                    for output in graph.outputs
                }
        return moves


def _farthest(output: str, before: Array, after: Array, ends: Ints) -> float:
    """The greatest extent of an effect on an output on any day."""
    days = zip(np.split(before, ends), np.split(after, ends), strict=True)
    return max(Effect.of(output, then, now, ()).extent for then, now in days)


def drawn(rows: Array, most: int = MOST_ROWS) -> Array:
    """At most so many of the rows, drawn at random: the same ones at every run."""
    if len(rows) <= most:
        return rows
    chance = np.random.default_rng(len(rows))
    return rows[np.sort(chance.choice(len(rows), most, replace=False))]


def typical(values: Array, before: ColumnProfile) -> Array:
    """The median or the most frequent category of the training, in place of each value."""
    if before.holds == "numbers":
        usual = before.quantiles[len(before.quantiles) // 2] if before.quantiles else np.nan
        return np.full(len(values), usual).astype(values.dtype)
    name = next(iter(before.shares), None)
    commonest = name if values.dtype == object or name is None else name == "True"
    return np.full(len(values), commonest, dtype=values.dtype)


def with_mix(values: Array, before: ColumnProfile) -> Array:
    """The values of a column, changed to the distribution of the training."""
    known = np.flatnonzero(~is_missing(values))
    mixed = values.copy()
    if not len(known):
        return mixed
    if before.holds == "numbers":
        if not before.quantiles:
            return mixed
        ranks = np.argsort(np.argsort(values[known], kind="stable"), kind="stable")
        places = np.rint((ranks + 0.5) / len(known) * (len(before.quantiles) - 1)).astype(np.int64)
        mixed[known] = np.array(before.quantiles)[places].astype(values.dtype)
        return mixed
    chance = np.random.default_rng(len(known))  # not the last rows of a day: these are its evening
    by_name: dict[str, list[int]] = {name: [] for name in before.shares}
    for place, value in zip(known.tolist(), values[known].tolist(), strict=True):
        by_name.setdefault(str(value), []).append(place)
    surplus: list[int] = []
    lacking: list[str] = []
    for name, positions in by_name.items():
        more = len(positions) - round(before.shares.get(name, 0.0) * len(known))
        if more > 0 and (name in before.shares or not before.rest):
            surplus += chance.choice(positions, more, replace=False).tolist()
        lacking += [name] * -more
    for place, name in zip(chance.permutation(surplus), lacking, strict=False):
        mixed[place] = name == "True" if values.dtype == bool else name
    return mixed
