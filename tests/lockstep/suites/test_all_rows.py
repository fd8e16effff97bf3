"""Of a large batch a sample is validated, and yet the result is that of all rows, or says so.

Great Expectations' own results of all rows are the measure, however these are cut into units.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from math import isclose
from operator import add
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.tables import take_rows
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.suites.suite_results import ExpectationResult, SuiteResult
from lockstep.suites.validation import validate
from tests.fixtures.batch_results import told_by_batch

WHOLE = st.integers(-4000, 4000)
VALUES: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "float": (
        WHOLE.map(lambda eighths: eighths / 8) | st.sampled_from([np.nan, -0.0, np.inf, -np.inf]),
        np.float64,
    ),
    "gone": (st.just(np.nan), np.float64),
    "int": (WHOLE, np.int64),
    "bool": (st.booleans(), np.bool_),
    "text": (st.sampled_from(["a", "b", "", "é", None]), object),
    "time": (st.sampled_from(["NaT", "2013-01-01", "2013-06-01T12:30:00"]), "datetime64[us]"),
}
"""Sums of such numbers are exact in pandas, too."""
LIMIT = st.sampled_from([-400.3, 0.017, 0.6, 2.71, 300.3])
MOMENT = st.sampled_from(["2013-01-01T00:00:00+00:00", "2013-03-01T00:00:00+00:00"])
ANY = sorted(VALUES)
NUMBERS = ["float", "gone", "int", "bool"]
COUNTED = ("unique_value_count", "proportion_of_unique_values", "proportion_of_non_null_values")
SETS = ("be_in_set", "contain_set", "equal_set")


def of(name: str, columns: list[str], **kwargs: st.SearchStrategy[Any]) -> Any:
    """Expectations of a type about one of some columns."""
    about = st.fixed_dictionaries({"column": st.sampled_from(columns), **kwargs})
    return about.map(lambda drawn: {"type": f"expect_{name}", "kwargs": drawn})


TABLE_LEVEL = st.one_of(
    *(
        of(f"column_{figure}_to_be_between", NUMBERS, min_value=LIMIT, strict_min=st.booleans())
        for figure in ("max", "min", "mean", "sum", "stdev")
    ),
    *(
        of(f"column_{figure}_to_be_between", ["time"], max_value=MOMENT)
        for figure in ("max", "min", "mean")
    ),
    of("column_max_to_be_between", ["text"], min_value=LIMIT),
    *(of(f"column_{figure}_to_be_between", ANY, max_value=LIMIT) for figure in COUNTED),
    *(
        of(
            f"column_distinct_values_to_{wish}",
            ["float", "int", "bool", "text"],
            value_set=st.lists(st.sampled_from(["a", "b", 0, 1, 2.5]), min_size=1),
        )
        for wish in SETS
    ),
    st.just({"type": "expect_table_row_count_to_equal", "kwargs": {"value": 5}}),
    st.just({"type": "expect_table_column_count_to_equal", "kwargs": {"value": 7}}),
)
MOSTLY = st.sampled_from([1.0, 0.9, 0.5, 0.2])
ROW_LEVEL = st.one_of(
    of("column_values_to_not_be_null", ANY, mostly=MOSTLY),
    of("column_values_to_be_null", ANY, mostly=MOSTLY),
    of("column_values_to_be_between", NUMBERS, mostly=MOSTLY, min_value=LIMIT),
    of("column_values_to_match_regex", ["text"], mostly=MOSTLY, regex=st.just("^a")),
    st.tuples(
        st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"]), MOSTLY
    ).map(
        lambda drawn: {
            "type": "expect_column_pair_values_a_to_be_greater_than_b",
            "kwargs": {
                "column_A": "float",
                "column_B": "int",
                "ignore_row_if": drawn[0],
                "mostly": drawn[1],
            },
        }
    ),
)
EXPECTATION = st.tuples(TABLE_LEVEL | ROW_LEVEL, st.sampled_from(["critical", "warning"])).map(
    lambda drawn: {**drawn[0], "severity": drawn[1]}
)


@st.composite
def batches(draw: st.DrawFn) -> Columns:
    rows = draw(st.integers(1, 12))
    generated = {
        name: np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=dtype)
        for name, (values, dtype) in VALUES.items()
    }
    return {"key": np.arange(rows), **generated}


def suite_of(*expectations: dict[str, Any]) -> dict[str, Any]:
    return {"name": "input", "expectations": [*expectations]}


def counted(columns: Columns, suite: dict[str, Any], size: int) -> SuiteCounts:
    """What is counted of all rows, in units of a size."""
    rows = len(columns["key"])
    units = [take_rows(columns, slice(at, at + size)) for at in range(0, rows, size)]
    return reduce(add, [SuiteCounts.of(suite, unit, "key", strict=False) for unit in units])


def by_units(columns: Columns, suite: dict[str, Any], size: int, sample: Any) -> SuiteResult:
    """The result where all rows are counted in units of a size, and some of them validated."""
    counts = counted(columns, suite, size)
    return validate(take_rows(columns, sample), suite, key="key", counts=counts)


def figures(finding: ExpectationResult) -> dict[str, Any]:
    """The figures of a result; of those with an error, that there is one."""
    if finding.error is not None:
        return {"error": True}
    held = {**finding.told["result"], "met": finding.success}
    examples = {
        "partial_unexpected_counts",
        "partial_unexpected_index_list",
        "unexpected_index_column_names",
    }
    if "element_count" in held:
        examples.add("partial_unexpected_list")  # the first of all rows, and not of the drawn ones
    return {name: value for name, value in held.items() if name not in examples}


def alike(ours: Any, theirs: Any) -> bool:
    match ours, theirs:
        case dict(), dict():
            return ours.keys() == theirs.keys() and all(
                alike(ours[name], theirs[name]) for name in ours
            )
        case list(), list():
            return sorted(map(str, ours)) == sorted(map(str, theirs))
        case float() | int(), float() | int():
            return isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
        case str(), str() if "T" in ours and "T" in theirs:
            apart = datetime.fromisoformat(ours) - datetime.fromisoformat(theirs)
            return abs(apart.total_seconds()) < 1e-3  # pandas sums times as floats
    return bool(ours == theirs)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("examples", [15, pytest.param(80, marks=pytest.mark.long)])
def test_what_is_counted_in_units_is_what_great_expectations_finds_of_all_rows(
    examples: int,
) -> None:
    @settings(max_examples=examples)
    @given(
        columns=batches(),
        demanded=st.lists(EXPECTATION, min_size=1, max_size=12),
        size=st.integers(1, 12),
        data=st.data(),
    )
    def is_the_same(
        columns: Columns, demanded: list[dict[str, Any]], size: int, data: st.DataObject
    ) -> None:
        suite, rows = suite_of(*demanded), len(columns["key"])
        sample = data.draw(st.lists(st.integers(0, rows - 1), min_size=1, unique=True))
        ours = by_units(columns, suite, size, sample)
        theirs = [*map(ExpectationResult, told_by_batch(columns, demanded, "key"))]
        for our, their in zip(ours.findings[-len(theirs) :], theirs, strict=True):
            assert our.looked_at is None, our.told
            assert alike(figures(our), figures(their)), (our.told, their.told)
        met = sum(their.success for their in theirs)
        assert ours.validation["statistics"]["successful_expectations"] == 1 + met
        assert ours.ok is (met == len(theirs))

    is_the_same()


def expect(name: str, *, severity: str = "critical", **kwargs: Any) -> dict[str, Any]:
    return {"type": f"expect_{name}", "kwargs": kwargs, "severity": severity}


ROWS = 80_000
MANY = {
    "key": np.arange(ROWS),
    "size": np.append(np.linspace(0.0, 1.0, ROWS - 1), 7.0),
    "parcel": np.arange(ROWS) // 2,
}


def of_many(*expectations: dict[str, Any]) -> SuiteResult:
    """The result of a suite on many rows, of which the first 1,000 are drawn."""
    return by_units(MANY, suite_of(*expectations), 9_000, slice(0, 1_000))


def test_a_single_row_that_is_not_drawn_breaks_a_maximum_and_a_warning_that_names_it() -> None:
    limit = {"column": "size", "max_value": 1}
    (_, most, each) = of_many(
        expect("column_max_to_be_between", **limit),
        expect("column_values_to_be_between", severity="warning", **limit),
    ).findings
    assert (most.success, each.success) == (False, False)
    assert most.summary == "size maximum value must be less than or equal to 1; observed 7"
    assert each.failing_keys == (ROWS - 1,)
    assert "1 of 80,000 rows (less than 0.1 %) fails" in each.summary


@pytest.mark.parametrize(
    ("name", "kwargs", "met", "finding"),
    [
        ("proportion_of_unique_values", {"column": "key", "min_value": 1}, True, "key: met"),
        ("unique_value_count", {"column": "key", "max_value": 70_000}, False, "key must have"),
        ("unique_value_count", {"column": "parcel", "min_value": 40_000}, True, "parcel: met"),
        ("unique_value_count", {"column": "parcel", "max_value": 40_000}, True, "parcel: met"),
        ("proportion_of_unique_values", {"column": "parcel", "min_value": 0.6}, False, "parcel p"),
    ],
)
def test_more_distinct_values_than_are_kept_are_estimated_within_limits(
    name: str, kwargs: dict[str, Any], *, met: bool, finding: str
) -> None:
    whole = of_many(expect(f"column_{name}_to_be_between", **kwargs)).findings[-1]
    assert whole.success is met
    assert whole.summary.startswith(finding)
    assert "observed about " in whole.summary
    assert whole.summary.endswith(", an estimate")


def test_the_result_says_what_is_asked_of_a_sample() -> None:
    result = of_many(
        expect("column_median_to_be_between", column="size", max_value=1),
        expect("column_distinct_values_to_contain_set", column="parcel", value_set=[3]),
        expect("column_mean_to_be_between", column="size", max_value=1),
        expect("column_values_to_not_be_null", column="size", mostly=0.9),
    )
    assert [finding.looked_at for finding in result.findings] == [None, 1_000, 1_000, None, None]
    assert [row["rows looked at"] for row in result.records()] == [ROWS, 1_000, 1_000, ROWS, ROWS]
    assert result.rows == ROWS
    assert result.sampled == (
        " 2 of 5 expectations are about 1,000 rows, drawn by their keys, and the others about all "
        "rows."
    )


def test_a_condition_on_rows_is_asked_of_a_sample_and_an_absent_column_cannot_be_checked() -> None:
    limit = {"max_value": 1, "column": "size"}
    condition = {"row_condition": "parcel > 5", "condition_parser": "pandas"}
    _, of_some, absent = of_many(
        expect("column_max_to_be_between", **limit, **condition),
        expect("column_max_to_be_between", **limit | {"column": "gone"}),
    ).findings
    assert of_some.looked_at == 1_000
    assert 'The column "gone" in BatchData does not exist' in absent.summary
