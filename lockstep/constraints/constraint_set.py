"""Constraints of a version: what is learnt of training rows, and how a batch lies to it.

view        rows with their calendar and the rows before
features    numbers of rows, by family
state       sums of features, which merge
statistics  means of features, and figures of the batch as a whole
limits      how unusual each statistic is
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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
from lockstep.constraints.numbering import KIND
from lockstep.constraints.numbering import discover as numbered
from lockstep.constraints.panels import Panels
from lockstep.constraints.past import ANY_LACKS, DAYS, Lacking, PastBatch, Things
from lockstep.constraints.quantities import Entity, Quantity
from lockstep.constraints.rules import Rules
from lockstep.constraints.segments import Segment
from lockstep.constraints.statistics import (
    Bunches,
    Shown,
    Statistic,
    days_of,
    read,
    states_of,
    statistics_of,
    variance_of,
)
from lockstep.constraints.thresholds import MOST_KNOWN, MOST_TERMS, SAMPLE
from lockstep.constraints.values import Values
from lockstep.constraints.view import View, by_clock
from lockstep.stats.limits import BLOCKS, ENOUGH_DAYS, RECENT, STEPS, Judged, Limits, decode, encode
from lockstep.stats.number_runs import Gap, Runs
from lockstep.stats.states import Moments, State

FORMAT = 2
"""The format of stored constraints; no other can be read."""
_SMALLEST = 50
"""Least number of training rows that anything is learnt of."""
_FEWEST, _USUAL, _LARGEST = 5, 50, 1_000
"""Least, usual and most rows of a block, where rows have no event time."""
_TRUST = {"beyond": 0.0, "residual": 0.75, "distance": 0.75, "agreement": 0.75}
"""Share of the evidence that blocks, by kind. Another season moves these kinds: numbers go beyond
what training saw, and regressions go out of date."""
_ENOUGH_TO_COUNT = 5
"""Training days that it takes to know how few rows a day may have."""
_CUT_DEVIATIONS = 3.0
"""Least deviations by which a day that was cut off has fewer rows than any training day."""
_LEAST_LOOKED_AT = 2_000
"""Rows of a day that statistics are of at least, if it has as many: shares to two hundredths."""
_KNOWN = 2
"""Recent batches that had a value which training never had, from which on it is usual."""
_YEAR = 365
"""Training days from which on all seasons are known."""


@dataclass(frozen=True, eq=False)
class DayMeasured:
    """What the rows of a day of a batch come to."""

    day: int  # the day, counted from 1970
    rows: int
    looked_at: int  # how many of them statistics are of: a sample of many; strict rules look at all
    state: State

    def __add__(self, other: DayMeasured) -> DayMeasured:
        """Two parts of a day."""
        return DayMeasured(
            self.day,
            self.rows + other.rows,
            self.looked_at + other.looked_at,
            self.state + other.state,
        )


@dataclass(frozen=True, eq=False)
class DayJudged(DayMeasured, Judged):
    """How a day of a batch lies to the constraints."""

    values: Floats
    sizes: Floats  # how many independent rows each value has
    shown: Shown  # which rows show each feature: of the batch, or of a part of the day
    shown_of: int  # how many of the rows that statistics are of these are
    is_cut: bool = False  # whether it has half of the rows that every training day had, or fewer
    # strict features that recent batches broke, such as a new label that was accepted
    usual: frozenset[Feature] = frozenset()
    gaps: Sequence[Gap] = ()  # the numbers of keys that lack

    def is_strict(self, statistic: Statistic) -> bool:
        """Whether what a statistic shows is what no training day did, by far or in a single row."""
        if statistic.feature.strict:
            return statistic.feature not in self.usual
        return self.is_cut and statistic.feature.kind == "volume"


class ConstraintSet(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The constraints that training rows keep."""

    layout: Layout
    rows: int
    days: int  # how many days, or blocks of rows, they are of
    entities: entities.Entities
    values: Values
    rules: Rules
    history: History  # the comparisons with the row before
    identity: Identity
    panels: Panels
    aggregates: Aggregates
    features: tuple[Feature, ...]
    bunched: Array  # how many rows are one observation, by statistic
    limits: Limits
    past: tuple[PastBatch, ...]
    unjudged: dict[str, str] = {}  # families that were left out, each with the reason
    # how many rows the training day with the fewest has; 0 where that is not known, or rows
    # have no event time
    fewest: int = 0
    largest: int = 0  # how many rows the one with the most has; 0 likewise
    format: int = FORMAT

    @cached_property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics of a batch, in order."""
        return statistics_of(self.features, self.aggregates, self.layout)

    @property
    def _is_whole(self) -> bool:
        """Whether features, statistics and limits are of one another."""
        of_rules = sum(feature.family == rules.FAMILY for feature in self.features)
        return of_rules == len(self.rules.rules) and len(self.statistics) == len(
            self.bunched
        ) == len(self.limits.traits)

    @cached_property
    def _trust(self) -> Floats:
        """The share of the evidence that blocks, by statistic: all of it after a year."""
        if self.days >= _YEAR:
            return np.ones(len(self.statistics))
        return np.array([_TRUST.get(statistic.feature.kind, 1.0) for statistic in self.statistics])

    @cached_property
    def _volume(self) -> Array:
        """Which statistics are the number of rows: bool."""
        return np.array([statistic.feature.kind == "volume" for statistic in self.statistics])

    @cached_property
    def _gapless(self) -> Array:
        """Which statistics are the rows lost of numbers that had no gap in training: bool."""
        features = (statistic.feature for statistic in self.statistics)
        return np.array([feature.strict and feature.kind == KIND for feature in features])

    @cached_property
    def _strict(self) -> Array:
        return np.array([feature.strict for feature in self.features], dtype=bool)

    @cached_property
    def _of_values(self) -> Array:
        is_of_values = [feature.family == of_values.FAMILY for feature in self.features]
        return np.array(is_of_values, dtype=bool)

    def view(
        self,
        columns: Columns,
        day: Ints,
        past: Sequence[PastBatch],
        held_back: frozenset[int] = frozenset(),
        of_day: int = 0,
        lacking: Lacking | None = None,
    ) -> View:
        """Rows of a batch as constraints see them.

        Args:
            day: int64, the day of each row.
            held_back: Days of the rows that are held back.
            of_day: Number of rows of the day of which these are a part; 0 for whole days.
        """
        rows = self.rows_of(columns, day, of_day)
        return self.after(rows, past, held_back, lacking or Lacking())

    def rows_of(self, columns: Columns, day: Ints, of_day: int = 0) -> View:
        """Rows as constraints see them, whatever batches they come after; see `view`."""
        raw = {name: columns[name] for name in _names(self.layout)}
        return View(raw, self.layout, day, of_day=of_day)

    def after(
        self, rows: View, past: Sequence[PastBatch], held_back: frozenset[int], lacking: Lacking
    ) -> View:
        """The same rows after other batches, and after the last training days; see `view`."""
        first = int(rows.day.min()) if len(rows) else 0
        near = tuple(batch for batch in self.known(past) if first - DAYS <= batch.day)
        return rows.after(near, held_back, lacking)

    def known(self, past: Sequence[PastBatch]) -> list[PastBatch]:
        """The batches before and the last training days before them, the oldest first."""
        scored = {batch.day for batch in past}
        known = [*(batch for batch in self.past if batch.day not in scored), *past]
        return sorted(known, key=lambda batch: batch.day)

    @property
    def looked_at(self) -> int:
        """Most rows of a day that statistics are of: limits are learnt of days of a size."""
        return min(SAMPLE, max(_LEAST_LOOKED_AT, 2 * self.largest)) if self.largest else SAMPLE

    @np.errstate(all="ignore")  # numbers may be as large as they are
    def measure(self, view: View) -> tuple[list[DayMeasured], Shown]:
        """What each day of a batch comes to, in order, and the rows that show each feature.

        Of a part of a day, what looks at other rows of the day is not known.
        """
        part = view.sample(self.looked_at)
        of_all = self._strict_breaks(view) if part is not view else ()
        measurements = measured(
            part, self.values, self.rules, self.history, self.identity, self.panels
        )
        states, _, shown = states_of(measurements, part, self.values, self.aggregates, of_all)
        days = [
            DayMeasured(
                day=day,
                rows=state.rows,
                looked_at=int(np.count_nonzero(part.day == day)),
                state=state,
            )
            for (day, _), state in zip(days_of(view), states, strict=True)
        ]
        return days, shown

    @np.errstate(all="ignore")
    def judge(
        self,
        measured: DayMeasured,
        past: Sequence[PastBatch],
        shown: Shown,
        shown_of: int | None = None,
        came: Runs | None = None,
    ) -> DayJudged:
        """How a day of a batch lies to the constraints.

        Args:
            shown_of: How many of the rows that statistics are of these are; all by default.
            came: The runs of the numbers of rows that came with it and were set aside.
        """
        day, state = measured.day, measured.state
        past = [batch for batch in past if day - DAYS <= batch.day]
        gaps = self._gaps(state, past, day, came)
        values, sizes = read(state, past, day, self.aggregates, self.bunched, gaps)
        own = 4 * len(values)
        recent = [batch for batch in past if batch.day < day and len(batch.values) == own]
        recent = recent[-RECENT - STEPS :]
        before, counts = (
            np.array(
                [np.frombuffer(getattr(batch, name), dtype="<f4") for batch in recent]
            ).reshape(len(recent), len(values))
            for name in ("values", "sizes")
        )
        judged = self.limits.judge(values, sizes, before, counts)
        judged.blocks[:] *= self._trust
        broken = self._strict & (state.moments.total > 0)
        usual = np.count_nonzero(before[-RECENT:, : len(broken)] > 0, axis=0) >= _KNOWN
        usual &= self._strict & self._of_values
        broken &= ~usual
        for shares in (judged.evidence, judged.blocks):  # one row that breaks it is enough
            strict = shares[: len(broken)]
            strict[broken] = np.maximum(strict[broken], 1.0)
        is_cut = _is_half(measured.rows, self.fewest)
        if is_cut:
            for shares in (judged.evidence, judged.blocks):
                shares[self._volume] = np.maximum(shares[self._volume], 1.0)
        if gaps:
            for shares in (judged.evidence, judged.blocks):
                shares[self._gapless] = np.maximum(shares[self._gapless], 1.0)
        return DayJudged(
            **vars(measured),
            **vars(judged),
            values=values,
            sizes=sizes,
            shown=shown,
            shown_of=measured.looked_at if shown_of is None else shown_of,
            is_cut=is_cut,
            usual=frozenset(self.features[place] for place in np.flatnonzero(usual)),
            gaps=gaps,
        )

    def _gaps(
        self, state: State, past: Sequence[PastBatch], day: int, came: Runs | None
    ) -> Sequence[Gap]:
        """The numbers of keys that lack before those of a day."""
        numbering = self.aggregates.numbering
        return () if numbering is None else numbering.lost(state.runs, past, day, came)

    def _strict_breaks(self, view: View) -> Iterator[tuple[int, Array]]:
        """The places of strict rules among the features, and which rows break each."""
        kept = iter(self.rules.rules)
        for place, feature in enumerate(self.features):
            rule = next(kept) if feature.family == rules.FAMILY else None
            if feature.strict:
                yield (
                    place,
                    self.values.breaks(feature, view) if rule is None else rule.breaks(view),
                )

    def broken_in(self, measured: DayMeasured) -> float:
        """How often rows of a day break strict rules."""
        return float(measured.state.moments.total[self._strict].sum())

    def remembered(self, view: View, partition: str) -> list[PastBatch]:
        """What is kept of the rows of each day of a batch, for the days that follow."""
        return _remembered(view, partition, self)

    def lacking(self, columns: Columns, days: Ints, unread: Sequence[Collection[str]]) -> Lacking:
        """The things of rows that are set aside.

        Args:
            unread: By row, the fields that cannot be read.
        """
        view, found = View(columns, self.layout, days), dict[int, dict[str, Digests]]()
        for entity in _looked_back(self):
            fields = {self.layout.event_time if name.startswith("@") else name for name in entity}
            is_there = fields <= columns.keys()
            codes = view.codes(entity) if is_there else np.zeros(len(view), dtype=np.uint64)
            readable = np.array([is_there and fields.isdisjoint(own) for own in unread])
            for day in view.days.tolist():
                rows = days == day
                named = Digests.of(codes[rows & (codes != 0)])
                of_day = found.setdefault(day, {})
                of_day["+".join(entity)] = named if readable[rows].all() else ANY_LACKS
        return Lacking(found)

    def to_bytes(self) -> bytes:
        """The constraints as MessagePack."""
        return msgspec.msgpack.encode(self, enc_hook=encode)

    @classmethod
    def from_bytes(cls, data: bytes) -> ConstraintSet:
        """Read the constraints that `to_bytes` wrote.

        Raises:
            msgspec.MsgspecError: They are damaged, or of another format.
        """
        try:
            stored = msgspec.msgpack.decode(data, type=cls, dec_hook=decode)
        except (KeyError, TypeError, ValueError) as error:  # an array, or a text, in it
            raise msgspec.ValidationError(f"damaged: {error}") from error
        if stored.format != FORMAT:
            raise msgspec.ValidationError(f"of format {stored.format}, and this reads {FORMAT}")
        if not stored._is_whole:
            raise msgspec.ValidationError("damaged: its features, rules and limits do not agree")
        # rules were learnt of the training days as they are
        return msgspec.structs.replace(stored, past=tuple(each.whole() for each in stored.past))


class _Stored(msgspec.Struct):
    """The format of stored constraints, whatever else they hold."""

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
        timezone: The time zone by whose clock a day begins and ends.
        population: Whether to look at values and aggregates only, as of outputs.
    """
    raw = {name: columns[name] for name in schema.names}
    raw, day = in_order(raw, schema, timezone)
    layout = Layout.of(raw, schema, day, timezone)
    days, group = np.unique(day, return_inverse=True)
    view = View(raw, layout, day, fold=group * BLOCKS // max(len(days), 1))
    unjudged = _unjudged(len(view), len(days), schema)
    is_timed = schema.event_time is not None
    things = entities.Entities((), (), None, ())
    known, kept, before = Values((), ()), Rules(()), History(things, (), ())
    contents, regressions = Identity({}), Panels(panels.Design((), (), ()), (), None)
    parts = segments.Segments((Segment(),), {})
    columns_counted: tuple[str, ...] = ()
    if len(view) >= _SMALLEST:
        known, columns_counted = of_values.discover(view), aggregates.columns_of(layout)
        if not population:
            things = entities.discover(view) if is_timed else things
            kept, before = rules.discover(view, things), history.discover(view, things)
            contents = identity.discover(view)
            regressions = panels.discover(view, things, known, kept)
        parts = segments.discover(view, things)
    numbers = tuple(
        number.quantity for number in known.numbers
        if number.quantity.made != "digits" and number.quantity.fields[0] not in layout.dated
    )[:MOST_TERMS]  # fmt: skip
    numbering = numbered(view) if is_timed and not population else None
    whole = Aggregates(parts, columns_counted, (), numbers, is_timed=is_timed, numbering=numbering)
    bunches = Bunches(view, things)
    measurements = bunches.learnt(measured(view, known, kept, before, contents, regressions))
    states, features, _ = states_of(measurements, view, known, whole)
    whole = msgspec.structs.replace(
        whole,
        expected=aggregates.expected_of(states, columns_counted),
        numbered=is_timed and aggregates.is_numbered(states),
    )
    labels = statistics_of(features, whole, layout)
    bunched = np.array([*bunches.sizes, *[1.0] * (len(labels) - len(features))])
    past: list[PastBatch] = []
    values, sizes = [], []
    for number, state in zip(days.tolist(), states, strict=True):
        known_days = past[-DAYS:]
        gaps = [] if numbering is None else numbering.lost(state.runs, known_days, number)
        of_day = read(state, known_days, number, whole, bunched, gaps)
        values.append(of_day[0])
        sizes.append(of_day[1])
        past.append(counted_batch(light_batch(number, state.rows), state))
    moments = Moments.added([state.moments for state in states], len(features))
    variance, floor = variance_of(moments, features, len(labels))
    table, counts = (np.array(rows).reshape(len(days), len(labels)) for rows in (values, sizes))
    limits = Limits.of([label.trait for label in labels], table, counts, variance, floor)
    is_dated = is_timed and len(days) >= _ENOUGH_TO_COUNT
    sizes_of_days = [state.rows for state in states] if is_dated and not population else [0]
    constraints = ConstraintSet(
        layout=layout, rows=len(view), days=len(days), entities=things, values=known, rules=kept,
        history=before, identity=contents, panels=regressions, aggregates=whole, features=features,
        bunched=bunched, limits=limits, past=(), unjudged=unjudged,
        fewest=min(sizes_of_days), largest=max(sizes_of_days),
    )  # fmt: skip
    last = [
        counted_batch(batch, state)
        for batch, state in zip(
            _remembered(view, "training", constraints, DAYS), states[-DAYS:], strict=True
        )
    ]
    return msgspec.structs.replace(constraints, past=tuple(last))


def _is_half(rows: int, fewest: int) -> bool:
    """Whether a day has half of the rows of the least training day, by more than chance.

    The square root of a count has a deviation of a half (Anscombe, 1948).
    """
    return 2 * rows <= fewest and np.sqrt(fewest) - np.sqrt(rows) >= _CUT_DEVIATIONS / 2


def _bytes_of(values: Array) -> bytes:
    return values.astype("<f4").tobytes()


def measured(
    view: View, values: Values, rules: Rules, history: History, identity: Identity, panels: Panels
) -> Iterator[Measured]:
    """The features of each row, family by family."""
    yield from values.evaluate(view)
    yield from rules.evaluate(view)
    among = history.evaluate(view)
    yield from _not_known(among, view) if view.of_day else among
    yield from identity.evaluate(view)
    among = panels.evaluate(view, values)
    yield from _not_known(among, view) if view.of_day else among


def _not_known(measurements: Iterator[Measured], view: View) -> Iterator[Measured]:
    """Features that look at other rows of the day, of which a part alone is known."""
    for measured in measurements:
        yield Measured(measured.feature, np.full(len(view), np.nan))


def _unjudged(rows: int, days: int, schema: Schema) -> dict[str, str]:
    """The families that cannot be learnt of training rows, each with the reason."""
    if rows < _SMALLEST:
        return {"all": f"training has {counted(rows, 'row')}, and it takes {_SMALLEST}"}
    unjudged = {}
    if schema.event_time is None:
        unjudged["history"] = "rows have no event time"
    if days < ENOUGH_DAYS:
        known, least = counted(days, "day"), ENOUGH_DAYS
        if schema.event_time is None:
            known, least = counted(rows, "row"), ENOUGH_DAYS * _FEWEST
        unjudged["statistics"] = f"training has {known}, and it takes {least}"
    return unjudged


def in_order(raw: Columns, schema: Schema, timezone: str) -> tuple[Columns, Ints]:
    """Training rows in order of time, and the day of each: int64; without times, blocks of rows."""
    rows = len(next(iter(raw.values())))
    if schema.event_time is None:
        return raw, _blocks(rows)
    times = raw[schema.event_time]
    order = np.argsort(times, kind="stable")
    order = order[~is_missing(times[order])]
    raw = take_rows(raw, order)
    local = by_clock(raw[schema.event_time], timezone)
    return raw, local.astype("datetime64[D]").astype(np.int64)


def _blocks(rows: int) -> Ints:
    """The block of each row: as many as limits take, of the usual size where there are the rows."""
    size = max(min(rows // ENOUGH_DAYS, _USUAL), rows // (2 * ENOUGH_DAYS), _FEWEST)
    count = max(rows // min(size, _LARGEST), 1)
    return np.arange(rows) * count // max(rows, 1)


def with_figures(batch: PastBatch, judged: DayJudged) -> PastBatch:
    """What is kept of a day, with the figures of its statistics."""
    return msgspec.structs.replace(
        counted_batch(batch, judged.state),
        values=_bytes_of(judged.values),
        sizes=_bytes_of(judged.sizes),
    )


def counted_batch(batch: PastBatch, state: State) -> PastBatch:
    """What is kept of a day, with the counts of its state."""
    counts = {name: counts.astype("<f8").tobytes() for name, counts in state.counts.items()}
    runs = state.runs.bounded(MOST_KNOWN)
    return msgspec.structs.replace(batch, counts=counts, middle=middle_of(state), runs=runs)


def light_batch(day: int, rows: int) -> PastBatch:
    """A day of which nothing is kept but its number of rows."""
    return PastBatch("", day, rows, {}, Digests(b"", True), {}, {})


def _remembered(
    view: View, partition: str, known: ConstraintSet, last: int | None = None
) -> list[PastBatch]:
    """What is kept of the rows of the last days of a view, or of all."""
    lows, highs = known.values.ends(view)
    contents = known.identity.digests(view)
    key = view.layout.key
    days = list(enumerate(days_of(view)))
    return [
        PastBatch(
            partition=partition,
            day=day,
            rows=len(rows),
            things={
                "+".join(entity): _things(view, rows, entity, known)
                for entity in _looked_back(known)
            },
            keys=Digests.of(view.code(key)[rows]) if key is not None else Digests(b"", True),
            contents={name: Digests.of(digests[rows]) for name, digests in contents.items()},
            counts={},
            low=lows[at].astype("<f8").tobytes(),
            high=highs[at].astype("<f8").tobytes(),
        )
        for at, (day, rows) in (days if last is None else days[-last:])
    ]


def _quantities(known: ConstraintSet) -> list[Quantity]:
    return [*known.rules.quantities, *known.panels.design.related]


def _looked_back(known: ConstraintSet) -> list[Entity]:
    """The entities whose last rows are kept."""
    asked = [
        quantity.entity
        for quantity in _quantities(known)
        if quantity.made in ("previous", "elapsed", "today", "count", "sum", "mean")
    ]
    return list(dict.fromkeys([*known.entities.full, *asked]))


def _things(view: View, rows: Ints, entity: Entity, known: ConstraintSet) -> Things:
    asked = [quantity for quantity in _quantities(known) if quantity.entity == entity]
    last = {quantity.fields[0] for quantity in asked if quantity.made == "previous"}
    summed = {quantity.fields[0] for quantity in asked if quantity.made in ("sum", "mean")}
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
        view.lacking.of(int(view.day[rows[0]]), "+".join(entity)),
    )


def _names(layout: Layout) -> tuple[str, ...]:
    names = (layout.key, layout.event_time, *layout.fields)
    return tuple(name for name in names if name is not None)
