"""Effects of drift: what a drifted column makes of the outputs, against the mix of the training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.tables import is_missing, take_rows
from lockstep.parity.profiles import ColumnProfile, Profile

MOST_ROWS = 10_000
"""Rows of a batch that are computed once more, spread evenly over it: shares are then known to one
percent (95 % of the time, by the binomial distribution)."""


@dataclass(frozen=True)
class Effect:
    """What the values of some columns make of one output.

    Attributes:
        output: The output.
        flipped: Share of its decisions (texts, booleans) that would be others with the values of
            the training; None for numbers.
        moved: How much more it is on average, for numbers; None for decisions.
    """

    output: str
    flipped: float | None
    moved: float | None

    def __str__(self) -> str:
        if self.flipped is not None:
            return f"{self.flipped:.1%} of {self.output} are other decisions"
        return f"{self.output} is {self.moved:+.3g} on average"


def effects(
    pipeline: Pipeline, raw: Columns, profile: Profile, columns: Iterable[str]
) -> tuple[Effect, ...]:
    """What drifted columns make of a batch's outputs: as they are, against the training's mix.

    Of each column the values are replaced by those of the training of the same rank (numbers), or
    as few of them as give the categories the shares that they had. What is missing stays so.

    Args:
        pipeline: What computes.
        raw: The batch.
        profile: The profile of the training.
        columns: The drifted columns.

    Raises:
        FunctionError: A column's function fails.
    """
    count = len(raw[pipeline.key])
    rows = take_rows(raw, np.unique(np.linspace(0, count - 1, MOST_ROWS).astype(np.int64)))
    replaced = {name: with_mix(rows[name], profile.columns[name]) for name in columns}
    names = pipeline.graph.outputs
    now, then = (
        pipeline.graph.evaluate(one, names, pipeline.bound) for one in (rows, {**rows, **replaced})
    )
    return tuple(_effect(name, now[name], then[name]) for name in names)


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
    texts = [str(one) for one in values[known].tolist()]
    room = {name: round(share * len(known)) for name, share in before.shares.items()}
    surplus: list[int] = []
    for place, text in zip(known.tolist(), texts, strict=True):
        if room.get(text, 0):
            room[text] -= 1
        elif not before.rest or text in before.shares:
            surplus.append(place)
    lacking = (name for name, count in room.items() for _ in range(count))
    for place, name in zip(surplus, lacking, strict=False):
        mixed[place] = name == "True" if values.dtype == bool else name
    return mixed


def _effect(name: str, now: Array, then: Array) -> Effect:
    if now.dtype.kind in "fi":
        return Effect(name, None, float(np.nanmean(now.astype(float) - then.astype(float))))
    return Effect(name, float(np.mean(now != then)), None)
