"""Entities: columns that name things which come again, found in training rows.

An entity is a column or two whose last row predicts most of the present row; alone, or with the
time of day where each thing has a single row at each moment of a day.
"""

from __future__ import annotations

from itertools import combinations

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.digests import mixed
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.quantities import Entity
from lockstep.constraints.rows_before import rows_before
from lockstep.constraints.thresholds import (
    AGAIN,
    BEST,
    FEW,
    MOST_CATEGORIES,
    MOST_WINDOWED,
    NEARLY,
    SAMPLE,
    TELLS,
)
from lockstep.constraints.view import View, made_once


class Entities(msgspec.Struct, frozen=True):
    """The entities of a table."""

    full: tuple[Entity, ...]  # entities whose last row and windows are looked at
    light: tuple[Entity, ...]  # entities whose rows are only counted, if anything asks for it
    # the entity with a single row at each moment of its day; None where there is none
    grid: Entity | None
    windowed: tuple[Entity, ...]  # entities with few enough things for windows


def discover(view: View) -> Entities:
    """Find the entities of training rows."""
    layout = view.layout
    newest = np.argsort(view.day, kind="stable")[-SAMPLE:]
    rows = view.take(newest[np.argsort(view.micros[newest], kind="stable")])
    names = [*layout.texts, *layout.numbers, *layout.dates]
    codes = {name: code for name in names if (code := _naming(rows, name)) is not None}
    judged = [name for name in (*layout.texts, *layout.numbers) if name not in layout.dated]
    tells = {name: _tells(rows, (name,), judged) for name in codes}
    chosen: list[str] = []
    for name in sorted(tells, key=lambda name: -tells[name]):
        if tells[name] < TELLS or len(chosen) == BEST - 1:
            break
        if not any(_same(codes[name], codes[other]) for other in chosen):
            chosen.append(name)
    few = [name for name in codes if len(np.unique(codes[name])) <= 500]
    full: list[Entity] = [(), *((name,) for name in chosen)]
    unique = {name: _unique(rows, (name,)) for name in few}
    for first, second in combinations(few, 2):
        if max(unique[first], unique[second]) < 0.9 and _unique(rows, (first, second)) > 0.99:
            full.append((first, second))
            break
    pairs = [entity for entity in full if len(entity) == 2]
    grid = None
    for base in [(), *((name,) for name in dict.fromkeys([*chosen, *few])), *pairs]:
        with_clock: Entity = (*base, "@clock")
        if _unique(rows, with_clock) > 0.98 and _again(rows, with_clock) > 0.5:
            grid = base
            full = [*dict.fromkeys((*full, base, with_clock, (*with_clock, "@weekday")))]
            break
    light = [
        (name,) for name in codes if (name,) not in full and 2 <= len(np.unique(codes[name])) <= 100
    ][:FEW]
    windowed = [
        entity
        for entity in (*full, *light)
        if "@clock" not in entity and len(np.unique(view.codes(entity))) <= MOST_WINDOWED
    ]
    return Entities(tuple(full), tuple(light), grid, tuple(windowed))


def _naming(rows: View, name: str) -> Array | None:
    """The digests of a column that may be an entity; None where its values hardly come again."""
    if name in rows.layout.dated:
        return None
    values = rows.columns[name]
    if values.dtype.kind == "f" and np.any(values[np.isfinite(values)] % 1):
        return None
    code = rows.code(name)
    count = len(np.unique(code))
    if not 2 <= count <= 0.6 * len(rows) or (rows.has_peers and _of_moment(code, rows.micros)):
        return None
    return code


def _tells(rows: View, entity: Entity, judged: list[str]) -> float:
    """How many columns the row before of the same thing tells, beyond chance."""
    before = rows_before(rows, entity).own
    known = np.flatnonzero(before >= 0)
    share = len(known) / max(len(rows), 1)
    if share < AGAIN:
        return 0.0
    total = 0.0
    for name in judged:
        if name in entity:
            continue
        code = rows.code(name)
        both = known[(code[known] != 0) & (code[before[known]] != 0)]
        if len(both) < 50:
            continue
        if rows.columns[name].dtype.kind in "fi" and len(np.unique(code[both])) > MOST_CATEGORIES:
            ranks = _ranks(rows, name)
            moved = np.abs(ranks[both] - ranks[before[both]])
            usual = np.abs(ranks[both] - ranks[np.maximum(both - 1, 0)])
            gain = 1 - float(np.nanmean(moved)) / max(float(np.nanmean(usual)), 1e-9)
        else:
            dealt = np.random.default_rng(0).permutation(code[both])
            gain = float(np.mean(code[both] == code[before[both]]) - np.mean(code[both] == dealt))
        total += max(gain, 0.0) * share
    return total


@made_once
def _ranks(rows: View, name: str) -> Floats:
    return np.asarray(pd.Series(rows.columns[name]).rank(pct=True))


def _same(code: Array, other: Array) -> bool:
    """Whether two columns group rows alike."""
    both = mixed((code, other), len(code))
    counts = [len(np.unique(digests)) for digests in (code, other, both)]
    return counts[2] <= 1.02 * min(counts[:2])


def _of_moment(code: Array, micros: Ints) -> bool:
    """Whether all rows of a moment share a value."""
    _, first, group = np.unique(micros, return_index=True, return_inverse=True)
    return bool(np.mean(code[first][group] == code) > 1 - NEARLY)


def _unique(rows: View, entity: Entity) -> float:
    """The share of rows that are alone of their thing on their day."""
    things = rows.by_day(rows.codes(entity))
    return len(np.unique(things)) / max(len(things), 1)


def _again(rows: View, entity: Entity) -> float:
    """The share of rows whose thing has a row on the day before."""
    codes = rows.codes(entity)
    before = mixed((codes, (rows.day - 1).astype(np.uint64)), len(rows))
    return float(np.isin(before, rows.by_day(codes)).mean())
