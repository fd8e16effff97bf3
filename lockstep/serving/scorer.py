"""Scorers: a version that answers requests, several of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.decode import Decoded, Reason, Rejected, decode
from lockstep.columns.errors import FunctionError, LockstepError
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import python_value
from lockstep.columns.tables import take_rows
from lockstep.parity.wire import wire_record
from lockstep.rules.rules import RowRules, compile_rules

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What became of the rows of one request.

    Attributes:
        version: Number of the version that scored them.
        columns: Key, event time and outputs of the rows that were scored, in order.
        rows: Where in the request each of them was.
        rejected: The rows that were not, each with its reasons, in order.
        total: Number of rows in the request.
        ignored: Fields that the request has and the record does not declare.
    """

    version: int
    columns: Columns
    rows: Sequence[int]
    rejected: tuple[Rejected, ...]
    total: int
    ignored: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Scorer:
    """A loaded version that answers.

    Attributes:
        loaded: The version.
        compiled: Its pipeline, compiled where it can be.
        rules: The row rules of its input suite.
    """

    loaded: LoadedVersion
    compiled: Compiled
    rules: RowRules

    @classmethod
    def of(cls, loaded: LoadedVersion, compiled: Compiled) -> Scorer:
        """A version as it was compiled, with the row rules of its input suite."""
        return cls(loaded, compiled, compile_rules(loaded.suites["input"]))

    @property
    def pipeline(self) -> Pipeline:
        """What computes."""
        return self.compiled.pipeline

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of an answer."""
        schema = self.pipeline.record_schema
        time = schema.event_time
        return (
            self.pipeline.key,
            *([time] if time is not None else []),
            *self.pipeline.graph.outputs,
        )

    def warm(self) -> None:
        """Answer golden records, alone and together, so that no client waits for a first time."""
        schema, golden = self.pipeline.record_schema, self.loaded.golden
        records = [wire_record(golden.records, row, schema) for row in range(min(len(golden), 8))]
        for count in (1, len(records)):
            for _ in range(2):
                self.answer([[record] for record in records[:count]])

    def answer(self, requests: Sequence[Sequence[Record]]) -> list[Answer | LockstepError]:
        """Answer requests together: the rows of all of them are computed at once.

        A request with a row at which a function fails is answered by itself, so that it does not
        touch the others.

        Args:
            requests: The records of each.

        Returns:
            By request, its answer, or why there is none.
        """
        if len(requests) == 1:
            return [self._alone(requests[0])]
        records = [record for request in requests for record in request]
        try:
            decoded = self._accepted(decode(records, self.pipeline.record_schema))
            found = self._compute(decoded.columns)
        except LockstepError:
            return [self._alone(request) for request in requests]
        return self._parted(requests, decoded, found)

    def _alone(self, request: Sequence[Record]) -> Answer | LockstepError:
        """One request, without the rows at which a function fails."""
        try:
            decoded = self._accepted(decode(request, self.pipeline.record_schema))
            found, failed = self._compute_rows(decoded)
        except LockstepError as error:
            return error
        rows = decoded.rows
        if failed:
            rows = np.delete(rows, [place for place, _ in failed])
        rejected = sorted(
            (*decoded.rejected, *(row for _, row in failed)), key=lambda rejected: rejected.row
        )
        return Answer(
            self.loaded.version,
            found,
            rows.tolist(),
            tuple(rejected),
            decoded.total,
            decoded.ignored,
        )

    def _accepted(self, decoded: Decoded) -> Decoded:
        """The rows that the row rules accept, and the others among the rejected."""
        refusals = self.rules.apply(decoded.columns)
        if not refusals.mask.any():
            return decoded
        key = self.pipeline.key
        broken = tuple(
            Rejected(
                int(decoded.rows[place]),
                str(decoded.columns[key][place]),
                refusals.reasons(place),
                _record(decoded.columns, place),
            )
            for place in np.flatnonzero(refusals.mask).tolist()
        )
        kept = ~refusals.mask
        return replace(
            decoded,
            columns=take_rows(decoded.columns, kept),
            rows=decoded.rows[kept],
            rejected=tuple(sorted((*decoded.rejected, *broken), key=lambda one: one.row)),
        )

    def _compute(self, columns: Columns) -> Columns:
        found = self.pipeline.evaluate(columns, self.pipeline.graph.outputs)
        return {name: found[name] for name in self.names}

    def _compute_rows(self, decoded: Decoded) -> tuple[Columns, list[tuple[int, Rejected]]]:
        """The columns of all rows but those at which a function fails, found one by one."""
        try:
            return self._compute(decoded.columns), []
        except FunctionError:
            count = len(decoded.rows)
        parts: list[Columns] = []
        failed: list[tuple[int, Rejected]] = []
        for place in range(count):
            row = take_rows(decoded.columns, slice(place, place + 1))
            try:
                parts.append(self._compute(row))
            except FunctionError as error:
                reason = Reason.of_function(error)
                key = str(row[self.pipeline.key][0])
                at = int(decoded.rows[place])
                failed.append((place, Rejected(at, key, (reason,), _record(row, 0))))
        empty = take_rows(decoded.columns, slice(0))
        return _joined(parts) if parts else self._compute(empty), failed

    def _parted(
        self, requests: Sequence[Sequence[Record]], decoded: Decoded, found: Columns
    ) -> list[Answer | LockstepError]:
        """What was computed of all rows, by the request that each is of."""
        version, rows = self.loaded.version, decoded.rows
        ends = np.cumsum([len(request) for request in requests])
        cuts = np.searchsorted(rows, ends).tolist()
        positions = rows.tolist()
        answers: list[Answer | LockstepError] = []
        first = start = 0
        for request, end, cut in zip(requests, ends.tolist(), cuts, strict=True):
            refused = [one for one in decoded.rejected if start <= one.row < end]
            answers.append(
                Answer(
                    version,
                    take_rows(found, slice(first, cut)),
                    [row - start for row in positions[first:cut]],
                    tuple(replace(one, row=one.row - start) for one in refused),
                    len(request),
                    decoded.ignored,
                )
            )
            first, start = cut, end
        return answers


def _record(columns: Columns, place: int) -> dict[str, Any]:
    return {name: python_value(array[place]) for name, array in columns.items()}


def _joined(parts: Sequence[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
