"""Counterfactuals: what the outputs of a batch would be, had some columns other values.

That is what a finding about a population does to decisions. Against what its columns are held
depends on what was found:

- a distribution that is another one (drift, a sudden shift) is held against the *mix of the
  training*: of each column the values are replaced by those of the training of the same rank, or
  as few of them, drawn by chance, as give the categories the shares that they had;
- rows that break a constraint are held against what is *typical*: the training's median, or its
  commonest category, in the place of each value of the suspect. Ranks say nothing of values that
  were swapped or joined to other rows. So it tells what rests on these values, right or wrong;
- rows that came again are held against what they were.

What is missing stays missing against the mix, and is replaced by what is typical. What does not
come from the replaced columns is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import counted, listed
from lockstep.columns.tables import is_missing, take_rows
from lockstep.errors import LockstepError
from lockstep.parity.effect import Effect, effects_of
from lockstep.parity.profiles import ColumnProfile, Profile

MOST_ROWS = 500
"""Rows that are computed once more, drawn from those in question: shares are then known to five
percent (95 % of the time, by the binomial distribution)."""
_NAMED = 4
"""Columns that are named."""


@dataclass(frozen=True)
class Impact:
    """What a finding does to the outputs.

    Attributes:
        against: What its columns are held against.
        effects: What it does to each output that is another for it.
        rows: Rows that were computed.
        lacking: Why that is not known, or cannot be, without a full stop; empty if it is.
    """

    against: str = ""
    effects: tuple[Effect, ...] = ()
    rows: int = 0
    lacking: str = ""

    def __str__(self) -> str:
        if self.lacking:
            return self.lacking
        told = (
            "; ".join(map(str, self.effects))
            or f"no output of {counted(self.rows, 'row')} is another"
        )
        return f"Against {self.against}: {told}"


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """Rows of a batch, and what computes them.

    Attributes:
        pipeline: What computes.
        raw: The fields of the rows; outputs too, where these are replaced.
        profile: The profile of the training.
    """

    pipeline: Pipeline
    raw: Columns
    profile: Profile

    def mixed(self, columns: Iterable[str]) -> Impact:
        """Against the mix of the training.

        Args:
            columns: The columns that are replaced.
        """
        return self._replaced(columns, None, "the mix of the training", with_mix)

    def typical(self, columns: Iterable[str], rows: Array) -> Impact:
        """Against typical values of the training.

        Args:
            columns: The columns that are replaced.
            rows: Positions of the rows in question; of all of them, where there are none.
        """
        names = list(columns)
        return self._replaced(names, rows, f"typical values of {listed(names, _NAMED)}", typical)

    def otherwise(self, values: Columns, rows: Array, against: str) -> Impact:
        """Against given values.

        Args:
            values: By column, its other values in the rows in question.
            rows: Positions of these rows.
            against: What these values are.
        """
        if (impact := self._without_outputs(values)) is not None:
            return impact
        some = _drawn(np.arange(len(rows)))
        return self._impact(take_rows(values, some), rows[some], against)

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
        rows = _drawn(rows)
        values = {name: replace(self.raw[name][rows], self.profile.columns[name]) for name in names}
        return self._impact(values, rows, against)

    def _without_outputs(self, columns: Iterable[str]) -> Impact | None:
        """What is said where no output can be another; None where one can."""
        graph, names = self.pipeline.graph, list(columns)
        if not len(self.raw[self.pipeline.key]):
            return Impact(lacking="It changes no output, since every row is set aside")
        if any(set(names) & {output, *graph.ancestors(output)} for output in graph.outputs):
            return None
        return Impact(lacking=f"No output comes from {listed(names, _NAMED)}")

    def _impact(self, replaced: Columns, rows: Array, against: str) -> Impact:
        graph, bound = self.pipeline.graph, self.pipeline.bound
        try:
            now = graph.evaluate(take_rows(self.raw, rows), graph.outputs, bound)
            kept = {
                name: values
                for name, values in now.items()
                if name not in replaced and not graph.ancestors(name) & replaced.keys()
            }
            then = graph.evaluate({**kept, **replaced}, graph.outputs, bound)
        except LockstepError as error:
            why = str(error).removesuffix(".")
            return Impact(lacking=f"Its effect on the outputs is not known: {why}")
        found = effects_of(then, now, graph.record, dict.fromkeys(graph.outputs))
        return Impact(against, tuple(one for one in found if one.differing), len(rows))


def _drawn(rows: Array) -> Array:
    """Of many rows, as many as are computed, drawn by chance: the same ones at every run."""
    if len(rows) <= MOST_ROWS:
        return rows
    chance = np.random.default_rng(len(rows))
    return rows[np.sort(chance.choice(len(rows), MOST_ROWS, replace=False))]


def typical(values: Array, before: ColumnProfile) -> Array:
    """The median or the commonest category of the training in the place of each value."""
    if before.holds == "numbers":
        usual = before.quantiles[len(before.quantiles) // 2] if before.quantiles else np.nan
        return np.full(len(values), usual).astype(values.dtype)
    name = next(iter(before.shares), None)
    commonest = name if values.dtype == object or name is None else name == "True"
    return np.full(len(values), commonest, dtype=values.dtype)


def with_mix(values: Array, before: ColumnProfile) -> Array:
    """The values of a column, with the distribution that they had before."""
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
    for name, found in by_name.items():
        more = len(found) - round(before.shares.get(name, 0.0) * len(known))
        if more > 0 and (name in before.shares or not before.rest):
            surplus += chance.choice(found, more, replace=False).tolist()
        lacking += [name] * -more
    for place, name in zip(chance.permutation(surplus), lacking, strict=False):
        mixed[place] = name == "True" if values.dtype == bool else name
    return mixed
