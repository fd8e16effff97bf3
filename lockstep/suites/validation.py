"""Validation: a suite held against a batch by Great Expectations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from string import Template
from typing import TYPE_CHECKING, Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import cut, plain
from lockstep.errors import SuiteError
from lockstep.rules.row_rules import columns_of, compile_rule
from lockstep.rules.rowtests import NoRowTestError, value_at
from lockstep.rules.wording import shown
from lockstep.suites.evaluation import ROW_COUNT, evaluate
from lockstep.suites.suite_results import EXPECTED, ROW_RULE, SuiteResult
from lockstep.suites.suites import suite_json

if TYPE_CHECKING:
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

_LONGEST = 200
"""Characters of a text, and members of a list, that a result keeps."""
_NEXT_MEMBER = re.compile(r"(\$\w+__\d+) (?=\$)")
"""Between the members of a set in a sentence of Great Expectations'."""


def validate(
    columns: Columns,
    suite: gx.ExpectationSuite | Mapping[str, Any],
    *,
    key: str,
    sample: int = 5,
) -> SuiteResult:
    """Hold a suite against columns.

    An empty batch fails: expectations about rows are met by no rows, so the number of rows is
    always among the findings.

    Args:
        columns: The batch, in canonical form.
        suite: The suite, or its plain form.
        key: Name of the column that tells the rows apart.
        sample: Number of failing rows to name for an expectation that is not met.

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


def _with_row_count(expectations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The expectations, and that there be a row at all if none of them already says so."""
    said = any(
        expectation["type"] == ROW_COUNT and (expectation["kwargs"].get("min_value") or 0) >= 1
        for expectation in expectations
    )
    if said:
        return list(expectations)
    return [{"type": ROW_COUNT, "kwargs": {"min_value": 1}, "severity": "critical"}, *expectations]


def _results(
    suite: str, expectations: Sequence[dict[str, Any]], columns: Columns, sample: int
) -> list[ExpectationValidationResult]:
    """The results, with the positions of a few rows where some are not as they have to be.

    Positions take half as long again, so only expectations that are not met are asked for them.
    """
    examples = {"partial_unexpected_count": sample, "return_unexpected_index_query": False}
    results = evaluate(suite, expectations, columns, {"result_format": "BASIC", **examples})
    failing = [
        at
        for at, result in enumerate(results)
        if not result.success and "element_count" in result.result
    ]
    again = [expectations[at] for at in failing]
    detailed = evaluate(suite, again, columns, {"result_format": "SUMMARY", **examples})
    for at, result in zip(failing, detailed, strict=True):
        results[at] = result
    return results


def _noted(expectation: dict[str, Any], result: ExpectationValidationResult) -> dict[str, Any]:
    """What Lockstep notes of a result."""
    try:
        compile_rule(expectation)
        is_row_rule = True
    except NoRowTestError:
        is_row_rule = False
    return {ROW_RULE: is_row_rule} | ({} if result.success else {EXPECTED: _expected(result)})


def _make_plain(result: ExpectationValidationResult, columns: Columns, key: str) -> None:
    """Make a result JSON of a bounded size, whose rows are told by their key, not by position."""
    found = result.result
    if rows := found.get("partial_unexpected_index_list"):
        about = columns_of(result.expectation_config.kwargs)
        found["unexpected_index_column_names"] = [key]
        found["partial_unexpected_index_list"] = [
            {name: _cell(columns[name], row) for name in (*about, key)} for row in rows
        ]
    result.success = bool(result.success)
    result.result = _plain(found)
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
    """What is expected, in Great Expectations' words."""
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
