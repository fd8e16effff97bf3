"""Comparisons as check results: parity of rows, and of a version's evidence."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.checks.check_results import coverage, impact_figures, tell, with_unjudged
from lockstep.checks.pictures import divergence_picture
from lockstep.columns.graph import Graph
from lockstep.columns.kinds import Columns
from lockstep.columns.markdown import code_block
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.plain import all_of, counted, listed
from lockstep.columns.svg import in_markdown
from lockstep.columns.tables import take_rows
from lockstep.errors import OutsideReadingError
from lockstep.parity.comparison import how_exactly, impact
from lockstep.store.results import CheckResult

if TYPE_CHECKING:
    from lockstep.artifacts.outside_readings import Reading
    from lockstep.artifacts.snapshot import Snapshot
    from lockstep.artifacts.version import LoadedVersion
    from lockstep.parity.comparison import Comparison, ParityReport
    from lockstep.parity.divergence import ColumnComparison, Divergence


_ROUNDING = 2**24
"""Ulps up to which a difference may be one of rounding: four billionths of the value."""


def check_comparison(
    comparison: Comparison | ParityReport, graph: Graph, how: str, failing: str | None = None
) -> CheckResult:
    """Check that a comparison found every column equal; name the first divergent one.

    Args:
        how: How the rows were computed again, to end a sentence that begins "All columns agree".
        failing: The same for a failure; `how` by default, empty where the report says it.
    """
    rows = counted(comparison.rows, "row")
    compared = comparison.compared
    agree = all_of(len(compared), "column", f"of {rows} agrees", f"of {rows} agree")
    again = how if failing is None else failing
    first = comparison.first
    unjudged = {name: why for name, why in comparison.skipped.items() if name in graph.served}
    return CheckResult(
        passed=comparison.ok,
        summary=f"{agree}{how_exactly(compared)}, {how}."
        if comparison.ok
        else f"{comparison.summary}{f' ({again})' if again else ''}. {impact(comparison, graph)}",
        column=first.column if first is not None else None,
        where=str(first.origin) if first is not None and first.origin is not None else "",
        keys=tuple(str(example.key) for example in first.examples) if first is not None else (),
        numbers={
            **coverage(comparison.rows, len(comparison.compared), unjudged),
            "divergent": sum(not column.ok for column in comparison.compared),
            **impact_figures(comparison.effects),
        },
        table=_examples(comparison) or [_compared(column) for column in comparison.compared],
        notes=_notes(first, graph) if first is not None else {},
        unjudged=unjudged,
        todo=_budget(comparison, graph),
    )


def _budget(comparison: Comparison | ParityReport, graph: Graph) -> str:
    """What to do where a model differs in its last digits; empty where something else is wrong."""
    first = comparison.first
    node = graph.node(first.column) if first is not None else None
    if first is None or node is None or node.learns is None or not first.begins_here:
        return ""
    largest = max(c.ulps or 0 for c in comparison.compared if c.column == first.column)
    if not 0 < largest <= _ROUNDING:
        return ""
    allowed = max(64, 2 ** int(np.ceil(np.log2(4 * largest))))
    return (
        f"The last digits of {node.name} depend on the rows that are computed with them, as those "
        f"of a product of matrices do. Allow for that: `@model(..., ulps={allowed})`. Then train "
        "anew: `lockstep train PIPELINE`"
    )


def _notes(first: Divergence, graph: Graph) -> dict[str, str]:
    """A picture of the graph around the first divergence and, if there is one, its reproducer."""
    notes = {}
    if first.examples:
        key = first.examples[0].key
        drawn = divergence_picture(
            graph, first.column, first.sides, ("expected", "actual"), str(key)
        )
        notes["the columns around it"] = in_markdown(drawn, f"{first.column} in the graph")
    if first.reproducer is not None and first.reproducer.record is not None:
        record = json.dumps(json.loads(first.reproducer.record), ensure_ascii=False, indent=1)
        notes["one record"] = code_block(record, "json")
    if first.reproducer is not None:
        notes["a test that fails while the column differs"] = code_block(
            first.reproducer.test, "python"
        )
    return notes


def _examples(comparison: Comparison | ParityReport) -> list[dict[str, Any]]:
    if comparison.first is None:
        return []
    return [
        {
            "column": comparison.first.column,
            "key": str(example.key),
            "expected": str(example.expected),
            "actual": str(example.actual),
            "inputs": ", ".join(f"{name}={value}" for name, value in example.inputs.items()),
        }
        for example in comparison.first.examples
    ]


def _compared(column: ColumnComparison) -> dict[str, Any]:
    return {
        "column": f"matrix of {column.column}" if column.is_matrix else column.column,
        "rows": column.rows,
        "allowed ulps": column.budget,
        "largest ulps": column.ulps,
    }


def check_locality(pipeline: Pipeline, computed: Columns) -> CheckResult:
    """Check that every feature and label depends on its own row alone, by all rows and a sample."""
    from lockstep.parity.company import in_other_company
    from lockstep.parity.comparison import ParityReport
    from lockstep.parity.locality import locality

    whole, sample = in_other_company(pipeline, computed), locality(pipeline, computed)
    has_functions = whole.compared or whole.first is not None
    report = ParityReport((whole, *sample.comparisons)) if has_functions else sample
    how = "whatever other rows are computed with them"
    return check_comparison(report, pipeline.graph, how, failing="")


def check_company(comparison: Comparison, graph: Graph) -> CheckResult:
    """Check that a batch's features and outputs are the same if it is computed in parts."""
    if not comparison.compared and comparison.first is None:
        return CheckResult.not_judged(
            "No function of the pipeline computes a column of these rows."
        )
    return check_comparison(comparison, graph, "each row computed again among others")


