"""Single rows: a version's whole way of one record, from its values to those of its answer.

A lone record is decoded, tested and computed with scalars where these are proven to give the same
(`lockstep.parity.scalar_forms`). Where a value is refused or a function fails, the row goes through
arrays once more, and these tell what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lockstep.columns.decode import RowDecoder
from lockstep.columns.kinds import Columns, Kind, picker
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.row_plans import RowPlanSource, column_of
from lockstep.rules.row_rules import RowRules
from lockstep.rules.rowtests import value_at
from lockstep.serving.versions.request_rows import Told, plain_time, told_by


class SingleRow(NamedTuple):
    """A row that was computed."""

    rows: SingleRows
    told: Told
    scalars: Sequence[Any]  # its columns, in the order of `rows.columns`

    def columns(self) -> Columns:
        """Its columns, each an array of one value."""
        named = zip(self.rows.columns, self.scalars, strict=True)
        return {name: column_of(value, self.rows.kinds[name].dtype) for name, value in named}


class SingleRows:
    """Computes single records of a version, with the functions that are proven for scalars.

    Raises SuiteError where a rule cannot be applied.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        rules: RowRules,
        computed_rules: Collection[RowRules],
        wanted: tuple[str, ...],
        names: tuple[str, ...],
        scalar: Collection[str],
    ) -> None:
        self.pipeline = pipeline
        graph = pipeline.graph
        self.kinds = {name: graph.kind(name) for name in graph.served}
        for node in pipeline.reading:
            self.kinds.update(node.origins)
        self._decode = RowDecoder(pipeline.record_schema)
        fields = self._decode.names
        tested = [name for suite in computed_rules for name in suite.columns]
        asked = tuple(dict.fromkeys((*names, *tested)))
        dtypes = {name: kind.dtype for name, kind in self.kinds.items()}
        source = RowPlanSource(graph.path(fields, wanted), dtypes, fields, scalar, pipeline.bound)
        self.columns = (*fields, *source.computed)
        self._plan = source.plan(asked)
        self._refuses = _row_test(rules, self.kinds, fields, fields)
        self._tests = [
            _row_test(suite, self.kinds, self.columns, asked) for suite in computed_rules
        ]
        self._told_by, self._width = told_by(names), len(names)
        self._times = [place for place, name in enumerate(names) if self.kinds[name] is Kind.TIME]
        self._picks: dict[tuple[str, ...], Callable[[Sequence[Any]], Sequence[Any]]] = {}

    def __call__(self, record: Mapping[str, Any]) -> SingleRow | None:
        """Compute a record; None for one that arrays are to tell more of."""
        decoded = self._decode(record)
        if decoded is None:
            return None
        scalars, values = decoded
        try:
            if self._refuses(scalars, values):
                return None
            computed, asked = self.pipeline.graph.in_context(self._compute, scalars, values)
            scalars += computed
            for refuses in self._tests:
                if refuses(scalars, asked):
                    return None
        except Exception:  # noqa: BLE001 - it is computed again with arrays, whose error is told
            return None
        told = list(asked[: self._width])
        for place in self._times:
            told[place] = plain_time(told[place])
        return SingleRow(self, self._told_by(*told), scalars)

    def _compute(
        self, scalars: Sequence[Any], values: Sequence[Any]
    ) -> tuple[tuple[Any, ...], ...]:
        with np.errstate(all="ignore"):
            return self._plan(scalars, values)

    def pick(self, names: tuple[str, ...], row: SingleRow) -> Sequence[Any]:
        """Some columns of a row, each as a scalar."""
        pick = self._picks.get(names)
        if pick is None:
            pick = self._picks[names] = picker([self.columns.index(name) for name in names])
        return pick(row.scalars)


def _row_test(
    rules: RowRules, kinds: Mapping[str, Kind], columns: Sequence[str], given: Sequence[str]
) -> Callable[[Sequence[Any], Sequence[Any]], bool]:
    """What says of a row's columns, as scalars, and given Python values if a rule refuses it."""
    refuses = rules.refuses_row({name: kinds[name] for name in given})
    pick = picker([given.index(name) for name in rules.columns])
    times = [
        (place, columns.index(name))
        for place, name in enumerate(rules.columns)
        if kinds[name] is Kind.TIME
    ]

    def is_refused(scalars: Sequence[Any], values: Sequence[Any]) -> bool:
        own = [None if value != value else value for value in pick(values)]
        for place, column in times:
            own[place] = value_at(column_of(scalars[column], Kind.TIME.dtype), 0)
        return refuses(own)

    return is_refused
