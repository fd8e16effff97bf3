"""Constraints of a version: what training found, and how a batch lies to it.

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

import msgspec
import numpy as np

from lockstep.columns.digests import Digests
from lockstep.columns.kinds import Array, Columns, Floats, Ints
from lockstep.columns.plain import counted
from lockstep.columns.schema import Schema
from lockstep.columns.tables import is_missing, take_rows
from lockstep.constraints import aggregates, entities, history, identity, panels, rules, segments
from lockstep.constraints import values as of_values
from lockstep.constraints.aggregates import Aggregates, middle_of
from lockstep.constraints.features import Feature, Measured
from lockstep.constraints.history import History
from lockstep.constraints.identity import Identity
from lockstep.constraints.layout import Layout
from lockstep.constraints.panels import Panels
from lockstep.constraints.past import DAYS, PastBatch, Things
from lockstep.constraints.quantities import Entity, Quantity
from lockstep.constraints.rules import Rules
from lockstep.constraints.segments import Segment
from lockstep.constraints.statistics import (
    SEGMENTED,
    Bunches,
    Shown,
    Statistic,
    days_of,
    read,
    states_of,
    statistics_of,
    variance_of,
)
from lockstep.constraints.thresholds import MOST_TERMS, SAMPLE
from lockstep.constraints.values import Values
from lockstep.constraints.view import View, by_clock
from lockstep.stats.limits import BLOCKS, ENOUGH_DAYS, RECENT, STEPS, Limits, decode, encode
from lockstep.stats.states import Moments, State

FORMAT = 1
"""The format of stored constraints; one of another cannot be read."""
_SMALLEST, _LARGEST = 50, 1_000
"""Rows of a block, where rows have no event time; and that it takes until anything is told."""
_TRUST = {"beyond": 0.0, "residual": 0.75, "distance": 0.75, "agreement": 0.75}
"""How much of the evidence of a kind blocks that another season moves: it goes beyond what training
saw, and models go out of date."""
_YEAR = 365
"""Training days that have seen all seasons."""


@dataclass(frozen=True, eq=False)
class DayJudged:
    """How a day of a batch lies to the constraints.

    Attributes:
        day: The day, counted from 1970.
        rows: Positions of its rows.
        looked_at: How many of them all but strict rules are told of: a sample of many.
        values: The value of each statistic.
        sizes: How many independent rows each tells of.
        evidence: How unlikely each is, as a share of what warns.
        blocks: The same as a share of what blocks.
        low: From where on each is usual.
        high: Up to where.
        state: What they were read from.
        shown: Which rows of the batch show features.
    """

    day: int
    rows: Ints
    looked_at: int
    values: Floats
    sizes: Floats
    evidence: Floats
    blocks: Floats
    low: Floats
    high: Floats
    state: State
    shown: Shown


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
    def _parts(self) -> Ints:
        return _array_of(self.parts)

    @cached_property
    def _trust(self) -> Floats:
        """How much of its evidence blocks, of each statistic, until training has a year of days."""
        if self.days >= _YEAR:
            return np.ones(len(self.statistics))
        return np.array([_TRUST.get(statistic.feature.kind, 1.0) for statistic in self.statistics])

    @cached_property
    def _strict(self) -> Array:
        """Which features are strict rules: bool."""
        return np.array([feature.strict for feature in self.features], dtype=bool)

    def view(self, columns: Columns, day: Ints, past: Sequence[PastBatch]) -> View:
        """Rows of a batch as constraints see them.

        Args:
            columns: The fields of the record.
            day: int64, the day of each row.
            past: What is kept of the batches before; that of training goes before them.
        """
        raw = {name: columns[name] for name in _names(self.layout)}
        first = int(day.min()) if len(day) else 0
        scored = {batch.day for batch in past}
        known = [*(batch for batch in self.past if batch.day not in scored), *past]
        near = [batch for batch in known if first - DAYS <= batch.day]
        return View(raw, self.layout, day, tuple(sorted(near, key=lambda batch: batch.day)))

    @np.errstate(all="ignore")  # numbers may be as large as they are
    def judge(self, view: View) -> list[DayJudged]:
        """How each day of a batch lies to the constraints.

        Args:
            view: Its rows.
        """
        part = view.sample(SAMPLE)
        of_all = self._told_of_all(view) if part is not view else ()
        states, _, shown = states_of(
            self._measured(part), part, self.values, self.aggregates, of_all
        )
        past = list(view.past)
        found = []
        for (day, rows), state in zip(days_of(view), states, strict=True):
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
            judged.blocks[:] *= self._trust
            broken = self._strict & (state.moments.total[0] > 0)
            for shares in (judged.evidence, judged.blocks):  # one row that breaks it is enough
                strict = shares[: len(broken)]
                strict[broken] = np.maximum(strict[broken], 1.0)
            found.append(
                DayJudged(
                    day=day,
                    rows=rows,
                    looked_at=int(np.count_nonzero(part.day == day)),
                    values=values,
                    sizes=sizes,
                    evidence=judged.evidence,
                    blocks=judged.blocks,
                    low=judged.low,
                    high=judged.high,
                    state=state,
                    shown=shown,
                )
            )
            past.append(light_batch(state, day, len(rows)))
        return found

    def _told_of_all(self, view: View) -> Iterator[tuple[int, Array]]:
        """Where strict rules are broken: one row that breaks one is enough."""
        places = (place for place, one in enumerate(self.features) if one.family == rules.FAMILY)
        for place, kept in zip(places, self.rules.rules, strict=True):
            if kept.is_strict:
                yield place, kept.rule.breaks(view)

    def _measured(self, view: View) -> Iterator[Measured]:
        return measured(view, self.values, self.rules, self.history, self.identity, self.panels)

    def _read(self, state: State, past: Sequence[PastBatch], day: int) -> tuple[Floats, Floats]:
        return read(state, past, day, self._parts, self.aggregates, self.bunched)

    def remembered(
        self, view: View, judged: Sequence[DayJudged], partition: str
    ) -> list[PastBatch]:
        """What is kept of a batch, for those that follow it: of each of its days.

        Args:
            view: Its rows.
            judged: How its days lie to the constraints.
            partition: The day or file.
        """
        return [
            msgspec.structs.replace(
                past_batch(view, one.rows, one.state, partition, one.day, self),
                values=one.values.astype("<f4").tobytes(),
                sizes=one.sizes.astype("<f4").tobytes(),
            )
            for one in judged
        ]

    def to_bytes(self) -> bytes:
        """As MessagePack."""
        return msgspec.msgpack.encode(self, enc_hook=encode)

    @classmethod
    def from_bytes(cls, data: bytes) -> ConstraintSet:
        """The constraints that `to_bytes` gave.

        Raises:
            msgspec.MsgspecError: They are damaged, or of another format.
        """
        try:
            found = msgspec.msgpack.decode(data, type=cls, dec_hook=decode)
        except (KeyError, TypeError, ValueError) as error:  # an array, or a text, in it
            raise msgspec.ValidationError(f"damaged: {error}") from error
        if found.format != FORMAT:
            raise msgspec.ValidationError(f"of format {found.format}, and this reads {FORMAT}")
        return found


class _Stored(msgspec.Struct):
    """What tells the format of stored constraints, whatever else they hold."""

    format: int


def format_of(data: bytes) -> int:
    """The format of stored constraints.

    Raises:
        msgspec.MsgspecError: They are damaged.
    """
    return msgspec.msgpack.decode(data, type=_Stored).format


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
    things = entities.Entities((), (), None, ())
    known, kept, before = Values((), ()), Rules(()), History(things, (), ())
    contents, told = Identity({}), Panels(panels.Design((), (), ()), (), None)
    parts = segments.Segments((Segment(),), (Segment(),), {})
    columns_counted: tuple[str, ...] = ()
    if len(view) >= _SMALLEST:
        known, columns_counted = of_values.discover(view), aggregates.columns_of(layout)
        if not population:
            things = entities.discover(view) if schema.event_time is not None else things
            kept, before = rules.discover(view, things), history.discover(view, things)
            contents, told = identity.discover(view), panels.discover(view, things, known, kept)
        parts = segments.discover(view, things)
    numbers = tuple(
        one.quantity for one in known.numbers
        if one.quantity.made != "digits" and one.quantity.fields[0] not in layout.dated
    )[:MOST_TERMS]  # fmt: skip
    whole = Aggregates(parts, columns_counted, (), numbers)
    bunches = Bunches(view, things)
    found = bunches.learnt(measured(view, known, kept, before, contents, told))
    states, features, _ = states_of(found, view, known, whole)
    positions = [rows for _, rows in days_of(view)]
    whole = msgspec.structs.replace(
        whole,
        expected=aggregates.expected_of(states, columns_counted),
        numbered=aggregates.is_numbered(states),
    )
    looked_at = tuple(
        (place, number)
        for place, segment in enumerate(parts.parts)
        for number, feature in enumerate(features)
        if place and feature.kind in SEGMENTED
        and segment.column not in feature.columns
    )  # fmt: skip
    labels = statistics_of(features, looked_at, whole, layout)
    at = _array_of(looked_at)
    of_batch = [1.0] * (len(labels) - len(features) - len(looked_at))
    of_parts = (bunches.found[number] for _, number in looked_at)
    bunched = np.array([*bunches.found, *of_parts, *of_batch])
    past: list[PastBatch] = []
    values, sizes = [], []
    for number, state in zip(days.tolist(), states, strict=True):
        of_day = read(state, past[-DAYS:], number, at, whole, bunched)
        values.append(of_day[0])
        sizes.append(of_day[1])
        past.append(light_batch(state, number, state.rows))
    variance, floor = variance_of(
        Moments.added([one.moments for one in states], len(parts.parts), len(features)),
        at,
        len(labels),
    )
    table, counts = (np.array(one).reshape(len(days), len(labels)) for one in (values, sizes))
    limits = Limits.of([label.trait for label in labels], table, counts, variance, floor)
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


def _array_of(parts: Sequence[tuple[int, int]]) -> Ints:
    return np.array(parts, dtype=np.int64).reshape(-1, 2)


def measured(
    view: View, values: Values, rules: Rules, history: History, identity: Identity, panels: Panels
) -> Iterator[Measured]:
    """The features of rows, of all families."""
    yield from values.evaluate(view)
    yield from rules.evaluate(view)
    yield from history.evaluate(view)
    yield from identity.evaluate(view)
    yield from panels.evaluate(view, values)


def _unjudged(rows: int, days: int, schema: Schema) -> dict[str, str]:
    """What of training rows cannot be told, each with why."""
    if rows < _SMALLEST:
        return {"all": f"training has {counted(rows, 'row')}, and it takes {_SMALLEST}"}
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
        size = min(max(rows // (2 * ENOUGH_DAYS), _SMALLEST), _LARGEST)
        return raw, np.arange(rows) // size
    times = raw[schema.event_time]
    order = np.argsort(times, kind="stable")
    order = order[~is_missing(times[order])]
    raw = take_rows(raw, order)
    local = by_clock(raw[schema.event_time], timezone)
    return raw, local.astype("datetime64[D]").astype(np.int64)


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
        low=low,
        high=high,
    )


def _quantities(known: ConstraintSet) -> list[Quantity]:
    """What rules and regressions look back for."""
    return [*known.rules.quantities, *known.panels.design.related]


def _looked_back(known: ConstraintSet) -> list[Entity]:
    """The entities whose rows are kept."""
    asked = [
        quantity.entity
        for quantity in _quantities(known)
        if quantity.made in ("previous", "elapsed", "count", "sum", "mean")
    ]
    return list(dict.fromkeys([*known.entities.full, *asked]))


def _things(view: View, rows: Ints, entity: Entity, known: ConstraintSet) -> Things:
    asked = [quantity for quantity in _quantities(known) if quantity.entity == entity]
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
