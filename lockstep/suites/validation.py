"""Validation: a suite checked on a batch by Great Expectations.

The metrics that an expectation needs follow from the expectation and the types of its columns.
Great Expectations' `Batch.validate` plans them for every batch, twice, in four fifths of its time
for a thousand rows; here they are planned once a thread. Metrics and results are Great
Expectations' own, and `tests/lockstep/suites` compares them with those of `Batch.validate`. An
execution engine belongs to one validation: threads share none.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template
from traceback import format_exc
from typing import TYPE_CHECKING, Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import cut, plain
from lockstep.columns.tables import to_frame
from lockstep.errors import SuiteError
from lockstep.rules.row_rules import RuleCounts, columns_of, compile_rule
from lockstep.rules.rowtests import NoRowTestError, value_at
from lockstep.rules.wording import shown
from lockstep.suites.suite_results import EXPECTED, LOOKED_AT, ROW_RULE, SuiteResult
from lockstep.suites.suites import from_json, suite_json

if TYPE_CHECKING:
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation import Expectation
    from great_expectations.validator.exception_info import ExceptionInfo
    from great_expectations.validator.metric_configuration import MetricConfiguration
    from great_expectations.validator.validation_graph import ExpectationValidationGraph


ROW_COUNT = "expect_table_row_count_to_be_between"
_BATCH = "rows"
"""The name of the rows in every engine, so that a plan fits the next one."""
_MOST_PLANS = 500
"""Plans that a thread keeps, of some 50 KB each."""
_LONGEST = 200
"""Characters of a text, and members of a list, that a result keeps."""
_NEXT_MEMBER = re.compile(r"(\$\w+__\d+) (?=\$)")
"""The gap between members of a set in Great Expectations' sentences."""

ResultFormat = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _ExpectationPlan:
    """An expectation, and what it takes to evaluate it.

    Attributes:
        expectation: The expectation.
        metrics: The metrics that it needs, by its own names.
        result_format: The format of its result.
        graph: These metrics with all that they are computed from.
        raised: Why there are none, as for an expectation of databases only.
    """

    expectation: Expectation
    metrics: Mapping[str, MetricConfiguration]
    result_format: ResultFormat
    graph: ExpectationValidationGraph
    raised: ExceptionInfo | None = None


class _ExpectationPlans(threading.local):
    """The plans of a thread, by the expectation, the types of its columns and the format."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, ...], _ExpectationPlan] = {}


_PLANS = _ExpectationPlans()


def evaluate(
    suite: str,
    expectations: Sequence[dict[str, Any]],
    columns: Columns,
    result_format: ResultFormat,
) -> list[ExpectationValidationResult]:
    """Great Expectations' result of each expectation, in order.

    Args:
        suite: Name of the suite, for messages.
        expectations: The expectations, as in a suite's JSON.
        columns: The rows, in canonical form.
        result_format: Great Expectations' format of the results.

    Raises:
        SuiteError: An expectation cannot be read.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for position, expectation in enumerate(expectations):
        groups.setdefault(_looked_at(expectation, columns), []).append(position)
    results: dict[int, ExpectationValidationResult] = {}
    for names, positions in groups.items():
        wanted = [expectations[position] for position in positions]
        part = {name: columns[name] for name in names}
        results.update(zip(positions, _evaluated(suite, wanted, part, result_format), strict=True))
    return [results[position] for position in range(len(expectations))]


def _looked_at(expectation: dict[str, Any], columns: Columns) -> tuple[str, ...]:
    """The columns that an expectation needs, since each takes time.

    A single one is enough to count rows. An expectation about the table, or with columns in a
    condition, gets all.
    """
    kwargs, kind = expectation["kwargs"], expectation["type"]
    about = tuple(name for name in columns_of(kwargs) if name in columns)
    is_of_columns = kind == ROW_COUNT or kind.startswith("expect_column_")
    if kwargs.get("row_condition") is not None or not is_of_columns:
        return tuple(columns)
    return about or tuple(columns)[:1]


def _evaluated(
    suite: str,
    expectations: Sequence[dict[str, Any]],
    columns: Columns,
    result_format: ResultFormat,
) -> list[ExpectationValidationResult]:
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.validator.metrics_calculator import MetricsCalculator
    from great_expectations.validator.validation_graph import ValidationGraph

    engine = PandasExecutionEngine(batch_data_dict={_BATCH: to_frame(columns)})
    types = json.dumps([(name, array.dtype.str) for name, array in columns.items()])
    plans = [
        _plan(suite, expectation, types, engine, result_format) for expectation in expectations
    ]
    metrics, aborted = MetricsCalculator(engine, show_progress_bars=False).resolve_validation_graph(
        ValidationGraph(engine, [edge for plan in plans for edge in plan.graph.graph.edges]),
        runtime_configuration={"result_format": result_format},
    )
    return [_judged(plan, metrics, aborted, engine) for plan in plans]


