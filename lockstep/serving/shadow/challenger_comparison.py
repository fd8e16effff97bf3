"""Comparison: the challenger's outputs beside the live version's answers.

A few differing rows are logged, without what the request log redacts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import monotonic, perf_counter
from typing import Any

import numpy as np

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import plain
from lockstep.columns.tables import stacked
from lockstep.parity.exactness import Difference, difference
from lockstep.serving.requestlog.redaction import keyed_hashes, log_key
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.request_scorer import Scorer

_EXAMPLES = 3
"""Differing rows that one comparison shows."""
MOST_TOLD = 10
"""Examples that are logged in a minute, at most."""
_SECONDS = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """Rows that the live version scored."""

    ids: Sequence[str]  # of their requests
    counts: Sequence[int]  # rows of each request, in order
    fields: Columns
    outputs: Columns  # as they were answered
    # versions of the tables that they were answered with
    tables: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(self.counts)

    @classmethod
    def together(cls, parts: Sequence[Rows]) -> Rows:
        """The rows of several batches in one, which were answered with the same tables."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            [request_id for part in parts for request_id in part.ids],
            [count for part in parts for count in part.counts],
            stacked([part.fields for part in parts]),
            stacked([part.outputs for part in parts]),
            parts[0].tables,
        )


@dataclass(frozen=True)
class OutputDifference:
    """How an output differs between the two versions."""

    differing: int  # rows that differ by more than the challenger declares as exact
    total: float  # sum of the absolute differences of numbers; 0 for anything else
    largest: float  # of these


@dataclass(frozen=True)
class DifferingRow:
    """A row that differs."""

    request: str  # id of its request
    key: Any
    # by output that differs: the live version's value, and the challenger's
    outputs: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True)
class ComparedRows:
    """Rows that the challenger scored, compared."""

    rows: int
    refused: int  # by the challenger's row rules
    failed: int
    seconds: float
    # of each output that both versions have
    outputs: Mapping[str, OutputDifference] = field(default_factory=dict)
    differing: int = 0  # rows with an output that differs
    examples: Sequence[DifferingRow] = ()  # a few of these


def compare_rows(challenger: Scorer, rows: Rows) -> ComparedRows:
    """Score rows with the challenger, and compare its outputs with those that were answered.

    The challenger's fields are among those of the rows.
    """
    graph = challenger.pipeline.graph
    begun = perf_counter()
    scored, computed = challenger.score(
        {name: rows.fields[name] for name in challenger.pipeline.record_schema.names}
    )
    seconds = perf_counter() - begun
    failed = sum(
        any(reason.rule == "function" for reason in row.reasons) for row in scored.rejected
    )
    refused = len(scored.rejected) - failed
    common = [name for name in graph.outputs if name in rows.outputs]
    answered = {name: rows.outputs[name][scored.rows] for name in common}
    differences = {
        name: _difference(challenger, name, answered[name], computed[name]) for name in common
    }
    masks = {name: compared.rows for name, compared in differences.items()}
    differing = np.zeros(len(scored.rows), dtype=np.bool_)
    for mask in masks.values():
        differing |= mask
    names = np.repeat(np.array(rows.ids, dtype=object), rows.counts)[scored.rows]
    keys = computed[challenger.pipeline.key]
    return ComparedRows(
        len(scored.rows),
        refused,
        failed,
        seconds,
        {name: _summary(differences[name], answered[name], computed[name]) for name in common},
        int(differing.sum()),
        [
            DifferingRow(
                names[row],
                plain(keys[row]),
                {
                    name: (plain(answered[name][row]), plain(computed[name][row]))
                    for name in common
                    if masks[name][row] and name not in graph.personal
                },
            )
            for row in islice(np.flatnonzero(differing).tolist(), _EXAMPLES)
        ],
    )


def _difference(challenger: Scorer, name: str, answered: Array, computed: Array) -> Difference:
    """The difference of an output, by the exactness that the challenger declares."""
    scale = challenger.loaded.golden.scales.columns.get(name, 0.0)
    ulps = challenger.pipeline.graph.ulps(name)
    return difference(answered, computed, ulps=ulps, scale=scale)


def _summary(compared: Difference, answered: Array, computed: Array) -> OutputDifference:
    differing = int(compared.rows.sum())
    if not all(array.dtype.kind in "biuf" for array in (answered, computed)):
        return OutputDifference(differing, 0.0, 0.0)
    apart = np.abs(answered.astype(np.float64) - computed.astype(np.float64))
    apart = apart[np.isfinite(apart)]
    return OutputDifference(differing, float(apart.sum()), float(apart.max(initial=0.0)))


class Examples:
    """Logs differing rows, a few a minute, without what the request log redacts.

    Outputs that its settings redact are left out, and a key that they hash is hashed. Without a
    log, no key is logged.
    """

    def __init__(self, settings: RequestLog | None, clock: Callable[[], float] = monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._redacted = settings.redacted if settings is not None else {}
        self._since, self._told = clock(), 0

    def tell(self, live: LoadedVersion, challenger: int, example: DifferingRow) -> None:
        """Log a row that differs between two versions, unless enough were logged lately."""
        now = self._clock()
        if now - self._since >= _SECONDS:
            self._since, self._told = now, 0
        outputs = {
            name: {"live": answered, "challenger": computed}
            for name, (answered, computed) in example.outputs.items()
            if name not in self._redacted
        }
        if self._told == MOST_TOLD or not outputs:
            return
        self._told += 1
        key = self._shown_key(live.pipeline.key, example.key)
        facts = {"request_id": example.request, **key, "outputs": outputs}
        log.info(
            "the challenger, version %s, differs from version %s",
            challenger,
            live.version,
            extra={"facts": facts},
        )

    def _shown_key(self, name: str, key: Any) -> dict[str, Any]:
        if self._settings is None or self._redacted.get(name) == "dropped":
            return {}
        if self._redacted.get(name) == "hashed":
            return {name: keyed_hashes(log_key())(np.array([key], dtype=object))[0]}
        return {name: key}
