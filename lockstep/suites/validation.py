"""Validation: a suite checked on a batch.

What is counted of all rows answers what it can, and Great Expectations the rest: of a large batch,
by a sample.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from string import Template
from typing import TYPE_CHECKING, Any

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.plain import PERSONAL, cut, plain
from lockstep.errors import SuiteError
from lockstep.rules.column_states import Bounds, DistinctValues, state_key
from lockstep.rules.row_rules import columns_of, is_row_rule
from lockstep.rules.rowtests import value_at
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.rules.wording import shown
from lockstep.suites.batches import ask
from lockstep.suites.own_results import ROW_COUNT, Found, own_result
from lockstep.suites.suite_results import (
    ESTIMATED,
    EXPECTED,
    LOOKED_AT,
    ROW_RULE,
    ExpectationResult,
    SuiteResult,
)
from lockstep.suites.suites import from_json, suite_json

if TYPE_CHECKING:
    import great_expectations as gx


_LONGEST = 200
"""Characters of a text, and members of a list, that a result keeps."""
_OF_ROWS = ("_count", "_percent", "_index_list", "_column_names")
"""How the names of what a result tells of rows end, beside their values."""
_OF_COLUMNS = ("expect_table_column", "expect_column_to_exist")
"""How the types of expectations begin that look at no row."""
_NEXT_MEMBER = re.compile(r"(\$\w+__\d+) (?=\$)")
"""The gap between members of a set in Great Expectations' sentences."""


def validate(
    columns: Columns,
    suite: gx.ExpectationSuite | Mapping[str, Any],
    *,
    key: str,
    counts: SuiteCounts | None = None,
) -> SuiteResult:
    """Check a suite, or its plain form, on a batch of columns in canonical form.

    An empty batch meets all expectations about rows, so the number of rows is always among the
    findings, and an empty batch fails.

    Args:
        columns: The rows; of a large batch, a sample.
        key: Name of the column that identifies the rows.
        counts: What is counted of all rows; by default, `columns` are all.

    Raises:
        SuiteError: The suite cannot be read, or there is no such key column.
    """
    if key not in columns:
        raise SuiteError(
            f"the batch has no key column {key!r} to name failing rows by. It has: "
            f"{', '.join(columns)}."
        )
    stored = suite if isinstance(suite, Mapping) else suite_json(suite)
    if counts is None:
        counts = SuiteCounts.of(stored, columns, key, strict=False)
    is_all = counts.rows == len(columns[key])
    expectations = _with_row_count(stored["expectations"])
    name = stored["name"]
    asked = [_with_parameters(name, expectation) for expectation in expectations]
    added = len(expectations) - len(stored["expectations"])
    own = [
        _by_counts(name, each, counts, at - added, is_all=is_all) for at, each in enumerate(asked)
    ]
    rest = [each for each, found in zip(asked, own, strict=True) if found is None]
    of_rows = iter(ask(name, rest, columns))
    results = [
        _told(expectation, each, found, key)
        if found is not None
        else _told(expectation, each, next(of_rows), key, None if is_all else len(columns[key]))
        for expectation, each, found in zip(expectations, asked, own, strict=True)
    ]
    looked_at = None if is_all else len(columns[key])
    return SuiteResult(_together(name, results), counts.rows, looked_at)


def _with_row_count(expectations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The expectations, and one that there is a row, if none of them says so."""
    counts = (each["kwargs"] for each in expectations if each["type"] == ROW_COUNT)
    if any((kwargs.get("min_value") or 0) >= 1 for kwargs in counts):
        return list(expectations)
    return [{"type": ROW_COUNT, "kwargs": {"min_value": 1}, "severity": "critical"}, *expectations]


def _with_parameters(suite: str, expectation: dict[str, Any]) -> dict[str, Any]:
    """An expectation with the values of its parameters, such as the current time."""
    if not any(isinstance(held, Mapping) for held in expectation["kwargs"].values()):
        return expectation
    (read,) = from_json({"name": suite, "expectations": [expectation]}).expectations
    configuration = read.configuration
    configuration.process_suite_parameters(None)
    asked: dict[str, Any] = configuration.to_json_dict()
    return asked


def _by_counts(
    suite: str, asked: Mapping[str, Any], counts: SuiteCounts, place: int, *, is_all: bool
) -> Found | None:
    """What is found of an expectation by the counts of all rows; None where these cannot tell.

    A figure is estimated only where the rows are not at hand.
    """
    found = own_result(asked, counts, place)
    if is_all:
        return None if found is None or found.is_estimate else found
    key = state_key(asked)
    state = None if key is None else counts.states.get(key)
    values = state.values if isinstance(state, Bounds | DistinctValues) else None
    if found is None and key is not None and values is not None:
        (found,) = ask(suite, [asked], {key[0]: values})
    return found


def _told(
    expectation: Mapping[str, Any],
    asked: Mapping[str, Any],
    found: Found,
    key: str,
    looked_at: int | None = None,
) -> dict[str, Any]:
    """A result as Great Expectations' own JSON, of a bounded size, with rows by their keys.

    One about a personal column tells keys and numbers of rows alone.
    """
    result, hides = {**found.result}, PERSONAL in (asked.get("meta") or {})
    if found.examples:
        about = () if hides else columns_of(asked["kwargs"])
        result["unexpected_index_column_names"] = [key]
        result["partial_unexpected_index_list"] = [
            {name: _cell(found.examples[name], row) for name in (*about, key)}
            for row in range(len(found.examples[key]))
        ]
    if hides:
        result = {name: held for name, held in result.items() if name.endswith(_OF_ROWS)}
    told = {
        "success": found.success,
        "expectation_config": {**asked, "kwargs": {**asked["kwargs"], "batch_id": "rows"}},
        "result": _plain(result),
        "meta": {ROW_RULE: is_row_rule(expectation)},
        "exception_info": _plain(found.exception_info),
    }
    error = ExpectationResult(told).error
    if hides and error is not None:
        told["exception_info"] = {"raised_exception": True, "exception_message": PERSONAL}
    if not found.success:
        told["meta"][EXPECTED] = _expected(asked)
    if found.is_estimate:
        told["meta"][ESTIMATED] = True
    if looked_at is not None and error is None and not asked["type"].startswith(_OF_COLUMNS):
        told["meta"][LOOKED_AT] = looked_at
    return told


def _together(suite: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The results as Great Expectations' own JSON of a suite's validation."""
    met, all_of_them = sum(told["success"] for told in results), len(results)
    return {
        "success": met == all_of_them,
        "results": results,
        "suite_name": suite,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": all_of_them,
            "successful_expectations": met,
            "unsuccessful_expectations": all_of_them - met,
            "success_percent": met / all_of_them * 100,
        },
        "meta": {
            "great_expectations_version": version("great_expectations"),
            "validation_time": datetime.now(UTC).isoformat(),
        },
        "id": None,
    }


def _expected(asked: Mapping[str, Any]) -> str:
    """The expectation in Great Expectations' words."""
    from great_expectations.render.renderer.inline_renderer import InlineRenderer

    (read,) = from_json({"name": "asked", "expectations": [asked]}).expectations
    config = read.configuration
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