def _plan(
    suite: str,
    expectation: dict[str, Any],
    types: str,
    engine: PandasExecutionEngine,
    result_format: ResultFormat,
) -> _ExpectationPlan:
    key = (json.dumps(expectation), types, json.dumps(result_format))
    if (known := _PLANS.known.get(key)) is not None:
        return known
    (read,) = from_json({"name": suite, "expectations": [expectation]}).expectations
    made = _planned(read, engine, result_format)
    if not read.suite_parameter_options:  # such as the current time, which changes
        if len(_PLANS.known) >= _MOST_PLANS:
            _PLANS.known.clear()
        _PLANS.known[key] = made
    return made


def _planned(
    read: Expectation, engine: PandasExecutionEngine, result_format: ResultFormat
) -> _ExpectationPlan:
    from great_expectations.validator.metrics_calculator import MetricsCalculator
    from great_expectations.validator.validation_graph import (
        ExpectationValidationGraph,
        ValidationGraph,
    )

    configuration = read.configuration
    configuration.process_suite_parameters(None)
    configuration.kwargs["batch_id"] = _BATCH
    expectation = configuration.to_domain_obj()
    runtime = {"result_format": result_format}
    try:
        needed = expectation.get_validation_dependencies(engine, runtime)
        graph = MetricsCalculator(engine, show_progress_bars=False).build_metric_dependency_graph(
            needed.get_metric_configurations(), runtime
        )
    except Exception as error:  # noqa: BLE001 - reported in the result
        none = ExpectationValidationGraph(configuration, ValidationGraph(None))
        return _ExpectationPlan(expectation, {}, {}, none, _why(error))
    # Without the engine, which would keep the rows of the first batch as long as the plan.
    alone = ExpectationValidationGraph(configuration, ValidationGraph(None, graph.edges))
    return _ExpectationPlan(expectation, needed.metric_configurations, needed.result_format, alone)


def _judged(
    plan: _ExpectationPlan, metrics: Mapping[Any, Any], aborted: Any, engine: PandasExecutionEngine
) -> ExpectationValidationResult:
    """The result of an expectation by its metrics, or with the error of a metric."""
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

    configuration = plan.graph.configuration
    if raised := plan.raised or plan.graph.get_exception_info(aborted):
        return ExpectationValidationResult(False, configuration, exception_info=raised)
    try:
        # The method by which each class of expectations judges its metrics.
        judged = plan.expectation._validate(
            metrics={name: metrics[metric.id] for name, metric in plan.metrics.items()},
            runtime_configuration={"result_format": plan.result_format},
            execution_engine=engine,
        )
    except Exception as error:  # noqa: BLE001 - reported in the result, as by Great Expectations
        return ExpectationValidationResult(False, configuration, exception_info=_why(error))
    result = judged if isinstance(judged, dict) else judged.to_json_dict()
    return ExpectationValidationResult(**{**result, "expectation_config": configuration})


def _why(error: Exception) -> ExceptionInfo:
    from great_expectations.validator.exception_info import ExceptionInfo

    return ExceptionInfo(exception_traceback=format_exc(), exception_message=str(error))


def validate(
    columns: Columns, suite: gx.ExpectationSuite | Mapping[str, Any], *, key: str, sample: int = 5
) -> SuiteResult:
    """Check a suite on columns.

    An empty batch meets all expectations about rows, so the number of rows is always among the
    findings, and an empty batch fails.

    Args:
        columns: The batch, in canonical form.
        suite: The suite, or its plain form.
        key: Name of the column that identifies the rows.
        sample: Number of failing rows to name for an unmet expectation.

    Raises:
        SuiteError: The suite cannot be read, or there is no such key column.
    """
    if key not in columns:
        raise SuiteError(
            f"the batch has no key column {key!r} to name failing rows by. It has: "
            f"{', '.join(columns)}."
        )
    stored = suite if isinstance(suite, Mapping) else suite_json(suite)
    expectations = _with_row_count(stored["expectations"])
    results = _results(stored["name"], expectations, columns, sample)
    for expectation, result in zip(expectations, results, strict=True):
        result.meta = _noted(expectation, result)
        _make_plain(result, columns, key)
    return SuiteResult(_together(stored["name"], results), len(columns[key]))


def with_counts(result: SuiteResult, counts: RuleCounts) -> SuiteResult:
    """The results on a sample, with what is counted of all rows in its place.

    Args:
        result: The results on a sample that holds a row which each unmet row rule refuses.
        counts: What the row rules count of all rows.
    """
    by_rule = zip(counts.refused, counts.missing, strict=True)
    results = []
    for told in result.validation["results"]:
        if told["meta"][ROW_RULE]:
            refused, missing = next(by_rule)
            of_all = _of_all_rows(told, counts.rows, refused, missing)
        elif told["expectation_config"]["type"] == ROW_COUNT:
            of_all = _of_row_count(told, counts.rows)
        else:
            of_all = {**told, "meta": {**told["meta"], LOOKED_AT: result.rows}}
        results.append(of_all)
    return SuiteResult({**result.validation, "results": results}, counts.rows, result.rows)


