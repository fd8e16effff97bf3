"""Scorers: a version that answers requests, several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec
import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.decode import Decoded, decode
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.returned import reason_of
from lockstep.columns.tables import stacked, take_rows
from lockstep.errors import FunctionError, LockstepError, RefusedRowsError
from lockstep.parity.wire import wire_record
from lockstep.refusals import Reason, Rejected
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import RowRules, applicable_rules, compile_rules, part
from lockstep.serving.versions.cache import Cache
from lockstep.serving.versions.request_rows import (
    Record,
    Told,
    plain_values,
    set_aside,
    told_by,
    undeclared,
)
from lockstep.serving.versions.served_tables import ReadRows, VersionTables
from lockstep.serving.versions.single_rows import SingleRow, SingleRows

Compute: TypeAlias = Callable[[Decoded], tuple[Decoded, Columns]]
"""Computes rows; returns those at which no function fails, and their columns."""

Key: TypeAlias = tuple[int, str]
"""Identifies a version: its number, and the digest of its bytes."""
VERSION_HEADER = b"x-lockstep-version"


class Scored(msgspec.Struct, eq=False):
    """Rows that were scored together, of one request or of several."""

    names: tuple[str, ...]  # the columns of an answer: key, event time and outputs
    _computed: Columns | None = None
    _told: list[Told] | None = None
    single: SingleRow | None = None  # the row, where a single one was computed without arrays
    tables: ReadRows = {}  # the rows that look-ups and windows read, by table

    @property
    def computed(self) -> Columns:
        """The fields, the outputs, and the columns that these needed."""
        if self._computed is None:
            self._computed = self.single.columns() if self.single is not None else {}
        return self._computed

    @property
    def told(self) -> list[Told]:
        """The predictions by row, as JSON has them; a missing number is null.

        They are made for all rows at once, since a column of one value costs as much as of many.
        """
        if self._told is None:
            columns = [plain_values(self.computed[name]) for name in self.names]
            self._told = list(map(told_by(self.names), *columns))
        return self._told


class Answer(msgspec.Struct, frozen=True, eq=False):
    """The answer to one request."""

    version: int
    scored: Scored  # with the rows of the requests beside it
    rows: Sequence[int]  # positions in the request of its scored rows
    rejected: tuple[Rejected, ...]  # each with its reasons, in order
    total: int  # number of rows in the request
    first: int = 0  # position among the scored rows where those of this request begin

    @property
    def columns(self) -> Columns:
        """Key, event time and outputs of the scored rows, in order."""
        computed, own = self.scored.computed, self._own
        return {name: computed[name][own] for name in self.scored.names}

    @property
    def tables(self) -> dict[str, str]:
        """The version of each table that look-ups and windows read."""
        return {name: rows.version for name, rows in self.scored.tables.items()}

    @property
    def told(self) -> list[Told]:
        """The predictions by row, as JSON has them."""
        return self.scored.told[self._own]

    @property
    def own(self) -> Columns:
        """All columns that were computed for the rows of this request."""
        return take_rows(self.scored.computed, self._own)

    @property
    def _own(self) -> slice:
        return slice(self.first, self.first + len(self.rows))


class Lease:
    """The holders of a version: the requests that it answers, and the roles that it has.

    It belongs to one event loop. `when_free` is called when the last holder releases it, which is
    for good.
    """

    __slots__ = ("_when_free", "holders")

    def __init__(self, when_free: Callable[[], None] | None = None) -> None:
        self.holders = 0
        self._when_free = when_free

    def hold(self) -> None:
        """Add a holder."""
        self.holders += 1

    def release(self) -> None:
        """Remove a holder."""
        self.holders -= 1
        if not self.holders and self._when_free is not None:
            self._when_free()


@dataclass(frozen=True, eq=False)
class Scorer:
    """A loaded version that answers."""

    loaded: LoadedVersion
    compiled: Compiled
    rules: RowRules  # of its input suite
    computed_rules: tuple[RowRules, ...]  # of its suites of features and outputs
    strict: bool = True  # whether a record with an undeclared field is refused
    cache: Cache | None = None
    lease: Lease = field(default_factory=Lease, repr=False)
    # read by its look-ups and windows; None where it has none
    tables: VersionTables | None = field(default=None, repr=False)
    # computes single rows, once it is proven; None to compute them as all others
    single: SingleRows | None = field(default=None, repr=False)
    # computed columns: the outputs, and those that the rules need
    wanted: tuple[str, ...] = field(init=False, repr=False)
    # the columns of an answer: key, event time and outputs
    names: tuple[str, ...] = field(init=False, repr=False)
    # of a response that names this version
    header: tuple[bytes, bytes] = field(init=False, repr=False)
    pipeline: Pipeline = field(init=False, repr=False)  # the compiled one
    # all of these rules, for records that are refused
    record_rules: RecordRules = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pipeline", self.compiled.pipeline)
        if self.single is not None and self.single.pipeline is not self.pipeline:
            object.__setattr__(self, "single", None)  # it is proven of another one
        every = RecordRules(self.pipeline, self.rules, self.computed_rules)
        object.__setattr__(self, "record_rules", every)
        asked = [name for rules in self.computed_rules for name in rules.columns]
        wanted = tuple(dict.fromkeys((*self.pipeline.graph.outputs, *asked)))
        object.__setattr__(self, "wanted", wanted)
        time = self.pipeline.record_schema.event_time
        names = (self.pipeline.key, *([time] if time is not None else []))
        object.__setattr__(self, "names", (*names, *self.pipeline.graph.outputs))
        object.__setattr__(self, "header", (VERSION_HEADER, str(self.loaded.version).encode()))

    @classmethod
    def of(
        cls,
        loaded: LoadedVersion,
        compiled: Compiled,
        *,
        strict: bool = True,
        tables: VersionTables | None = None,
    ) -> Scorer:
        """The scorer of a version, with the row rules of its suites."""
        if tables is not None:
            compiled = replace(compiled, pipeline=tables.bind(compiled.pipeline))
        graph, suites = loaded.pipeline.graph, loaded.suites
        kinds = {name: graph.kind(name) for name in graph.served}
        rules = applicable_rules((suites["features"], suites["outputs"]), kinds)
        own = compile_rules(suites["input"])
        return cls(loaded, compiled, own, rules, strict, tables=tables)

    def remembering(self, rows: int) -> Scorer:
        """The same scorer with a cache of so many rows; none where outputs depend on tables."""
        if not rows or self.tables is not None:
            return self
        return replace(self, cache=Cache.of(self.pipeline.graph, rows, self.wanted))

    @property
    def key(self) -> Key:
        """Identifies the version."""
        return self.loaded.version, self.loaded.digest

    def warm(self) -> None:
        """Answer golden records, alone and together, so that no client waits for first calls."""
        schema, golden = self.pipeline.record_schema, self.loaded.golden
        records = [wire_record(golden.records, row, schema) for row in range(min(len(golden), 8))]
        for count in (1, len(records)):
            for _ in range(2):
                self.answer([[record] for record in records[:count]])

    def answer(self, requests: Sequence[Sequence[Record]]) -> list[Answer | LockstepError]:
        """Answer requests together, each by its answer or an error: all rows are computed at once.

        If a function fails at a row, each request is answered by itself.
        """
        if self.tables is None:
            return self._answers(requests)
        with self.tables.batch() as rows:
            answers = self._answers(requests)
        for answer in answers:
            if isinstance(answer, Answer):
                answer.scored.tables = rows
        return answers

    def _answers(self, requests: Sequence[Sequence[Record]]) -> list[Answer | LockstepError]:
        if len(requests) == 1:
            return [self._alone(requests[0])]
        if self.pipeline.record_schema[self.pipeline.key].is_row_number:
            requests = [self._numbered(request) for request in requests]
        records = [record for request in requests for record in request]
        try:
            decoded = self._accepted(records)
            decoded, computed = self._scored(decoded, self._compute_all)
        except LockstepError:
            return [self._alone(request) for request in requests]
        return self._parted(requests, decoded, computed)

    def score(self, columns: Columns) -> tuple[Decoded, Columns]:
        """Score decoded rows, given by their fields in canonical form.

        Gives the rows that the rules keep and at which no function fails, with the others as
        rejected; and their columns.
        """
        count = len(columns[self.pipeline.key])
        decoded = Decoded(columns, np.arange(count), (), (), count, {})
        with nullcontext() if self.tables is None else self.tables.batch():
            return self._scored(self._by_rules(decoded), self._compute_each)

    def _alone(self, request: Sequence[Record]) -> Answer | LockstepError:
        """One request, without the rows at which a function fails."""
        single = self.single
        if single is not None and len(request) == 1 and self.cache is None:
            row = single(request[0])
            if row is not None:
                scored = Scored(self.names, None, [row.told], row)
                return Answer(self.loaded.version, scored, [0], (), 1)
        try:
            decoded = self._accepted(request)
            decoded, computed = self._scored(decoded, self._compute_each)
        except LockstepError as error:
            return error
        scored = Scored(self.names, computed)
        rows = decoded.rows.tolist()
        return Answer(self.loaded.version, scored, rows, decoded.rejected, decoded.total)

    def _numbered(self, request: Sequence[Record]) -> Sequence[Record]:
        """Records whose key is their position in their own request."""
        field = self.pipeline.record_schema[self.pipeline.key]
        if any(field.name in record or field.alias in record for record in request):
            return request
        return [{**record, field.name: row} for row, record in enumerate(request)]

    def _accepted(self, records: Sequence[Record]) -> Decoded:
        """The rows that fit their declaration and the row rules, and the others as rejected.

        Each of the others has all that is wrong with it. A response gives so many reasons, and of
        no more rows more is looked for than the first.
        """
        schema = self.pipeline.record_schema
        decoded = self._with_rules(decode(records, schema))
        strange = undeclared(records, schema) if decoded.ignored and self.strict else {}
        decoded = self._by_rules(decoded, strange)
        return set_aside(decoded, strange, self.pipeline.key) if strange else decoded

    def _with_rules(self, decoded: Decoded) -> Decoded:
        """Decoded rows, the rejected ones also with the rules that their right values break."""
        if not decoded.rejected:
            return decoded
        most = RefusedRowsError.most_reasons
        first, others = decoded.rejected[:most], decoded.rejected[most:]
        reasons = self.record_rules.of_unfit(take_rows(decoded.unfit, slice(most)), first)
        all_told = (replace(row, reasons=own) for row, own in zip(first, reasons, strict=True))
        return replace(decoded, rejected=(*all_told, *others))

    def _by_rules(self, decoded: Decoded, strange: Collection[int] = ()) -> Decoded:
        """The rows that keep the rules; of the others, and of strange ones, what else is wrong."""
        refusals = self.rules.apply(decoded.columns)
        places = refusals.rows
        if strange:
            places = sorted({*places, *np.flatnonzero(np.isin(decoded.rows, [*strange])).tolist()})
        if not places:
            return decoded
        refused = {place: refusals.reasons(place) for place in places}
        first = places[: RefusedRowsError.most_reasons]
        further = self.record_rules.further(decoded.columns, first)
        for place, reasons in zip(first, further, strict=True):
            refused[place] += reasons
        return self._set_aside(decoded, {place: why for place, why in refused.items() if why})

    def _scored(self, decoded: Decoded, compute: Compute) -> tuple[Decoded, Columns]:
        """Decoded rows with their fields and outputs, from the cache or computed."""
        cache = self.cache
        if cache is None or not len(decoded.rows):
            return self._kept(*compute(decoded))
        rows = cache.rows_of(decoded.columns)
        values = cache.look_up(rows)
        known = [value for value in values if value is not None]
        if len(known) == len(rows):
            return decoded, {**decoded.columns, **cache.columns_of(known)}
        is_known = np.array([value is not None for value in values])
        kept, computed = self._kept(*compute(_at(decoded, ~is_known)))
        row_at = dict(zip(decoded.rows.tolist(), rows, strict=True))
        cache.keep([row_at[row] for row in kept.rows.tolist()], computed)
        if not known:
            return kept, computed
        return _together(_at(decoded, is_known), cache.columns_of(known), kept, computed)

    def _compute_all(self, decoded: Decoded) -> tuple[Decoded, Columns]:
        return decoded, self._compute(decoded.columns)

    def _compute(self, columns: Columns) -> Columns:
        if not len(columns[self.pipeline.key]):
            graph = self.pipeline.graph
            names = (*self.names, *self.wanted)
            return {name: np.empty(0, dtype=graph.kind(name).dtype) for name in names}
        return self.pipeline.evaluate(columns, self.wanted)

    def _kept(self, decoded: Decoded, computed: Columns) -> tuple[Decoded, Columns]:
        """The rows whose features and outputs the row rules accept."""
        parted = part(computed, self.computed_rules)
        if not parted.refused:
            return decoded, computed
        return self._set_aside(decoded, parted.refused), parted.kept

    def _set_aside(self, decoded: Decoded, refused: Mapping[int, tuple[Reason, ...]]) -> Decoded:
        """Decoded rows without the refused ones, which are given by their place."""
        reasons_of = {int(decoded.rows[place]): reasons for place, reasons in refused.items()}
        return set_aside(decoded, reasons_of, self.pipeline.key)

    def _compute_each(self, decoded: Decoded) -> tuple[Decoded, Columns]:
        """The columns of all rows but those at which a function fails, computed one by one."""
        try:
            return decoded, self._compute(decoded.columns)
        except FunctionError:
            count = len(decoded.rows)
        parts: list[Columns] = []
        failed: dict[int, tuple[Reason, ...]] = {}
        for place in range(count):
            row = take_rows(decoded.columns, slice(place, place + 1))
            try:
                parts.append(self._compute(row))
            except FunctionError as error:
                inputs = self.pipeline.graph.inputs(error.blamed)
                failed[place] = (reason_of(error, inputs),)
        empty = take_rows(decoded.columns, slice(0))
        computed = stacked(parts) if parts else self._compute(empty)
        return self._set_aside(decoded, failed), computed

    def _parted(
        self, requests: Sequence[Sequence[Record]], decoded: Decoded, computed: Columns
    ) -> list[Answer | LockstepError]:
        """The answers by request."""
        version, rows = self.loaded.version, decoded.rows
        ends = np.cumsum([len(request) for request in requests])
        cuts = np.searchsorted(rows, ends).tolist()
        positions = rows.tolist()
        scored = Scored(self.names, computed)
        answers: list[Answer | LockstepError] = []
        first = start = 0
        for request, end, cut in zip(requests, ends.tolist(), cuts, strict=True):
            own = [row - start for row in positions[first:cut]]
            refused = _within(decoded.rejected, start, end) if decoded.rejected else ()
            answers.append(Answer(version, scored, own, refused, len(request), first))
            first, start = cut, end
        return answers


def _within(rejected: Sequence[Rejected], start: int, end: int) -> tuple[Rejected, ...]:
    """The rejected rows of one request, counted from its first row."""
    own = [rejection for rejection in rejected if start <= rejection.row < end]
    return tuple(replace(rejection, row=rejection.row - start) for rejection in own)


def _at(decoded: Decoded, mask: Array) -> Decoded:
    return replace(decoded, columns=take_rows(decoded.columns, mask), rows=decoded.rows[mask])


def _together(
    known: Decoded, outputs: Columns, computed: Decoded, fresh: Columns
) -> tuple[Decoded, Columns]:
    """Rows from the cache and computed rows, in the order in which they came."""
    order = np.argsort(np.concatenate([known.rows, computed.rows]))
    columns = stacked(
        [{**known.columns, **outputs}, {name: fresh[name] for name in (*known.columns, *outputs)}]
    )
    rows = np.concatenate([known.rows, computed.rows])[order]
    fields = {name: columns[name][order] for name in known.columns}
    return replace(computed, columns=fields, rows=rows), take_rows(columns, order)
