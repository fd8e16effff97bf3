"""ConstraintSet of a version: what training found, and how a batch lies to it.

view        rows with their calendar and the rows before
features    one number a row each, by family
state       sums of them, that merge
statistics  means, in all and by segment, and of the batch as a whole
limits      how unusual each is
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from lockstep.columns.digests import Digests, mixed
from lockstep.columns.kinds import Array, Columns, Floats, Ints
from lockstep.columns.plain import counted
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing, take_rows
from lockstep.constraints import aggregates, entities, history, identity, panels, rules, segments
from lockstep.constraints import values as of_values
from lockstep.constraints.aggregates import Aggregates, middle_of
from lockstep.constraints.dependencies import OfDay
from lockstep.constraints.features import BLOCKS, Feature, Measured
from lockstep.constraints.history import History
from lockstep.constraints.identity import Identity
from lockstep.constraints.layout import Layout
from lockstep.constraints.panels import Panels
from lockstep.constraints.past import DAYS, PastBatch, Things
from lockstep.constraints.quantities import Entity, Quantity
from lockstep.constraints.rules import Rules
from lockstep.constraints.segments import Segment, cells_of, masks_of
from lockstep.constraints.values import Values
from lockstep.constraints.view import View, by_clock
from lockstep.stats.limits import ENOUGH_DAYS, RECENT, STEPS, Limits, Trait, decode, encode
from lockstep.stats.states import Frequent, Moments, Products, State, merged

FORMAT = 1
"""The format of stored constraints; one of another cannot be read."""
_CHUNK = 16_384
"""Rows whose features are made at a time: memory is bounded by it."""
_WHOLE = ("hour", "clock", "length", "gap")
"""Kinds that no segments are looked at of."""
_STEPPED = ("missing", "level", "spread", "zero", "negative", "round", "as before", "length")
"""Kinds of which a step from the days before counts by itself."""
_INDEPENDENT = ("missing", "count", "volume", "volume of the weekday", "lacking", "distinct")
"""Kinds to which each row adds by itself, though rows of an hour share values."""
_SMALLEST, _LARGEST, _BLOCKS = 50, 1_000, 40
"""Rows of a block, where rows have no event time, and blocks that there are to be."""
_YEAR = 365
"""Training days that have seen all seasons."""
_ENOUGH_ROWS = 50
"""Training rows from which on anything is told."""
_PART_ROWS = 3
"""Rows of a segment, and of the rest, from which on they are told apart."""


class Statistic(msgspec.Struct, frozen=True):
    """A figure of a batch.

    Attributes:
        feature: What it is the mean of, or what it is as a whole.
        segment: The part of the batch that it is of, beside the rest; all rows of most.
        of_batch: Whether it is of the batch as a whole.
    """

    feature: Feature
    segment: Segment
    of_batch: bool = False

    @property
    def identity(self) -> str:
        """Tells it apart from all others."""
        part = f"@{self.segment.column}={self.segment.value}" if self.segment.column else ""
        return f"{self.feature.identity}{part}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at, the first suspect first."""
        return tuple(dict.fromkeys((*self.feature.columns, *self.segment.columns)))

    @property
    def trait(self) -> Trait:
        """What limits know of it."""
        kind, part = self.feature.kind, bool(self.segment.column)
        scope = "batch" if self.of_batch else "part" if part else "all"
        return Trait(
            kind=f"{kind}/{scope}",
            column=self.feature.columns[0] if self.feature.columns else "",
            is_part=part,
            by_row=self.feature.by_row,
            stepped=kind in _STEPPED,
        )


@dataclass(frozen=True, eq=False)
class DayJudged:
    """How a day of a batch lies to the constraints.

    Attributes:
        day: The day, counted from 1970.
        rows: Positions of its rows.
        values: The value of each statistic.
        sizes: How many independent rows each tells of.
        evidence: How unlikely each is, as a share of what warns.
        blocks: The same as a share of what blocks.
        low: From where on each is usual.
        high: Up to where.
        state: What they were read from.
        features: float32, the features of its rows: features x rows.
    """

    day: int
    rows: Ints
    values: Floats
    sizes: Floats
    evidence: Floats
    blocks: Floats
    low: Floats
    high: Floats
    state: State
    features: Array


