"""Validation: a suite held against a batch by Great Expectations.

Every validation has a context, a data source and a batch of its own: contexts that threads share
give wrong results. Results come back regrouped by column, so each expectation carries its
position in its `meta`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import plain
from lockstep.columns.tables import to_frame
from lockstep.rules.figures import Figure, figure
from lockstep.rules.rowtests import NoRowTestError, value_at
from lockstep.rules.rules import SuiteError, columns_of, compile_rule
from lockstep.rules.tallies import Tally, tally
from lockstep.suites.results import Finding, SuiteResult
from lockstep.suites.suites import from_json, suite_json

if TYPE_CHECKING:
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )
    from great_expectations.datasource.fluent.interfaces import Batch

_LONGEST = 200
"""Characters of a text, and members of a list, that a finding keeps."""
_POSITION = "position"
_ROW_COUNT = "expect_table_row_count_to_be_between"


def validate(
    columns: Columns,
    suite: gx.ExpectationSuite | Mapping[str, Any],
    *,
    key: str,
    sample: int = 5,
    by_tests: bool = False,
) -> SuiteResult:
    """Hold a suite against columns.

    An empty batch fails: expectations about rows are met by no rows, so the number of rows is
    always among the findings.

    Args:
        columns: The batch, in canonical form.
        suite: The suite, or its plain form.
        key: Name of the column that tells the rows apart.
        sample: Number of failing rows to name for an expectation that is not met.
        by_tests: Whether what a row test, or a figure of the batch, finds met is taken to be met.
            Great Expectations, which takes ten milliseconds however little it is asked, is asked
            the others then, if there are any.

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
    met = _met(expectations, columns) if by_tests else {}
    asked = [(at, expectation) for at, expectation in enumerate(expectations) if at not in met]
    found = {at: _finding_met(expectations[at], by) for at, by in met.items()}
    if asked:
        found |= _asked(stored["name"], asked, columns, key, sample)
    return SuiteResult(
        suite=stored["name"],
        rows=len(columns[key]),
        findings=tuple(found[at] for at in range(len(expectations))),
    )


def _met(expectations: Sequence[dict[str, Any]], columns: Columns) -> dict[int, Tally | Figure]:
    """The expectations that tests find met, by position, each with what was counted or observed."""
    found: dict[int, Tally | Figure] = {}
    for at, one in enumerate(expectations):
        counted = tally(one, columns)
        observed = figure(one, columns) if counted is None else None
        if counted is not None and counted.meets(one["kwargs"].get("mostly", 1)):
            found[at] = counted
        elif observed is not None and observed.met:
            found[at] = observed
    return found


def _asked(
    name: str,
    expectations: Sequence[tuple[int, dict[str, Any]]],
    columns: Columns,
    key: str,
    sample: int,
) -> dict[int, Finding]:
    """What Great Expectations finds of expectations, by their position in the suite."""
    batch = _batch(_looked_at(columns, [expectation for _, expectation in expectations]))
    basic = {"result_format": "BASIC", "partial_unexpected_count": sample}
    results = _results(batch, name, expectations, basic)
    failing = [
        (at, expectation)
        for at, expectation in expectations
        if not results[at].success
        and _rows_checked(results[at])
        and results[at].result["unexpected_count"]
    ]
    indexed = {"result_format": "SUMMARY", "partial_unexpected_count": sample}
    samples = _results(batch, name, failing, indexed) if failing else {}
    return {
        at: _finding(expectation, results[at], _sampled(samples.get(at)), columns, key)
        for at, expectation in expectations
    }


def _looked_at(columns: Columns, expectations: Sequence[dict[str, Any]]) -> Columns:
    """The columns that expectations look at: Great Expectations takes its time for each column.

    One is enough to count rows. All are, where an expectation is about the table, or names columns
    in a condition.
    """
    about = {name for one in expectations for name in columns_of(one["kwargs"])}
    if any(
        one["kwargs"].get("row_condition") is not None
        or not (one["type"] == _ROW_COUNT or one["type"].startswith("expect_column_"))
        for one in expectations
    ):
        return columns
    numbers = (name for name, array in columns.items() if array.dtype.kind in "fib")
    about = about or {next(numbers, next(iter(columns)))}
    return {name: array for name, array in columns.items() if name in about}


