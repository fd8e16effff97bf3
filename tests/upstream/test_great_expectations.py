"""Behaviours of Great Expectations that Lockstep is built on: an upgrade that changes one fails."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )


@pytest.fixture(scope="module")
def gxe() -> Any:
    """The expectations, whose import takes seconds."""
    import great_expectations.expectations

    return great_expectations.expectations


def suite_result(
    frame: pd.DataFrame, *expectations: Any, result_format: Any = "BASIC"
) -> ExpectationSuiteValidationResult:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.pandas_default.read_dataframe(frame)
    suite = gx.ExpectationSuite(name="upstream", expectations=list(expectations))
    return batch.validate(suite, result_format=result_format)


def result_of(
    frame: pd.DataFrame, expectation: Any, result_format: Any = "BASIC"
) -> ExpectationValidationResult:
    (result,) = suite_result(frame, expectation, result_format=result_format).results
    return result


def texts(*values: str | None) -> pd.DataFrame:
    return pd.DataFrame({"text": pd.Series(values, dtype=object)})


def unexpected_rows(frame: pd.DataFrame, expectation: Any) -> list[int]:
    return result_of(frame, expectation, "COMPLETE").result["unexpected_index_list"]


def test_a_missing_column_fails_without_a_count_and_says_so_in_the_exception_info(gxe: Any) -> None:
    result = result_of(pd.DataFrame({"a": [1]}), gxe.ExpectColumnValuesToNotBeNull(column="b"))

    assert not result.success
    assert "element_count" not in result.result
    messages = {info["exception_message"] for info in result.exception_info.values()}
    assert messages == {'Error: The column "b" in BatchData does not exist.'}


def test_an_empty_frame_meets_expectations_about_rows(gxe: Any) -> None:
    empty = pd.DataFrame({"a": pd.Series([], dtype="float64")})

    assert result_of(empty, gxe.ExpectColumnValuesToBeBetween(column="a", min_value=1)).success
    assert not result_of(empty, gxe.ExpectTableRowCountToBeBetween(min_value=1)).success


def test_an_expectation_is_critical_unless_it_says_otherwise(gxe: Any) -> None:
    assert gxe.ExpectColumnValuesToNotBeNull(column="a").severity == "critical"


def test_an_expectation_that_cannot_be_made_is_dropped_from_a_suite_with_a_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    import great_expectations as gx

    with caplog.at_level(logging.CRITICAL, logger="great_expectations"):
        suite = gx.ExpectationSuite(
            name="upstream", expectations=[{"type": "expect_the_impossible", "kwargs": {}}]
        )

    assert suite.expectations == []


def test_bounds_of_numbers_become_floats(gxe: Any) -> None:
    between = gxe.ExpectColumnValuesToBeBetween(column="a", min_value=2**53 + 1)

    assert between.configuration.to_json_dict()["kwargs"]["min_value"] == 2.0**53


def test_missing_values_are_left_out_of_expectations_about_one_column(gxe: Any) -> None:
    frame = texts("UA", None, "XX")
    known = gxe.ExpectColumnValuesToBeInSet(column="text", value_set=["UA"])

    result = result_of(frame, known, "COMPLETE").result

    assert (result["element_count"], result["missing_count"]) == (3, 1)
    assert result["unexpected_index_list"] == [2]
    assert result["unexpected_percent"] == 50.0


@pytest.mark.parametrize(
    ("ignore_row_if", "rows"),
    [
        ("both_values_are_missing", [1, 2]),
        ("either_value_is_missing", []),
        ("neither", [1, 2, 3]),
    ],
)
def test_a_pair_with_a_missing_value_fails_unless_its_row_is_left_out(
    gxe: Any, ignore_row_if: Any, rows: list[int]
) -> None:
    frame = pd.DataFrame({"a": [2.0, np.nan, 2.0, np.nan], "b": [1.0, 1.0, np.nan, np.nan]})
    greater = gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A="a", column_B="b", ignore_row_if=ignore_row_if
    )

    assert unexpected_rows(frame, greater) == rows


@pytest.mark.parametrize(
    ("regex", "text"), [(r"^\d$", "٣"), ("a$", "a\n"), (r"^\s$", "\x0b"), (r"^\w$", "é")]
)
def test_regular_expressions_are_those_of_python_and_not_of_arrow(
    gxe: Any, regex: str, text: str
) -> None:
    matching = gxe.ExpectColumnValuesToMatchRegex(column="text", regex=regex)

    assert unexpected_rows(texts(text, "no"), matching) == [1]


def test_basic_results_count_without_naming_rows_and_a_summary_names_as_many_as_asked(
    gxe: Any,
) -> None:
    frame = pd.DataFrame({"a": np.arange(1000.0)})
    small = gxe.ExpectColumnValuesToBeBetween(column="a", max_value=99)
    basic = {"result_format": "BASIC", "partial_unexpected_count": 2}
    summary = {"result_format": "SUMMARY", "partial_unexpected_count": 2}

    assert result_of(frame, small, basic).result["unexpected_count"] == 900
    assert "partial_unexpected_index_list" not in result_of(frame, small, basic).result
    assert result_of(frame, small, summary).result["partial_unexpected_index_list"] == [100, 101]


def test_an_expectation_is_told_as_a_sentence_with_its_arguments_apart(gxe: Any) -> None:
    from great_expectations.render.renderer.inline_renderer import InlineRenderer

    known = gxe.ExpectColumnValuesToBeInSet(column="text", value_set=["UA", "DL"])
    (told,) = InlineRenderer(render_object=known.configuration).get_rendered_content()

    assert told.value.template == "$column values must belong to this set: $v__0 $v__1."
    assert told.value.params["v__1"]["value"] == "DL"


def test_a_result_as_json_is_read_again(gxe: Any) -> None:
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )

    result = suite_result(texts("UA"), gxe.ExpectColumnValuesToNotBeNull(column="text"))
    told = result.to_json_dict() | {"meta": {}}

    read = expectationSuiteValidationResultSchema.load(json.loads(json.dumps(told)))
    assert read.to_json_dict()["results"] == told["results"]


def test_pages_hold_values_of_rows_as_markup(gxe: Any) -> None:
    """Why they are escaped before Great Expectations is given them; see `suites/data_docs.py`."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    known = gxe.ExpectColumnValuesToBeInSet(column="text", value_set=["UA"])
    result = suite_result(texts("<b>"), known, result_format="SUMMARY")
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))

    assert "<b></div>" in page
