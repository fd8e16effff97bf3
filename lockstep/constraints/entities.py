"""Entities: what names things that come again, told from training rows.

A column, or two of them, of which the last row tells most of the present one; alone or with the
time of day, where there is one row of each thing at each moment of a day.
"""

from __future__ import annotations

from itertools import combinations

import msgspec
import numpy as np
import pandas as pd

from lockstep.columns.digests import mixed
from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.constraints.quantities import Entity
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
from lockstep.constraints.view import View


class Entities(msgspec.Struct, frozen=True):
    """What names things.

    Attributes:
        full: Entities of which the last row and windows are looked at.
        light: Columns of which only rows are counted, if anything asks for it.
        grid: What has one row at each moment of its day; None where nothing has.
        windowed: Those of which there are few enough for windows.
    """

    full: tuple[Entity, ...]
    light: tuple[Entity, ...]
    grid: Entity | None
    windowed: tuple[Entity, ...]


def discover(view: View) -> Entities:
    """Find the entities of training rows.

    Args:
        view: The rows.
    """
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
            full += [
                one for one in (base, with_clock, (*with_clock, "@weekday")) if one not in full
            ]
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
    """The digests of a column that may name things; None where its values hardly come again."""
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
    """How many columns the row before of the same thing tells, chance left out."""
    before = rows.before(entity).own
    known = np.flatnonzero(before >= 0)
    share = len(known) / max(len(rows), 1)
    if share < AGAIN:
        return 0.0
    found = 0.0
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
            told = 1 - float(np.nanmean(moved)) / max(float(np.nanmean(usual)), 1e-9)
        else:
            dealt = np.random.default_rng(0).permutation(code[both])
            told = float(np.mean(code[both] == code[before[both]]) - np.mean(code[both] == dealt))
        found += max(told, 0.0) * share
    return found


def _ranks(rows: View, name: str) -> Floats:
    return rows.once(
        ("ranks", name), lambda: np.asarray(pd.Series(rows.columns[name]).rank(pct=True))
    )


def _same(code: Array, other: Array) -> bool:
    """Whether two columns part rows alike."""
    both = mixed((code, other), len(code))
    counts = [len(np.unique(one)) for one in (code, other, both)]
    return counts[2] <= 1.02 * min(counts[:2])


def _of_moment(code: Array, micros: Ints) -> bool:
    """Whether all rows of a moment share a value."""
    _, first, group = np.unique(micros, return_index=True, return_inverse=True)
    return bool(np.mean(code[first][group] == code) > 1 - NEARLY)


def _of_days(rows: View, entity: Entity) -> Array:
    codes = rows.codes(entity)
    return mixed((codes, rows.day.astype(np.uint64)), len(rows))


def _unique(rows: View, entity: Entity) -> float:
    """Share of the rows that are the only one of their thing on their day."""
    found = _of_days(rows, entity)
    return len(np.unique(found)) / max(len(found), 1)


def _again(rows: View, entity: Entity) -> float:
    """Share of the rows whose thing had a row on the day before."""
    codes = rows.codes(entity)
    before = mixed((codes, (rows.day - 1).astype(np.uint64)), len(rows))
    return float(np.isin(before, _of_days(rows, entity)).mean())
