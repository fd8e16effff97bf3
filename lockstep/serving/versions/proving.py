"""Proving: a version serves only if it computes in this process what it computed at the fit."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import msgspec
import numpy as np

from lockstep.artifacts.closure import demand_code
from lockstep.artifacts.losses import losses
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.from_table import FromTable, Reads
from lockstep.columns.kinds import Kind
from lockstep.errors import LockstepError, SuiteError, UnprovenError
from lockstep.parity.comparison import ParityReport
from lockstep.parity.lookup_cases import replay_cases
from lockstep.parity.replay import replay
from lockstep.parity.scalar_forms import bits, scalar_forms
from lockstep.parity.wire import wire_records
from lockstep.serving.versions.request_scorer import Answer, Scorer
from lockstep.serving.versions.served_tables import ServedTables, VersionTables
from lockstep.serving.versions.single_rows import SingleRows
from lockstep.tables.layered import LayeredRows
from lockstep.tables.rows import TableRows

log = logging.getLogger(__name__)


class Stored(Protocol):
    """A version on disk, such as the one that a pointer names."""

    @property
    def version(self) -> int:
        """Its number."""

    @property
    def digest(self) -> str:
        """SHA-256 of its manifest."""

    def open(self) -> LoadedVersion:
        """The version, from its files."""


@dataclass(frozen=True)
class RefusedVersion:
    """A version that was to serve and is refused."""

    version: int | None  # None where not even its number can be read
    reason: str


def load(stored: Stored, *, strict: bool = True, tables: ServedTables | None = None) -> Scorer:
    """Open a version and prove it; raises LockstepError where it cannot be used here."""
    try:
        loaded = stored.open()
        return prove(loaded, strict=strict, tables=_tables_of(loaded, tables))
    except LockstepError:
        raise
    except Exception as error:
        log.exception("version %s cannot be loaded", stored.version)
        raise UnprovenError(
            f"Version {stored.version} cannot be loaded ({type(error).__name__}); the log says why."
        ) from error


def prove(
    loaded: LoadedVersion, *, strict: bool = True, tables: VersionTables | None = None
) -> Scorer:
    """Replay a version's golden records in this process, and make a scorer of it.

    The reference predictors have to give every value that they gave at the fit. The compiled ones
    have to agree with them, on edges too; where they do not, the reference ones serve. Either way,
    the golden records are computed in a batch and one at a time. What was made up for look-ups and
    windows is asked as of rows that were delivered and rows that were posted.

    Raises UnprovenError where installed code is not that of the fit, a column differs, or some of
    the evidence is lost; the message names it.
    """
    if lost := losses(loaded):
        raise UnprovenError(
            f"What proves version {loaded.version} is not complete: {'; '.join(lost)}. Restore its "
            "files, or train and promote a version anew."
        )
    demand_code(loaded.environment, loaded.version)
    # One row by scikit-learn takes 20 ms: where it serves, they are computed alone below.
    _demand(loaded, replay(loaded.pipeline, loaded.golden, version=loaded.version, alone=0))
    agreed = loaded.agreement
    for name, how in agreed.differing.items():
        log.error("the estimator of %s serves itself, as its compiled form differs: %s", name, how)
    _demand(loaded, agreed.report)
    compiled = agreed.compiled
    for compared in replay_cases(loaded.pipeline.graph, loaded.golden.cases, _partly_posted):
        if not compared.ok:
            raise UnprovenError(
                f"Version {loaded.version} does not look up what it has to in this process: "
                f"{compared.summary}"
            )
    scorer = Scorer.of(loaded, compiled, strict=strict, tables=tables)
    golden = {name: LayeredRows(rows) for name, rows in loaded.golden.tables.items()}
    with nullcontext() if tables is None else tables.batch(golden):
        scorer = with_single_rows(scorer)
        _demand_same_in_thread(scorer)
        scorer.warm()
    return scorer


def _partly_posted(node: FromTable, rows: TableRows) -> Reads:
    """A reader of rows every other of which was added to those before."""
    places = np.arange(len(rows))
    added = rows.taken(places[1::2])
    known = added.known.view(Kind.TIME.dtype)
    layered = LayeredRows(rows.taken(places[::2])).adding(added.columns, known, rows.version)
    return layered.reader(node)


def _tables_of(loaded: LoadedVersion, tables: ServedTables | None) -> VersionTables | None:
    if not loaded.pipeline.tables:
        return None
    if tables is None:
        raise UnprovenError(
            f"Version {loaded.version} reads tables, and this server does not know where they are."
        )
    try:
        return tables.of(loaded.pipeline)
    except LockstepError:
        loaded.unload()
        raise


def with_single_rows(scorer: Scorer) -> Scorer:
    """The scorer with a way of its own for single rows, proven on the golden records.

    Which functions are given scalars is proven in this process, and then the whole: each golden
    record is answered in both ways. Where anything differs, the scorer is left as it is.
    """
    golden, pipeline = scorer.loaded.golden, scorer.pipeline
    forms = scalar_forms(pipeline.graph, golden.trace.columns)
    try:
        single = SingleRows(
            pipeline, scorer.rules, scorer.computed_rules, scorer.wanted, scorer.names, forms.names
        )
    except SuiteError:  # the first request says so
        return scorer
    log.info("functions of arrays alone: %s", dict(forms.reasons))
    other = replace(scorer, single=single)
    for record in wire_records(golden.records, pipeline.record_schema):
        if not _are_same(*(each.answer([[record]])[0] for each in (scorer, other))):
            key = record[pipeline.key]
            log.error("single rows are computed as all others: golden record %s differs", key)
            return scorer
    return other


def _demand_same_in_thread(scorer: Scorer) -> None:
    """Replay the golden records in another thread, which is where large requests are answered."""
    loaded = scorer.loaded
    records = list(wire_records(loaded.golden.records, scorer.pipeline.record_schema))
    batch = None if scorer.tables is None else scorer.tables.reads()

    def answered() -> Answer | LockstepError:
        with nullcontext() if scorer.tables is None else scorer.tables.batch(batch):
            return scorer.answer([records])[0]

    with ThreadPoolExecutor(1) as threads:
        there, here = threads.submit(answered).result(), answered()
    if not _are_same(here, there):
        raise UnprovenError(
            f"Version {loaded.version} gives other values in a thread of its own, where large "
            "requests are answered, than in the one that loads it: look for `threading.local` in "
            f"its code. {_first_difference(here, there)}"
        )


def _first_difference(here: Answer | LockstepError, there: Answer | LockstepError) -> str:
    if isinstance(here, LockstepError) or isinstance(there, LockstepError):
        return str(there if isinstance(there, LockstepError) else here)
    if [row.reasons for row in here.rejected] != [row.reasons for row in there.rejected]:
        return (
            f"There it refuses {len(there.rejected)} golden records, and here {len(here.rejected)}."
        )
    columns, others = here.own, there.own
    names = (name for name in columns if bits(columns[name]) != bits(others[name]))
    return f"The first column that differs is {next(names, 'an output')}."


def _are_same(expected: Answer | LockstepError, actual: Answer | LockstepError) -> bool:
    """Whether two answers to a record are the same, to the bit of each column; see `bits`."""
    if not isinstance(expected, Answer) or not isinstance(actual, Answer):
        return type(expected) is type(actual)
    columns, others = expected.own, actual.own
    return (
        msgspec.json.encode(expected.told) == msgspec.json.encode(actual.told)
        and [row.reasons for row in expected.rejected] == [row.reasons for row in actual.rejected]
        and all(bits(columns[name]) == bits(others[name]) for name in columns if name in others)
    )


def _demand(loaded: LoadedVersion, replayed: ParityReport) -> None:
    if not replayed.ok:
        raise UnprovenError(
            f"Version {loaded.version} does not give the golden records in this process what it "
            f"gave them at the fit: {replayed.summary}"
        )