def _of_all_rows(
    told: Mapping[str, Any], rows: int, refused: int, missing: int
) -> Mapping[str, Any]:
    """The result of a row rule on a sample, with the counts of all rows."""
    looked_at = max(rows - missing, 1)
    counts = {
        "element_count": rows,
        "missing_count": missing,
        "missing_percent": 100 * missing / max(rows, 1),
        "unexpected_count": refused,
        "unexpected_percent": 100 * refused / looked_at,
        "unexpected_percent_total": 100 * refused / max(rows, 1),
        "unexpected_percent_nonmissing": 100 * refused / looked_at,
    }
    return {**told, "result": {**told["result"], **counts}}


def _of_row_count(told: Mapping[str, Any], rows: int) -> Mapping[str, Any]:
    """The result of an expectation about the number of rows, of all of them."""
    kwargs = told["expectation_config"]["kwargs"]
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    is_met = (low is None or low <= rows) and (high is None or rows <= high)
    return {**told, "success": is_met, "result": {**told["result"], "observed_value": rows}}


def _with_row_count(expectations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The expectations, and one that there is a row, if none of them says so."""
    counts = (each["kwargs"] for each in expectations if each["type"] == ROW_COUNT)
    if any((kwargs.get("min_value") or 0) >= 1 for kwargs in counts):
        return list(expectations)
    return [{"type": ROW_COUNT, "kwargs": {"min_value": 1}, "severity": "critical"}, *expectations]


def _results(
    suite: str, expectations: Sequence[dict[str, Any]], columns: Columns, sample: int
) -> list[ExpectationValidationResult]:
    """The results, with the positions of a few failing rows.

    Positions take half as long again, so only unmet expectations are evaluated with them.
    """
    examples = {"partial_unexpected_count": sample, "return_unexpected_index_query": False}
    results = evaluate(suite, expectations, columns, {"result_format": "BASIC", **examples})
    unmet = [at for at, result in enumerate(results) if not result.success]
    failing = [at for at in unmet if "element_count" in results[at].result]
    again = [expectations[at] for at in failing]
    detailed = evaluate(suite, again, columns, {"result_format": "SUMMARY", **examples})
    for at, result in zip(failing, detailed, strict=True):
        results[at] = result
    return results


def _noted(expectation: dict[str, Any], result: ExpectationValidationResult) -> dict[str, Any]:
    """The `meta` of a result."""
    try:
        compile_rule(expectation)
        is_row_rule = True
    except NoRowTestError:
        is_row_rule = False
    return {ROW_RULE: is_row_rule} | ({} if result.success else {EXPECTED: _expected(result)})


def _make_plain(result: ExpectationValidationResult, columns: Columns, key: str) -> None:
    """Make a result JSON of bounded size that names rows by their key, not by position."""
    content = result.result
    if rows := content.get("partial_unexpected_index_list"):
        about = columns_of(result.expectation_config.kwargs)
        content["unexpected_index_column_names"] = [key]
        content["partial_unexpected_index_list"] = [
            {name: _cell(columns[name], row) for name in (*about, key)} for row in rows
        ]
    result.success = bool(result.success)
    result.result = _plain(content)
    result.exception_info = _plain(result.exception_info)


def _together(suite: str, results: Sequence[ExpectationValidationResult]) -> dict[str, Any]:
    """The results as Great Expectations' own JSON of a suite's validation."""
    from great_expectations import __version__
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
    )
    from great_expectations.validator.validation_statistics import calc_validation_statistics

    statistics = calc_validation_statistics(results)._asdict()
    whole = ExpectationSuiteValidationResult(
        results=[],
        success=statistics.pop("success"),
        suite_name=suite,
        statistics=statistics,
        meta={
            "great_expectations_version": __version__,
            "validation_time": datetime.now(UTC).isoformat(),
        },
    )
    return {**whole.to_json_dict(), "results": [result.to_json_dict() for result in results]}


def _expected(result: ExpectationValidationResult) -> str:
    """The expectation in Great Expectations' words."""
    from great_expectations.render.renderer.inline_renderer import InlineRenderer

    config = result.expectation_config
    (first, *_) = InlineRenderer(render_object=config).get_rendered_content()
    template = first.value.template or f"{config.type} of {', '.join(columns_of(config.kwargs))}"
    template = _NEXT_MEMBER.sub(r"\1, ", template)
    values = {name: shown(held["value"]) for name, held in (first.value.params or {}).items()}
    return cut(Template(template).safe_substitute(values).rstrip("."), _LONGEST)


def _cell(array: Array, row: int) -> Any:
    """The value of a row as plain JSON; None if it is missing."""
    return None if value_at(array, row) is None else _plain(array[row])


def _plain(value: Any) -> Any:
    return plain(value, longest=_LONGEST, nan="NaN")
