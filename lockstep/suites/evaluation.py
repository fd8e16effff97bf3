"""Evaluation: expectations asked of rows by Great Expectations.

`Batch.validate` plans the metrics of expectations for every batch, twice, in four fifths of its
time for a thousand rows; here they are planned once a thread. Metrics and results are Great
Expectations' own, and `tests/lockstep/suites` compares them with those of `Batch.validate`. An
execution engine belongs to one evaluation: threads share none.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from traceback import format_exc
from typing import TYPE_CHECKING, Any

from lockstep.columns.kinds import Columns
from lockstep.columns.tables import take_rows, to_frame
from lockstep.rules.row_rules import columns_of
from lockstep.suites.suites import from_json

if TYPE_CHECKING:
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

ResultFormat = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _ExpectationPlan:
    """An expectation, and what it takes to evaluate it."""

    expectation: Expectation
    metrics: Mapping[str, MetricConfiguration]  # by the expectation's own names
    result_format: ResultFormat
    graph: ExpectationValidationGraph  # these metrics with all that they are computed from
    # Why there are none, as for an expectation of databases only.
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
    """Great Expectations' result of each expectation, in order, on rows in canonical form.

    Raises SuiteError where an expectation cannot be read.
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


def judge(
    suite: str,
    expectation: dict[str, Any],
    columns: Columns,
    result_format: ResultFormat,
    figure: Callable[[str], Any],
) -> ExpectationValidationResult | None:
    """Great Expectations' result of an expectation by figures; None if it needs others.

    `columns` have the types of those that the figures are of; no row is looked at. `figure` gives
    the value of a metric by its name, and raises KeyError where it is not known. Raises SuiteError
    where the expectation cannot be read.
    """
    part = {name: columns[name] for name in _looked_at(expectation, columns)}
    engine = _engine(take_rows(part, slice(0)))
    plan = _plan(suite, expectation, _types(part), engine, result_format)
    try:
        figures = {metric.id: figure(name) for name, metric in plan.metrics.items()}
    except KeyError:
        return None
    return _judged(plan, figures, {}, engine)


def _evaluated(
    suite: str,
    expectations: Sequence[dict[str, Any]],
    columns: Columns,
    result_format: ResultFormat,
) -> list[ExpectationValidationResult]:
    from great_expectations.validator.metrics_calculator import MetricsCalculator
    from great_expectations.validator.validation_graph import ValidationGraph

    engine, types = _engine(columns), _types(columns)
    plans = [
        _plan(suite, expectation, types, engine, result_format) for expectation in expectations
    ]
    metrics, aborted = MetricsCalculator(engine, show_progress_bars=False).resolve_validation_graph(
        ValidationGraph(engine, [edge for plan in plans for edge in plan.graph.graph.edges]),
        runtime_configuration={"result_format": result_format},
    )
    return [_judged(plan, metrics, aborted, engine) for plan in plans]


def _engine(columns: Columns) -> PandasExecutionEngine:
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine

    return PandasExecutionEngine(batch_data_dict={_BATCH: to_frame(columns)})


def _types(columns: Columns) -> str:
    return json.dumps([(name, array.dtype.str) for name, array in columns.items()])


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