def check_training_parity(
    source: Snapshot, stored: Columns, bind: Callable[[Pipeline], Pipeline] = lambda given: given
) -> CheckResult:
    """Check that the code that a version will carry computes the stored training set.

    The code is refused what the version does not carry: a file that is not beside its modules, a
    database, the network, another program. It may ask for no environment variable either.

    Args:
        bind: Gives a pipeline the tables that it reads.
    """
    from lockstep.artifacts.closed_files import closed
    from lockstep.artifacts.questions import watching
    from lockstep.artifacts.snapshot import folders_of, unload
    from lockstep.parity.replay import recompute

    # The last row first: a function that remembers rows computes other values then.
    turned = take_rows(stored, np.arange(len(next(iter(stored.values()))))[::-1])
    with suppress(OutsideReadingError), watching() as guard:
        shipped = source.load()
        bound = bind(shipped)
        try:
            comparison = closed(partial(recompute, bound, turned), folders_of(shipped))
        finally:
            unload(shipped)
    if guard.readings:
        return outside_readings(guard.readings)
    how = "computed anew by the code that the version carries"
    return check_comparison(comparison, shipped.graph, how)


def outside_readings(readings: Sequence[Reading]) -> CheckResult:
    """The result where code reads, or is refused, what its version does not carry."""
    first = readings[0]
    more = f", and there are {len(readings) - 1} more" if len(readings) > 1 else ""
    return CheckResult(
        False,
        f"{first}, which is no part of the version: it may be another one wherever that serves"
        f"{more}.",
        column=first.function or None,
        where=first.where,
        table=list(map(asdict, readings)),
        todo=f"{first.remedy} Then: AGAIN",
    )


def check_replay(
    loaded: LoadedVersion, pipeline: Pipeline | None = None, *, as_carried: bool = False
) -> CheckResult:
    """Replay the golden records, after counting them and the version's other evidence.

    Args:
        pipeline: The pipeline that serves, which may have compiled predictors; the version's
            reference pipeline if not given.
        as_carried: Whether to replay MLflow's way too, with the Lockstep that the version carries.
    """
    from lockstep.artifacts.carried import replay_as_carried
    from lockstep.artifacts.golden_replay import replay_golden, replayed_with
    from lockstep.artifacts.losses import losses
    from lockstep.parity.comparison import ParityReport

    if lost := losses(loaded):
        return incomplete(loaded, lost)
    report = replay_golden(loaded, pipeline or loaded.pipeline)
    if as_carried:
        report = ParityReport((*report.comparisons, replay_as_carried(loaded)))
    return check_comparison(report, loaded.pipeline.graph, replayed_with(loaded))