class ConstraintSet(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What training rows keep.

    Attributes:
        layout: What columns hold.
        rows: Training rows.
        days: Days, or blocks of rows, that they were of.
        entities: What names things.
        values: What each column has.
        rules: What rows keep.
        history: What rows before tell.
        identity: What tells contents apart.
        panels: How numbers are told by others.
        aggregates: What batches are as a whole.
        features: Row features, in order.
        parts: Places of segment and feature, of each statistic of a part.
        bunched: How many rows that share a value of an hour are one observation, by statistic.
        limits: The limits of the statistics.
        past: The last training days.
        unjudged: Families that were left out, each with why.
        format: The format that it is stored in.
    """

    layout: Layout
    rows: int
    days: int
    entities: entities.Entities
    values: Values
    rules: Rules
    history: History
    identity: Identity
    panels: Panels
    aggregates: Aggregates
    features: tuple[Feature, ...]
    parts: tuple[tuple[int, int], ...]
    bunched: Array
    limits: Limits
    past: tuple[PastBatch, ...]
    unjudged: dict[str, str] = {}
    format: int = FORMAT

    @cached_property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics of a batch, in order."""
        return statistics_of(self.features, self.parts, self.aggregates, self.layout)

    @cached_property
    def _beyond_season(self) -> Array:
        """What another season may do, until training has a year of it: bool, one a statistic."""
        is_beyond = [one.feature.kind == "beyond" for one in self.statistics]
        return np.array(is_beyond, dtype=bool) & (self.days < _YEAR)

    @cached_property
    def _strict(self) -> Array:
        """Which features are strict rules: bool."""
        return np.array([one.strict for one in self.features], dtype=bool)

    def view(self, columns: Columns, day: Ints, past: Sequence[PastBatch]) -> View:
        """Rows of a batch as constraints see them.

        Args:
            columns: The fields of the record.
            day: int64, the day of each row.
            past: What is kept of the batches before; that of training goes before them.
        """
        raw = {name: columns[name] for name in _names(self.layout)}
        first = int(day.min()) if len(day) else 0
        known = {batch.day: batch for batch in (*self.past, *past)}
        near = [known[one] for one in sorted(known) if first - DAYS <= one]
        return View(raw, self.layout, day, tuple(near))

    @np.errstate(all="ignore")  # numbers may be as large as they are
    def judge(self, view: View) -> list[DayJudged]:
        """How each day of a batch lies to the constraints.

        Args:
            view: Its rows.
        """
        matrix = _matrix(self._measured(view), len(view))
        past = list(view.past)
        found = []
        for day, rows in days_of(view):
            state = state_of(matrix, view, rows, self.aggregates)
            values, sizes = self._read(state, past, day)
            own = 4 * len(values)
            recent = [one for one in past if one.day < day and len(one.values) == own]
            recent = recent[-RECENT - STEPS :]
            before, counts = (
                np.array(
                    [np.frombuffer(getattr(one, name), dtype="<f4") for one in recent]
                ).reshape(len(recent), len(values))
                for name in ("values", "sizes")
            )
            judged = self.limits.judge(values, sizes, before, counts)
            judged.blocks[self._beyond_season] = 0.0
            broken = self._strict & (state.moments.total[0] > 0)
            for shares in (judged.evidence, judged.blocks):  # one row that breaks it is enough
                strict = shares[: len(broken)]
                strict[broken] = np.maximum(strict[broken], 1.0)
            found.append(
                DayJudged(
                    day=day,
                    rows=rows,
                    values=values,
                    sizes=sizes,
                    evidence=judged.evidence,
                    blocks=judged.blocks,
                    low=judged.low,
                    high=judged.high,
                    state=state,
                    features=matrix[:, rows],
                )
            )
            past.append(self._light(state, day, len(rows)))
        return found

    def _light(self, state: State, day: int, rows: int) -> PastBatch:
        return light_batch(state, day, rows)

    def _measured(self, view: View) -> Iterator[Measured]:
        return measured(view, self.values, self.rules, self.history, self.identity, self.panels)

    def _read(self, state: State, past: Sequence[PastBatch], day: int) -> tuple[Floats, Floats]:
        return read(state, past, day, self.parts, self.aggregates, self.bunched)

    def remembered(
        self, view: View, judged: Sequence[DayJudged], partition: str, *, blocked: bool = False,
        accepted: dict[str, float] | None = None,
    ) -> list[PastBatch]:  # fmt: skip
        """What is kept of a batch, for those that follow it: of each of its days.

        Args:
            view: Its rows.
            judged: How its days lie to the constraints.
            partition: The day or file.
            blocked: Whether it is held back.
            accepted: Findings that a person accepted, each with its extent.
        """
        return [
            past_batch(
                view, one.rows, one.state, partition, one.day, self,
                values=one.values, sizes=one.sizes, blocked=blocked, accepted=accepted or {},
            )
            for one in judged
        ]  # fmt: skip

    def to_bytes(self) -> bytes:
        """As MessagePack."""
        return msgspec.msgpack.encode(self, enc_hook=encode)

    @classmethod
    def from_bytes(cls, data: bytes) -> ConstraintSet:
        """The constraints that `to_bytes` gave.

        Raises:
            msgspec.MsgspecError: They are damaged, or of another format.
        """
        return msgspec.msgpack.decode(data, type=cls, dec_hook=decode)


@np.errstate(all="ignore")  # numbers may be as large as they are
def discover(
    columns: Columns, schema: Schema, timezone: str = "UTC", *, population: bool = False
) -> ConstraintSet:
    """Find the constraints of a pipeline's raw rows.

    Args:
        columns: The training rows: fields of the record, and others that are not looked at.
        schema: What the fields are declared to hold.
        timezone: Where a day begins and ends.
        population: Whether only values and aggregates are looked at, as of outputs.
    """
    raw = {name: columns[name] for name in schema.names}
    raw, day = in_order(raw, schema, timezone)
    layout = Layout.of(raw, schema, day, timezone)
    days, group = np.unique(day, return_inverse=True)
    view = View(raw, layout, day, fold=group * BLOCKS // max(len(days), 1))
    unjudged = _unjudged(len(view), len(days), schema)
    has_rows = len(view) >= _ENOUGH_ROWS
    things = entities.Entities((), (), None, ())
    known, kept, before = Values((), ()), Rules(()), History(things, (), ())
    contents, told = Identity({}), Panels(panels.Design((), (), ()), (), None)
    parts = segments.Segments((Segment(),), (Segment(),), {})
    columns_counted: tuple[str, ...] = ()
    if has_rows:
        known = of_values.discover(view)
        columns_counted = aggregates.columns_of(layout)
    if has_rows and not population:
        things = entities.discover(view) if schema.event_time is not None else things
        kept, before = rules.discover(view, things), history.discover(view, things)
        contents, told = identity.discover(view), panels.discover(view, things, known, kept)
    if has_rows:
        parts = segments.discover(view, things)
    numbers = tuple(
        one.quantity for one in known.numbers
        if one.quantity.made != "digits" and one.quantity.fields[0] not in layout.dated
    )[:14]  # fmt: skip
    whole = Aggregates(parts, columns_counted, (), numbers)
    found = list(measured(view, known, kept, before, contents, told))
    features = tuple(one.feature for one in found)
    matrix = _matrix(found, len(view))
    states, positions = [], []
    for _, rows in days_of(view):
        states.append(state_of(matrix, view, rows, whole))
        positions.append(rows)
    whole = msgspec.structs.replace(whole, expected=aggregates.expected_of(states, columns_counted))
    looked_at = tuple(
        (place, number)
        for place, segment in enumerate(parts.parts)
        for number, feature in enumerate(features)
        if place and not feature.by_row and feature.kind not in _WHOLE
        and segment.column not in feature.columns
    )  # fmt: skip
    labels = statistics_of(features, looked_at, whole, layout)
    bunched = _bunched(view, labels, kept)
    past: list[PastBatch] = []
    values, sizes = [], []
    for number, state in zip(days.tolist(), states, strict=True):
        of_day = read(state, past[-DAYS:], number, looked_at, whole, bunched)
        values.append(of_day[0])
        sizes.append(of_day[1])
        past.append(light_batch(state, number, state.rows))
    variance, floor = _variance(
        state_of(matrix, view, np.arange(len(view)), whole).moments, looked_at, len(labels)
    )
    table, counts = (np.array(one).reshape(len(days), len(labels)) for one in (values, sizes))
    limits = Limits.of([one.trait for one in labels], table, counts, variance, floor)
    constraints = ConstraintSet(
        layout=layout, rows=len(view), days=len(days), entities=things, values=known, rules=kept,
        history=before, identity=contents, panels=told, aggregates=whole, features=features,
        parts=looked_at, bunched=bunched, limits=limits, past=(), unjudged=unjudged,
    )  # fmt: skip
    last = [
        past_batch(view, rows, state, "training", number, constraints)
        for number, rows, state in list(zip(days.tolist(), positions, states, strict=True))[-DAYS:]
    ]
    return msgspec.structs.replace(constraints, past=tuple(last))


def _unjudged(rows: int, days: int, schema: Schema) -> dict[str, str]:
    """What of training rows cannot be told, each with why."""
    if rows < _ENOUGH_ROWS:
        return {"all": f"training has {counted(rows, 'row')}, and it takes {_ENOUGH_ROWS}"}
    found = {}
    if schema.event_time is None:
        found["history"] = "rows have no event time"
    if days < ENOUGH_DAYS:
        what = "day" if schema.event_time is not None else "block of rows"
        found["statistics"] = f"training has {counted(days, what)}, and it takes {ENOUGH_DAYS}"
    return found


def in_order(raw: Columns, schema: Schema, timezone: str) -> tuple[Columns, Ints]:
    """Training rows in order of time, and the day of each; without times, blocks of rows."""
    rows = len(next(iter(raw.values())))
    if schema.event_time is None:
        size = min(max(rows // _BLOCKS, _SMALLEST), _LARGEST)
        return raw, np.arange(rows) // size
    times = raw[schema.event_time]
    order = np.argsort(times, kind="stable")
    order = order[~is_missing(times[order])]
    raw = take_rows(raw, order)
    local = by_clock(raw[schema.event_time], timezone)
    return raw, local.astype("datetime64[D]").astype(np.int64)


def measured(
    view: View, values: Values, rules: Rules, history: History, identity: Identity, panels: Panels
) -> Iterator[Measured]:
    """The features of rows, of all families."""
    yield from values.evaluate(view)
    yield from rules.evaluate(view)
    yield from history.evaluate(view)
    yield from identity.evaluate(view)
    yield from panels.evaluate(view, values)


def _matrix(found: Any, rows: int) -> Array:
    columns = [one.values for one in found]
    matrix = np.empty((len(columns), rows), dtype=np.float32)
    for place, values in enumerate(columns):
        matrix[place] = values
    return matrix


def days_of(view: View) -> list[tuple[int, Ints]]:
    """The days of a view, each with the positions of its rows in order of time."""
    order = np.lexsort((view.micros, view.group))
    edges = np.searchsorted(view.group[order], np.arange(len(view.days) + 1))
    return [
        (day, order[start:end])
        for day, start, end in zip(
            view.days.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True
        )
    ]


def state_of(matrix: Array, view: View, rows: Ints, whole: Aggregates) -> State:
    """The state of some rows.

    Args:
        matrix: Features of all rows of the view: float32, features x rows.
        view: The rows.
        rows: Positions of those of the state.
        whole: What else is told of a batch.
    """
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)] or [rows]
    return merged([_state_of(matrix, view, chunk, whole) for chunk in chunks])


def _state_of(matrix: Array, view: View, rows: Ints, whole: Aggregates) -> State:
    masks = view.once("masks", lambda: masks_of(whole.segments, view))
    cells = view.once("cells", lambda: cells_of(whole.segments, view))
    things = view.once("things", lambda: whole.segments.counts(view))
    placed = [_placed(view, one) for one in whole.numbers]
    numbers = np.array([one[rows] for one in placed]).T.reshape(len(rows), len(placed))
    before = view.before(()).own[rows]
    then = np.array([one[before] for one in placed]).T.reshape(len(rows), len(placed))
    own_day = (before >= 0) & (view.day[before] == view.day[rows])
    then = np.where(own_day[:, np.newaxis], then, np.nan)
    digits = _digits(view)[rows]
    known = np.isfinite(digits)
    return State(
        rows=len(rows),
        moments=Moments.of(matrix[:, rows].T, masks[:, rows]),
        products=Products.of(numbers, then),
        counts={
            "cells": cells[:, rows].sum(axis=1, dtype=np.float64),
            **{
                name: np.bincount(place[rows], minlength=len(whole.segments.things[name]) // 8 + 1)[
                    :-1
                ].astype(np.float64)
                for name, place in things.items()
            },
        },
        frequent={name: Frequent.of(view.code(name)[rows]) for name in whole.columns},
        digits=(int(known.sum()), float(digits[known].sum())),
    )


def _placed(view: View, one: Quantity) -> Floats:
    return view.once(("place", one), lambda: view.number(one))


def _digits(view: View) -> Floats:
    if view.layout.key is None:
        return np.full(len(view), np.nan)
    return view.number(Quantity("digits", (view.layout.key,)))


def statistics_of(
    features: Sequence[Feature],
    parts: Sequence[tuple[int, int]],
    whole: Aggregates,
    layout: Layout,
) -> tuple[Statistic, ...]:
    """The statistics of a batch: means of all rows, of parts, and of the batch as a whole."""
    return (
        *(Statistic(feature, Segment()) for feature in features),
        *(Statistic(features[number], whole.segments.parts[place]) for place, number in parts),
        *(Statistic(feature, Segment(), of_batch=True) for feature in whole.features(layout)),
    )


def read(
    state: State,
    past: Sequence[PastBatch],
    day: int,
    parts: Sequence[tuple[int, int]],
    whole: Aggregates,
    bunched: Floats,
) -> tuple[Floats, Floats]:
    """The statistics of a batch, and of how many independent rows each tells."""
    moments = state.moments
    count, total = moments.count, moments.total
    with np.errstate(all="ignore"):
        mean = total / count
        rest_count = count[:1] - count
        beside = mean - (total[:1] - total) / rest_count
        size = 1 / (1 / count + 1 / rest_count)
    beside = np.where((count >= _PART_ROWS) & (rest_count >= _PART_ROWS), beside, np.nan)
    at = np.array(parts, dtype=np.int64).reshape(-1, 2)
    of_batch, errors = whole.read(state, past, day)
    values = np.concatenate([mean[0], beside[at[:, 0], at[:, 1]], of_batch])
    sizes = np.concatenate([count[0], size[at[:, 0], at[:, 1]], 1 / errors**2])
    return values, np.nan_to_num(sizes) / bunched


def _variance(
    moments: Moments, parts: Sequence[tuple[int, int]], statistics: int
) -> tuple[Floats, Floats]:
    """The variance of a row's value of each statistic, and what one row can move it by."""
    count = np.maximum(moments.count, 1.0)
    found = np.maximum(moments.square / count - (moments.total / count) ** 2, 0.0)
    found[1:] = (found[1:] + found[:1]) / 2
    found = np.where(moments.count > 0, np.maximum(found, 1 / np.maximum(moments.count, 50)), 1.0)
    at = np.array(parts, dtype=np.int64).reshape(-1, 2)
    of_rows = np.concatenate([found[0], found[at[:, 0], at[:, 1]]])
    rest = statistics - len(of_rows)
    variance = np.concatenate([of_rows, np.ones(rest)])
    floor = np.concatenate([np.ones(len(of_rows)), np.zeros(rest)])
    return variance, floor


def _bunched(view: View, labels: Sequence[Statistic], kept: Rules) -> Floats:
    """How many rows are one observation: those that share a value of an hour.

    The design effect of clusters: Kish, "Survey Sampling", 1965.
    """
    hour = mixed((view.code("@hour"), view.day.astype(np.uint64)), len(view))
    effects: dict[str, float] = {}
    for rule in (one.rule for one in kept.rules):
        if isinstance(rule, OfDay) and {"@hour", "@clock"} & {*rule.left}:
            group = mixed((view.codes(rule.left), view.day.astype(np.uint64)), len(view))
            sizes = np.unique(group, return_counts=True)[1].astype(float)
            effect = float((sizes**2).sum() / sizes.sum())
            effects[rule.right] = max(effects.get(rule.right, 1.0), effect)
    for name in (one for one in view.layout.fields if one not in effects):
        code = view.code(name)
        if len(np.unique(code)) <= 24:
            continue
        both = mixed((code, hour), len(view))[code != 0]
        sizes = np.unique(both, return_counts=True)[1].astype(float)
        effects[name] = max(float((sizes**2).sum() / sizes.sum()), 1.0) if len(sizes) else 1.0
    return np.array(
        [
            1.0
            if one.feature.kind in _INDEPENDENT or one.feature.family == rules.FAMILY
            else max((effects.get(name, 1.0) for name in one.columns), default=1.0)
            for one in labels
        ]
    )


def _ends(view: View, rows: Ints, known: Values) -> tuple[bytes, bytes]:
    """The least and the greatest of each number; NaN where there is none."""
    ends = []
    for number in known.numbers:
        numbers = view.number(number.quantity)[rows]
        numbers = numbers[np.isfinite(numbers)]
        ends.append((numbers.min(), numbers.max()) if len(numbers) else (np.nan, np.nan))
    low, high = np.array(ends, dtype="<f8").reshape(-1, 2).T
    return low.tobytes(), high.tobytes()


def light_batch(state: State, day: int, rows: int) -> PastBatch:
    """What of a batch is looked at in counting, while days of one view follow each other."""
    counts = {name: counts.astype("<f8").tobytes() for name, counts in state.counts.items()}
    nothing = Digests(b"", True)
    return PastBatch("", day, rows, {}, nothing, {}, counts, middle=middle_of(state))


def past_batch(
    view: View,
    rows: Ints,
    state: State,
    partition: str,
    day: int,
    known: ConstraintSet,
    *,
    values: Floats | None = None,
    sizes: Floats | None = None,
    blocked: bool = False,
    accepted: dict[str, float] | None = None,
) -> PastBatch:
    """What is kept of a day's rows."""
    light = light_batch(state, day, len(rows))
    low, high = _ends(view, rows, known.values)
    contents = known.identity.digests(view)
    key = view.layout.key
    return msgspec.structs.replace(
        light,
        partition=partition,
        things={
            "+".join(entity): _things(view, rows, entity, known) for entity in _looked_back(known)
        },
        keys=Digests.of(view.code(key)[rows]) if key is not None else Digests(b"", True),
        contents={name: Digests.of(digests[rows]) for name, digests in contents.items()},
        values=b"" if values is None else values.astype("<f4").tobytes(),
        sizes=b"" if sizes is None else sizes.astype("<f4").tobytes(),
        low=low,
        high=high,
        blocked=blocked,
        accepted=accepted or {},
    )


def _quantities(known: ConstraintSet) -> list[Quantity]:
    """What rules and regressions look back for."""
    return [*known.rules.quantities, *known.panels.design.related]


def _looked_back(known: ConstraintSet) -> list[Entity]:
    """The entities whose rows are kept."""
    asked = [
        one.entity
        for one in _quantities(known)
        if one.made in ("previous", "elapsed", "count", "sum", "mean")
    ]
    return list(dict.fromkeys([*known.entities.full, *asked]))


def _things(view: View, rows: Ints, entity: Entity, known: ConstraintSet) -> Things:
    asked = [one for one in _quantities(known) if one.entity == entity]
    last = {one.fields[0] for one in asked if one.made == "previous"}
    summed = {one.fields[0] for one in asked if one.made in ("sum", "mean")}
    is_full = entity in known.entities.full
    compared = (*known.history.texts, *known.history.numbers) if is_full else ()

    def numbers(names: set[str]) -> dict[str, Floats]:
        return {name: view.columns[name][rows].astype(np.float64) for name in sorted(names)}

    return Things.of(
        view.codes(entity)[rows],
        view.micros[rows],
        numbers(last),
        {name: view.short_code(name)[rows] for name in compared if name not in entity},
        numbers(summed),
    )


def _names(layout: Layout) -> tuple[str, ...]:
    names = (layout.key, layout.event_time, *layout.fields)
    return tuple(name for name in names if name is not None)
