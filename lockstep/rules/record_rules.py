"""Record rules: everything that is wrong with a refused record, told at once.

A record that does not fit its declaration, or breaks a rule about a field, is asked the other rules
as well: those about its fields, and those about what is computed of it. A column is computed only
if every field that it needs is right, so a rule about a column of a wrong field is not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from lockstep.columns.failing import at_row
from lockstep.columns.kinds import Columns, Ints
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.returned import reason_of
from lockstep.columns.tables import take_rows
from lockstep.errors import FunctionError
from lockstep.refusals import Reason, Rejected
from lockstep.rules.row_rules import RowRules

Reasons = tuple[Reason, ...]

_FAILING = 100
"""Refused rows at which functions may fail; of others beside them, no computed column is asked."""


@dataclass(frozen=True, eq=False)
class RecordRules:
    """The row rules about records: about their fields, and about what is computed of them."""

    pipeline: Pipeline  # fitted where `computed` need that
    fields: RowRules  # of the input suite
    computed: tuple[RowRules, ...] = ()  # a suite each
    _asked: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = dict.fromkeys(name for suite in self.computed for name in suite.columns)
        object.__setattr__(self, "_asked", tuple(names))

    def of_unfit(self, unfit: Columns, rejected: Sequence[Rejected]) -> list[Reasons]:
        """All that is wrong with rows that do not fit their declaration, why they do not included.

        `unfit` has their fields in canonical form, with any value where one does not fit.
        """
        reasons = [row.reasons for row in rejected]
        wrong = [frozenset(reason.column for reason in own) for own in reasons]
        for fields, rows in _alike(wrong):
            known = _known(unfit, rows, fields)
            rules = self.fields.about(known)
            for row in rules.apply(known).rows if rules.rules else ():
                reasons[rows[row]] += rules.reasons(known, row)
                wrong[rows[row]] |= rules.wrong(known, row)
        return [own + further for own, further in zip(reasons, self._of(unfit, wrong), strict=True)]

    def further(self, columns: Columns, places: Sequence[int]) -> list[Reasons]:
        """What is wrong with the computed columns of rows that are refused for their fields.

        `columns` are the fields of rows that fit their declaration; `places`, the refused ones in
        them.
        """
        wrong = [self.fields.wrong(columns, place) for place in places] if self.computed else ()
        return self._of(take_rows(columns, np.array(places, dtype=np.int64)), wrong)

    def _of(self, columns: Columns, wrong: Sequence[frozenset[str]]) -> list[Reasons]:
        """What is wrong with computed columns, by row; a function that raises is a reason, too."""
        reasons: list[Reasons] = [()] * len(next(iter(columns.values()), ()))
        room = [_FAILING]
        for fields, rows in _alike(wrong):
            lineage = self.pipeline.graph.lineage
            names = tuple(name for name in self._asked if not fields & lineage(name))
            if names:
                known = _known(columns, rows, fields)
                for row, own in self._told(known, np.array(rows), names, room):
                    reasons[row] += own
        return reasons

    def _told(
        self, known: Columns, rows: Ints, names: tuple[str, ...], room: list[int]
    ) -> Iterator[tuple[int, Reasons]]:
        """Reasons by row; the rows are halved where a function raises."""
        try:
            computed = self.pipeline.evaluate(known, names)
        except FunctionError as error:
            if len(rows) == 1:
                yield from self._failing(known, rows, names, room, error)
                return
            middle = len(rows) // 2
            for half in (slice(middle), slice(middle, None)):
                if room[0]:
                    yield from self._told(take_rows(known, half), rows[half], names, room)
            return
        for suite in self.computed:
            own = suite.about(names)
            for row in own.apply(computed).rows if own.rules else ():
                yield int(rows[row]), own.reasons(computed, row)

    def _failing(
        self,
        known: Columns,
        rows: Ints,
        names: tuple[str, ...],
        room: list[int],
        error: FunctionError,
    ) -> Iterator[tuple[int, Reasons]]:
        """The reasons of a row at which a function raises, and of what does not need its column."""
        room[0] -= 1
        graph = self.pipeline.graph
        located = at_row(graph, known, error, self.pipeline.bound)
        yield int(rows[0]), (reason_of(located, graph.inputs(error.blamed)),)
        others = tuple(name for name in names if error.column not in (name, *graph.ancestors(name)))
        if others:
            yield from self._told(known, rows, others, room)


def _alike(wrong: Iterable[frozenset[str]]) -> list[tuple[frozenset[str], list[int]]]:
    """Rows in which the same fields are wrong."""
    alike: dict[frozenset[str], list[int]] = {}
    for row, fields in enumerate(wrong):
        alike.setdefault(fields, []).append(row)
    return [*alike.items()]


def _known(columns: Columns, rows: Sequence[int], wrong: frozenset[str]) -> Columns:
    return {name: array[rows] for name, array in columns.items() if name not in wrong}