def incomplete(loaded: LoadedVersion, lost: Sequence[str]) -> CheckResult:
    """The result for a version that has lost evidence."""
    from lockstep.artifacts.golden_replay import not_complete

    return CheckResult(
        False,
        not_complete(loaded, lost),
        where=f"the files of version {loaded.version} of {loaded.name}",
        todo="Restore its files, have another version serve (`lockstep promote PIPELINE VERSION`), "
        "or train and promote a version anew: `lockstep train PIPELINE`.",
    )


def check_compiled(loaded: LoadedVersion) -> CheckResult:
    """Check that a version's compiled predictors give what its reference predictors give.

    Where one does not, the estimator itself serves, and that is a warning.
    """
    agreed, graph = loaded.agreement, loaded.pipeline.graph
    compiled, differing = agreed.compiled, {**(loaded.differing or {}), **agreed.differing}
    others = {name: why for name, why in compiled.reasons.items() if name not in differing}
    how = "by compiled predictors and by the estimators themselves"
    if differing:
        found = check_comparison(agreed.failure or agreed.report, graph, how)
        each = "; ".join(f"{name}: {why}" for name, why in differing.items())
        result = replace(
            found,
            passed=False,
            severity="WARN",
            column=next(iter(differing)),
            also=tuple(differing)[1:],
            summary=f"The estimator itself serves {listed(differing)}, as right and slower, since "
            f"its compiled form differs. {each}.",
        )
    elif compiled.models:
        result = check_comparison(agreed.report, graph, how)
    else:
        return CheckResult.not_judged(
            f"No model is compiled; the estimators themselves serve: {tell(others)}.", others
        )
    return replace(
        result,
        summary=with_unjudged(result.summary, others),
        unjudged=others,
        numbers={**result.numbers, "compiled": len(compiled.models)},
    )


def check_sample(loaded: LoadedVersion, columns: Columns, size: int = 100) -> CheckResult:
    """Send a sample through the reference path again: from the wire, in modules that are run anew.

    The last row comes first, and nothing else was computed there before; in another run of the
    modules, functions compute rows that are made up before. A function whose state depends on the
    rows that it has seen gives other values then. Where a container of its modules grew meanwhile,
    functions compute each row as the first of all, too.

    The sample favours rows that are rare or close to another decision; the rest are the rows whose
    keys have the smallest digests. Every run draws the same rows. Models compute no row alone,
    which takes scikit-learn as long as all of them together: `check_replay`, the fit and the gate
    do so.
    """
    from lockstep.artifacts.snapshot import loaded_modules
    from lockstep.columns.digests import digests_of
    from lockstep.parity.company import after_other_rows, each_row_first
    from lockstep.parity.comparison import ParityReport
    from lockstep.parity.golden import GoldenRecords
    from lockstep.parity.module_state import ModuleState
    from lockstep.parity.replay import replay
    from lockstep.parity.selection import choose_sample

    pipeline = loaded.pipeline
    rows = choose_sample(pipeline.graph, columns, digests_of(columns[pipeline.key]), size)[::-1]
    sample = {name: columns[name][rows] for name in pipeline.graph.served}
    raw = {name: sample[name] for name in pipeline.record_schema.names}
    expected = GoldenRecords(raw, Trace(sample[pipeline.key], sample, {}), loaded.golden.scales)
    with loaded.anew() as first:
        report = replay(first, expected, version=loaded.version, alone=0)
    with loaded.anew(with_models=False) as later:
        state = ModuleState.of(loaded_modules(later))
        report = ParityReport((*report.comparisons, after_other_rows(later, sample)))
        grown = state.grown
    if grown:
        with loaded.anew(with_models=False) as alone:
            held = ModuleState.of(loaded_modules(alone)).first_of(grown)
            compared = each_row_first(alone, sample, held.restore)
            report = ParityReport((*report.comparisons, compared))
    how = "a sample computed again by the reference path in modules that were run anew"
    return check_comparison(report, pipeline.graph, how)
