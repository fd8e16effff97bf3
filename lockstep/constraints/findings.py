"""Findings: the constraints that a day of a batch breaks, grouped by cause.

Statistics that share rows or columns are a single finding, with the weaker regressions, counts and
shares that follow. A finding is three lines: what is wrong, where, what to do. All else is in its
table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lockstep.columns.kinds import Array, Floats, Ints
from lockstep.columns.plain import counted, cut
from lockstep.constraints import aggregates, identity
from lockstep.constraints.constraint_set import ConstraintSet, DayJudged
from lockstep.constraints.features import Feature
from lockstep.constraints.numbering import KIND
from lockstep.constraints.statistics import Statistic
from lockstep.constraints.thresholds import COMMON, HALF, NEARLY
from lockstep.constraints.view import View
from lockstep.constraints.words import figure_of, lost_of, range_of, what_of

_KEYS = 3
"""Keys that a finding names, and columns that have the same finding."""
_LONGEST = 300
"""Characters of its three lines together."""
_MOST_ROWS = 30
"""Statistics in its table."""
_DERIVED = ("correlation", "row to row", "agreement", "residual", "distance", "lag", "far residual",
            "top share", "distinct", "share", "count", "length", "round", "gap", "spread",
            "as before", "loose look-up")  # fmt: skip
_VOLUME = ("volume", "volume of the weekday")
_MOVED_BY_COPIES = ("as before", "gap", "distinct", "top share", "count", *_VOLUME)
"""Kinds that duplicate rows move."""
_MOVED_BY_ROWS = (*_VOLUME, "lacking", "count", "gap")
"""Kinds that added or lost rows move, of any column."""
_OF_ROWS = (*_VOLUME, "lacking", "count", KIND)
_MUCH = 2.0
"""How many times as far as it was accepted a finding may go."""


@dataclass(frozen=True)
class Detail:
    """A statistic of a finding, as a row of its table."""

    statistic: Statistic
    value: str
    usual: str
    share: float  # how unusual it is, as a share of the limit that warns
    strict: bool  # whether no training day did what it shows


@dataclass(frozen=True, eq=False)
class Finding:
    """The broken constraints of a day that have one cause.

    Attributes:
        day: The day, counted from 1970.
        where: Keys; empty where all rows are concerned.
        columns: The fields to look at, the first suspect first.
        rows: Positions in the batch of the rows that show it; empty where no single rows do.
        share: How unusual it is, as a share of the limit that warns.
        details: The statistics that show it; the first names it.
        extents: How far each statistic was, by identity: a person may accept it up to there.
    """

    day: int
    what: str
    where: str
    columns: tuple[str, ...]
    rows: Ints
    strict: bool
    blocks: bool
    share: float
    details: tuple[Detail, ...]
    extents: Mapping[str, float]

    @property
    def identity(self) -> str:
        """The identity of its first statistic, by which it is accepted."""
        return self.details[0].statistic.identity

    @property
    def family(self) -> str:
        """The family of its first statistic."""
        return self.details[0].statistic.feature.family

    def is_within(self, accepted: Mapping[str, float]) -> bool:
        """Whether it goes about as far as a person accepted: by identity, each with its extent."""
        return self.identity in accepted and self.share <= _MUCH * max(accepted[self.identity], 1.0)


def findings_of(constraints: ConstraintSet, view: View, day: DayJudged) -> list[Finding]:
    """The findings of a day: those that block first, then the most unusual."""
    shares = np.maximum(day.evidence, day.blocks)
    places = np.flatnonzero(shares >= 1)
    explains = [_explains(constraints.statistics[place]) for place in places.tolist()]
    places = places[np.lexsort((-shares[places], np.array(explains, dtype=int)))]
    groups = _grouped(constraints, view, day, places.tolist(), shares)
    findings = [_finding(constraints, view, day, group, shares) for group in groups]
    return sorted(findings, key=lambda finding: (not finding.blocks, -finding.share))


def _explains(statistic: Statistic) -> int:
    """The rank of a statistic among causes: copies explain the count of rows, and that the rest.

    That rows are lost goes with what says which ones: those of a shop, or of an hour.
    """
    if statistic.feature.family == identity.FAMILY:
        return 0
    if statistic.feature.kind == KIND:
        return 3
    return 1 if statistic.feature.kind in _VOLUME else 2


def misdated(view: View) -> list[Finding]:
    """A finding of the rows of another day than the batch, where they are too many; else none."""
    rows, time, key = identity.of_another_day(view), view.layout.event_time, view.layout.key
    if not len(rows) or time is None:
        return []
    columns = (time, key) if key is not None else (time,)
    says, share = "are of another day", len(rows) / len(view)
    statistic = Statistic(Feature(identity.FAMILY, "another day", columns, says, True, True))
    day, keys = int(view.day[0]), _keys(view, rows[:_KEYS])
    return [
        Finding(
            day=day,
            what=f"{time}: {len(rows):,} of {counted(len(view), 'row')} {says} than "
            f"{np.datetime64(day, 'D')}, such as {view.local[rows[0]].astype('datetime64[D]')}",
            where=f"rows {', '.join(keys)}" if keys else "",
            columns=columns,
            rows=rows,
            strict=True,
            blocks=True,
            share=share / COMMON,
            details=(
                Detail(statistic, f"{share:.1%}", f"up to {COMMON:.1%}", share / COMMON, True),
            ),
            extents={statistic.identity: share / COMMON},
        )
    ]


def without_rows(constraints: ConstraintSet, day: int) -> Finding:
    """The finding of a day without rows, which a person accepts for this day alone."""
    says = f"number of rows on {np.datetime64(day, 'D')}"
    statistic = Statistic(
        Feature(aggregates.FAMILY, "volume", (), says, strict=True), of_batch=True
    )
    fewest, largest = constraints.fewest, constraints.largest
    usual = f"{fewest:,} to {largest:,}" if largest else "some"
    return Finding(
        day=day,
        what="There are no rows, and training had some on every day",
        where="",
        columns=(),
        rows=np.empty(0, dtype=np.int64),
        strict=True,
        blocks=True,
        share=1.0,
        details=(Detail(statistic, "0", usual, 1.0, True),),
        extents={statistic.identity: 1.0},
    )


def _grouped(
    constraints: ConstraintSet, view: View, day: DayJudged, places: Sequence[int], shares: Floats
) -> list[list[int]]:
    """The statistics of each cause, the most unusual first."""
    groups: list[list[int]] = []
    rows = {place: _rows(constraints, view, day, place) for place in places}
    for place in places:
        statistic = constraints.statistics[place]
        for group in groups:
            lead = constraints.statistics[group[0]]
            weak = shares[place] <= HALF * shares[group[0]]
            # a few rows explain nothing of all of them
            weak &= not lead.feature.by_row or len(rows[group[0]]) >= HALF * day.shown_of
            is_derived = statistic.feature.kind in _DERIVED and not statistic.feature.strict
            by_rows = lead.feature.kind in _OF_ROWS and not statistic.feature.strict
            by_copies = (
                lead.feature.family == identity.FAMILY
                and statistic.feature.kind in _MOVED_BY_COPIES
                and len(rows[group[0]]) >= NEARLY * day.shown_of
            )
            if (
                {*statistic.columns} & _columns(constraints, group)
                or _overlap(rows[place], rows[group[0]]) > HALF
                or ((is_derived or by_rows) and weak)
                or by_copies
                or {lead.feature.family, statistic.feature.family} == {"panels"}
                or (lead.feature.kind in _OF_ROWS and statistic.feature.kind in _MOVED_BY_ROWS)
            ):
                group.append(place)
                break
        else:
            groups.append([place])
    return groups


def _columns(constraints: ConstraintSet, group: Sequence[int]) -> set[str]:
    """The columns of a cause: those of its first statistic, and the first ones of all others."""
    first, *others = (constraints.statistics[place] for place in group)
    return {*first.columns, *(name for other in others for name in other.columns[:1])}


def _rows(constraints: ConstraintSet, view: View, day: DayJudged, place: int) -> Ints:
    """Positions, in the batch, of the rows of a day that show a statistic."""
    statistic = constraints.statistics[place]
    if statistic.of_batch:
        return np.empty(0, dtype=np.int64)
    shown = day.shown.rows(place)
    rows: Ints = shown[view.day[shown] == day.day]
    return rows


def _overlap(rows: Ints, others: Ints) -> float:
    """The share of the rows of either that are of both."""
    if not len(rows) or not len(others):
        return 0.0
    both = len(np.intersect1d(rows, others, assume_unique=True))
    return both / (len(rows) + len(others) - both)


def _finding(
    constraints: ConstraintSet, view: View, day: DayJudged, group: Sequence[int], shares: Floats
) -> Finding:
    strict = [place for place in group if day.is_strict(constraints.statistics[place])]
    is_copied = constraints.statistics[group[0]].feature.family == identity.FAMILY
    lost = [place for place in group if constraints.statistics[place].feature.kind == KIND]
    rules = [place for place in strict if place not in lost]
    lead = group[0] if is_copied else (rules or group)[0]  # a rule names the rows that break it
    group = [lead, *(place for place in group if place != lead)]
    rows = _rows(constraints, view, day, lead)
    others = [place for place in group if place not in lost]  # any row that is lost has a key
    columns = _suspects(constraints, others or lost, shares)
    usual = (float(day.low[lead]), float(day.high[lead]))
    what = what_of(constraints, view, day, lead, rows, usual, columns[0] if columns else "rows")
    also = _alike(constraints, group)
    if also:
        more = len(also) - _KEYS
        what += f"; so do {', '.join(also[:_KEYS])}{f' and {more} more' if more > 0 else ''}"
    if lost and lead not in lost:
        what += f"; {lost_of(constraints, view, day)}"
    keys = _keys(view, rows[:_KEYS])
    where = f"{'row' if len(rows) == 1 else 'rows'} {', '.join(keys)}" if keys else ""
    return Finding(
        day=day.day,
        what=cut(what, _LONGEST - 110),
        where=cut(where, 100),
        columns=columns,
        rows=rows,
        strict=bool(strict),
        blocks=bool(np.any(day.blocks[[*group]] >= 1)),
        share=float(shares[lead]),
        details=tuple(_detail(constraints, day, place, shares) for place in group[:_MOST_ROWS]),
        extents={constraints.statistics[place].identity: float(shares[place]) for place in group},
    )


def _alike(constraints: ConstraintSet, group: Sequence[int]) -> list[str]:
    """The other columns of a cause that show the same kind as its first statistic."""
    first = constraints.statistics[group[0]]
    features = [constraints.statistics[place].feature for place in group]
    alike = [feature.columns[:1] for feature in features if feature.kind == first.feature.kind]
    names = dict.fromkeys(name for columns in alike for name in columns)
    return [name for name in names if name not in first.columns]


def _detail(constraints: ConstraintSet, day: DayJudged, place: int, shares: Floats) -> Detail:
    statistic = constraints.statistics[place]
    value, low, high = (float(figures[place]) for figures in (day.values, day.low, day.high))
    usual = range_of(constraints, statistic, low, high)
    figure, share = figure_of(constraints, statistic, value), float(shares[place])
    return Detail(statistic, figure, usual, share, day.is_strict(statistic))


def _suspects(constraints: ConstraintSet, group: Sequence[int], shares: Floats) -> tuple[str, ...]:
    """The fields of a cause; the field that most of its statistics name comes first.

    A statistic of a single column counts more for it than a statistic of several.
    """
    score: dict[str, float] = {}
    for place in group:
        statistic = constraints.statistics[place]
        names = statistic.columns
        for rank, name in enumerate(names):
            weight = 1.0 if rank == 0 else 0.3
            score[name] = score.get(name, 0.0) + weight * float(shares[place]) / len(names)
    first = constraints.statistics[group[0]]
    if first.feature.family == identity.FAMILY:  # copies make other columns stray
        return tuple(dict.fromkeys((*first.columns, *score)))
    ordered = sorted(score, key=lambda name: (name not in first.columns, -score[name]))
    return tuple(ordered)


def _keys(view: View, rows: Array) -> list[str]:
    key = view.layout.key
    values = [] if key is None else view.columns[key][rows].tolist()
    return [cut(str(value), 40) for value in values]
