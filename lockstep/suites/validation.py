"""Validation: a suite checked on a batch by Great Expectations.

Of a large batch, a sample is validated, and the counts of all rows take the place of its figures
where they tell as much.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from string import Template
from typing import TYPE_CHECKING, Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import PERSONAL, cut, plain
from lockstep.errors import SuiteError
from lockstep.rules.column_states import DistinctValues
from lockstep.rules.row_rules import columns_of, compile_rule
from lockstep.rules.rowtests import NoRowTestError, value_at
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.rules.wording import shown
from lockstep.suites.evaluation import ROW_COUNT, ResultFormat, evaluate, judge
from lockstep.suites.suite_results import (
    ESTIMATED,
    EXPECTED,
    LOOKED_AT,
    ROW_RULE,
    ExpectationResult,
    SuiteResult,
)
from lockstep.suites.suites import suite_json

if TYPE_CHECKING:
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult


_EXAMPLES = 5
"""Failing rows that a result names."""
_LONGEST = 200
"""Characters of a text, and members of a list, that a result keeps."""
_OF_ROWS = ("_count", "_percent", "_index_list", "_column_names")
"""How the names of what a result tells of rows end, beside their values."""
_NEXT_MEMBER = re.compile(r"(\$\w+__\d+) (?=\$)")
"""The gap between members of a set in Great Expectations' sentences."""