def _with_row_count(expectations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The expectations, and that there be a row at all if none of them already says so."""
    said = any(
        expectation["type"] == _ROW_COUNT and (expectation["kwargs"].get("min_value") or 0) >= 1
        for expectation in expectations
    )
    if said:
        return list(expectations)
    return [{"type": _ROW_COUNT, "kwargs": {"min_value": 1}, "severity": "critical"}, *expectations]


def _batch(columns: Columns) -> Batch:
    _standing_context()
    return _context().data_sources.pandas_default.read_dataframe(to_frame(columns))


@cache
def _standing_context() -> EphemeralDataContext:
    """A context for what Great Expectations asks of the process, such as whether it has a cloud.

    It is set once, and never holds data.
    """
    from great_expectations.data_context.data_context.context_factory import set_context

    context = _context()
    set_context(context)
    return context


def _context() -> EphemeralDataContext:
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return EphemeralDataContext(project_config=config)


def _results(
    batch: Batch,
    name: str,
    expectations: Iterable[tuple[int, dict[str, Any]]],
    result_format: dict[str, Any],
) -> dict[int, ExpectationValidationResult]:
    """The results by position in the suite."""
    suite = from_json(
        {
            "name": name,
            "expectations": [
                {**expectation, "meta": {_POSITION: position}}
                for position, expectation in expectations
            ],
        }
    )
    outcome = batch.validate(suite, result_format=result_format)
    by_position = {}
    for result in outcome.results:
        assert result.expectation_config is not None
        by_position[result.expectation_config.meta[_POSITION]] = result
    return by_position


def _sampled(result: ExpectationValidationResult | None) -> list[int]:
    """The rows that a result names: positions in the batch."""
    if result is None:
        return []
    return list(result.result.get("partial_unexpected_index_list") or ())


def _finding(
    expectation: dict[str, Any],
    result: ExpectationValidationResult,
    rows: list[int],
    columns: Columns,
    key: str,
) -> Finding:
    kwargs = expectation["kwargs"]
    about = columns_of(kwargs)
    error = _error(result, [name for name in about if name not in columns])
    return Finding(
        expectation=expectation["type"],
        columns=about,
        severity=expectation.get("severity", "critical"),
        success=bool(result.success) and error is None,
        kwargs=kwargs,
        observed=_plain(_observed(result)),
        checked=_rows_checked(result),
        missing_count=_plain(result.result.get("missing_count")),
        unexpected_count=_plain(result.result.get("unexpected_count")),
        unexpected_percent=_plain(result.result.get("unexpected_percent")),
        failing_keys=tuple(_cell(columns[key], row) for row in rows),
        failing_values=tuple({name: _cell(columns[name], row) for name in about} for row in rows),
        error=error,
        row_level=_is_row_rule(expectation),
        notes=_notes(expectation),
    )


def _finding_met(expectation: dict[str, Any], by: Tally | Figure) -> Finding:
    """The finding on an expectation that tests found met."""
    counted = by if isinstance(by, Tally) else None
    return Finding(
        expectation=expectation["type"],
        columns=columns_of(expectation["kwargs"]),
        severity=expectation.get("severity", "critical"),
        success=True,
        kwargs=expectation["kwargs"],
        observed=_plain(by.observed) if isinstance(by, Figure) else None,
        checked=counted.checked if counted else None,
        missing_count=counted.missing if counted else None,
        unexpected_count=counted.unexpected if counted else None,
        unexpected_percent=counted.unexpected_percent if counted else None,
        failing_keys=(),
        failing_values=(),
        error=None,
        row_level=_is_row_rule(expectation),
        notes=_notes(expectation),
    )


def _rows_checked(result: ExpectationValidationResult) -> int | None:
    """Number of rows that an expectation about rows looked at; None if it is about the batch."""
    rows = result.result.get("element_count")
    return None if rows is None else rows - (result.result.get("missing_count") or 0)


def _observed(result: ExpectationValidationResult) -> Any:
    """What an expectation about the batch observed; of sets, what is in one and not the other."""
    found = result.result
    if "element_count" in found:
        return None
    mismatched = found.get("details", {}).get("mismatched") or {
        name: found[f"partial_{name}_list"]
        for name in ("unexpected", "missing")
        if found.get(f"partial_{name}_list")
    }
    return mismatched or found.get("observed_value")


def _error(result: ExpectationValidationResult, absent: Sequence[str]) -> str | None:
    """Why an expectation could not be evaluated; None if it was."""
    if absent:
        return f"the data has no column {' and no column '.join(map(repr, absent))}"
    info = result.exception_info or {}
    raised = [info] if "raised_exception" in info else list(info.values())
    messages = dict.fromkeys(
        str(each["exception_message"]).strip() for each in raised if each["raised_exception"]
    )
    return "; ".join(messages) or None


def _is_row_rule(expectation: dict[str, Any]) -> bool:
    try:
        compile_rule(expectation)
    except NoRowTestError:
        return False
    return True


def _notes(expectation: dict[str, Any]) -> str | None:
    notes = expectation.get("notes")
    return " ".join(notes) if isinstance(notes, list) else notes


def _cell(array: Array, row: int) -> Any:
    """The value of a row as plain JSON; None if it is missing."""
    return None if value_at(array, row) is None else _plain(array[row])


def _plain(value: Any) -> Any:
    return plain(value, longest=_LONGEST, nan="NaN")