def validate(
    columns: Columns,
    suite: gx.ExpectationSuite | Mapping[str, Any],
    *,
    key: str,
    sample: int = _EXAMPLES,
) -> SuiteResult:
    """Check a suite, or its plain form, on a batch of columns in canonical form.

    An empty batch meets all expectations about rows, so the number of rows is always among the
    findings, and an empty batch fails.

    Args:
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


def with_counts(
    result: SuiteResult, suite: Mapping[str, Any], columns: Columns, counts: SuiteCounts
) -> SuiteResult:
    """The results on a sample, with those by the counts of all rows in their place.

    Great Expectations judges these, too, so that bounds and wording stay its own. The sample holds
    a row which each unmet row rule refuses.
    """
    expectations = _with_row_count(suite["expectations"])
    added = len(expectations) - len(suite["expectations"])
    of_rules = zip(counts.rules.refused, counts.rules.missing, strict=True)
    results: list[Mapping[str, Any]] = []
    both = zip(expectations, result.findings, strict=True)
    for place, (expectation, finding) in enumerate(both, start=-added):
        tests = next(of_rules) if finding.row_level else counts.reported_at(place)
        if finding.error is not None:
            results.append(finding.told)
        elif judged := _of_all_rows(suite["name"], expectation, columns, counts, tests):
            examples = {} if tests is None else finding.examples
            results.append(_in_place(expectation, judged, examples))
        else:
            note = {**finding.told["meta"], LOOKED_AT: result.rows}
            results.append({**finding.told, "meta": note})
    whole = {**result.validation, **_statistics(results), "results": results}
    return SuiteResult(whole, counts.rows, result.rows)


def _in_place(
    expectation: dict[str, Any],
    judged: Sequence[ExpectationValidationResult],
    examples: Mapping[str, Any],
) -> dict[str, Any]:
    """The result of an expectation by the counts of all rows, with the examples of a sample.

    An estimate meets it if it may, by its limits.
    """
    first, *limits = judged
    first.success = any(result.success for result in judged)
    first.meta = _noted(expectation, first) | ({ESTIMATED: True} if limits else {})
    _make_plain(first, {}, "")
    told: dict[str, Any] = first.to_json_dict()
    return {**told, "result": {**told["result"], **examples}}


def _of_all_rows(
    suite: str,
    expectation: dict[str, Any],
    columns: Columns,
    counts: SuiteCounts,
    tests: tuple[int, int] | None,
) -> list[ExpectationValidationResult]:
    """The results of an expectation by the counts of all rows; none where these cannot tell.

    Several where a figure is an estimate: by the most likely one first. `tests` are how many rows
    fail an expectation about single rows, and how many it leaves out.
    """
    if expectation["kwargs"].get("row_condition") is not None:
        return []
    form, state = _format("BASIC", _EXAMPLES), counts.state_of(expectation)
    if isinstance(state, DistinctValues) and state.values is not None:
        column = expectation["kwargs"]["column"]
        return evaluate(suite, [expectation], {column: state.values}, form)
    figures: Sequence[Callable[[str], Any]]
    if tests is not None:
        figures = [partial(_figure_of_tests, counts.rows, *tests)]
    else:
        table = {
            "table.row_count": counts.rows,
            "table.columns": [*columns],
            "table.column_count": len(columns),
        }
        of_column = [{}] if state is None else state.figures()
        figures = [{**table, **of_state}.__getitem__ for of_state in of_column]
    judged = [judge(suite, expectation, columns, form, figure) for figure in figures]
    return [result for result in judged if result is not None]


def _figure_of_tests(rows: int, refused: int, left_out: int, metric: str) -> Any:
    """A metric of an expectation about single rows, without examples; KeyError of another one."""
    if metric == "table.row_count":
        return rows
    if metric == "column_values.nonnull.unexpected_count":
        return left_out
    figures = {"unexpected_count": refused, "filtered_row_count": rows - left_out}
    return {**figures, "unexpected_values": []}[metric.rpartition(".")[2]]


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
    results = evaluate(suite, expectations, columns, _format("BASIC", sample))
    unmet = [at for at, result in enumerate(results) if not result.success]
    failing = [at for at in unmet if "element_count" in results[at].result]
    again = [expectations[at] for at in failing]
    detailed = evaluate(suite, again, columns, _format("SUMMARY", sample))
    for at, result in zip(failing, detailed, strict=True):
        results[at] = result
    return results


def _format(name: str, sample: int) -> ResultFormat:
    return {
        "result_format": name,
        "partial_unexpected_count": sample,
        "return_unexpected_index_query": False,
    }


def _noted(expectation: dict[str, Any], result: ExpectationValidationResult) -> dict[str, Any]:
    """The `meta` of a result."""
    try:
        compile_rule(expectation)
        is_row_rule = True
    except NoRowTestError:
        is_row_rule = False
    return {ROW_RULE: is_row_rule} | ({} if result.success else {EXPECTED: _expected(result)})


def _make_plain(result: ExpectationValidationResult, columns: Columns, key: str) -> None:
    """Make a result JSON of bounded size that names rows by their key, not by position.

    One about a personal column tells keys and numbers of rows alone.
    """
    content, hides = result.result, PERSONAL in (result.expectation_config.meta or {})
    if rows := content.get("partial_unexpected_index_list"):
        about = () if hides else columns_of(result.expectation_config.kwargs)
        content["unexpected_index_column_names"] = [key]
        content["partial_unexpected_index_list"] = [
            {name: _cell(columns[name], row) for name in (*about, key)} for row in rows
        ]
    result.success = bool(result.success)
    result.result = _plain(
        {name: held for name, held in content.items() if not hides or name.endswith(_OF_ROWS)}
    )
    result.exception_info = _plain(result.exception_info)
    if hides and ExpectationResult(result.to_json_dict()).error is not None:
        result.exception_info = {"raised_exception": True, "exception_message": PERSONAL}


def _together(suite: str, results: Sequence[ExpectationValidationResult]) -> dict[str, Any]:
    """The results as Great Expectations' own JSON of a suite's validation."""
    from great_expectations import __version__
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
    )

    told = [result.to_json_dict() for result in results]
    whole = ExpectationSuiteValidationResult(
        results=[],
        success=True,
        suite_name=suite,
        statistics={},
        meta={
            "great_expectations_version": __version__,
            "validation_time": datetime.now(UTC).isoformat(),
        },
    )
    return {**whole.to_json_dict(), **_statistics(told), "results": told}


def _statistics(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many expectations are met, as Great Expectations' own JSON has it."""
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.validator.validation_statistics import calc_validation_statistics

    met = [ExpectationValidationResult(success=told["success"]) for told in results]
    statistics = calc_validation_statistics(met)._asdict()
    return {"success": statistics.pop("success"), "statistics": statistics}


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
