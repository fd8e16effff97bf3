"""A validation finds what Great Expectations finds, and row rules refuse the same rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.rules.expectations import PAIR_TESTS, VALUE_TESTS
from lockstep.rules.row_rules import compile_rules
from lockstep.suites.validation import validate
from tests.fixtures.batch_results import by_batch, told_by_batch

FLOATS = st.sampled_from([np.nan, 0.0, -0.0, 1.0, 2.5, -3.0, np.inf, -np.inf, 2.0**53, 5e-324])
INTS = st.sampled_from([0, 1, -1, 7, 100, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
WORDS = st.sampled_from(["", "a", "A", "ab", "12", "AA-12", "nan", "None", "True", " a"])
TRICKY = st.sampled_from(["é", "e\u0301", "ß", "٣", "😀", "\u212a", "a\n", "\n", "\x00"])
TIMES = st.sampled_from(["NaT", "2013-01-01", "2013-01-01T00:00:00.000001", "2013-06-01T12:30"])
FAR_TIMES = st.sampled_from(["0001-01-01", "1970-01-01", "9999-12-31", "12013-01-01"])
FLOAT = st.floats() | FLOATS
INT = st.integers(-(2**63), 2**63 - 1) | INTS
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | WORDS | TRICKY | st.none()
TIME = TIMES | FAR_TIMES

BOUND = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, 1.0, -3.0, 0.5, 2.0**53, 2.0**63]
)
MOMENT = st.sampled_from(
    [datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]
) | st.datetimes(timezones=st.just(UTC))
ANCHORED = st.sampled_from(["^a", "a$", "^a$", "^$", "^.{2}$", r"a\Z", r"^[A-Z]{2}-\d+$", r"^-?\d"])
CLASSES = st.sampled_from([r"\d", r"\D", r"\w", r"^\w$", r"\s", r"\b", ".", "[^a-z]", "é", r"\x00"])
FLAGGED = st.sampled_from(["(?i)a", "(?i)k", "(?s)^.$", "(?m)^$", "(?=a)", "a|b", r"\.0$", "True"])
REGEX = ANCHORED | CLASSES | FLAGGED
MEMBERS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.sampled_from([0.5, 2.5, 1.0, -0.0, 0, 1, 7, "", "a", "A", "ab", "é", "1", "True", "nan"])
)
FLAG = st.booleans()
MOSTLY = st.sampled_from([1.0, 0.9, 0.75, 2 / 3, 0.5, 0.25, 0.0])

NUMBERS = ("float", "other_float", "int", "other_int", "bool", "other_bool")
TEXTUAL = ("text", "other_text")
EVERY = (*NUMBERS, *TEXTUAL, "time", "other_time")


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    rows = draw(st.integers(1, 8))

    def array(values: st.SearchStrategy[Any], dtype: Any) -> Any:
        return np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=dtype)

    return {
        prefix + name: array(values, dtype)
        for prefix in ("", "other_")
        for name, values, dtype in [
            ("float", FLOAT, np.float64),
            ("int", INT, np.int64),
            ("bool", st.booleans(), np.bool_),
            ("text", TEXT, object),
            ("time", TIME, "datetime64[us]"),
        ]
    }


def written(moment: datetime) -> str:
    return moment.isoformat()


@st.composite
def bounds(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> dict[str, Any]:
    low, high = sorted([draw(values), draw(values)])
    chosen = draw(st.sampled_from([("min_value",), ("max_value",), ("min_value", "max_value")]))
    both = {"min_value": low, "max_value": high}
    return {
        **{name: both[name] for name in chosen},
        "strict_min": draw(FLAG),
        "strict_max": draw(FLAG),
    }


def about(names: tuple[str, ...], **kwargs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"column": st.sampled_from(names), **kwargs})


def about_pair(**kwargs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    comparable = [(a, b) for group in (NUMBERS, TEXTUAL, EVERY[-2:]) for a in group for b in group]
    ignored = ["both_values_are_missing", "either_value_is_missing", "neither"]
    return st.tuples(
        st.sampled_from(comparable),
        st.fixed_dictionaries({"ignore_row_if": st.sampled_from(ignored), **kwargs}),
    ).map(lambda drawn: {"column_A": drawn[0][0], "column_B": drawn[0][1], **drawn[1]})


@st.composite
def between(draw: st.DrawFn) -> dict[str, Any]:
    if draw(FLAG):
        column = draw(st.sampled_from(NUMBERS))
        return {"column": column, **draw(bounds(BOUND))}
    limits = draw(bounds(MOMENT))
    return {"column": "time"} | {
        name: written(value) if isinstance(value, datetime) else value
        for name, value in limits.items()
    }


@st.composite
def length_between(draw: st.DrawFn) -> dict[str, Any]:
    column = draw(st.sampled_from((*NUMBERS, *TEXTUAL)))
    return {"column": column, **draw(bounds(st.integers(0, 6)))}


VALUE_SET = st.lists(MEMBERS, max_size=6) | st.lists(MEMBERS, min_size=30, max_size=40)
REGEX_LIST = st.lists(REGEX, min_size=1, max_size=3)
WRITABLE = (*NUMBERS, *TEXTUAL)
KWARGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "expect_column_values_to_not_be_null": about(EVERY),
    "expect_column_values_to_be_null": about(EVERY),
    "expect_column_values_to_be_between": between(),
    "expect_column_values_to_be_in_set": about(WRITABLE, value_set=VALUE_SET),
    "expect_column_values_to_not_be_in_set": about(WRITABLE, value_set=VALUE_SET),
    "expect_column_values_to_match_regex": about(WRITABLE, regex=REGEX),
    "expect_column_values_to_not_match_regex": about(WRITABLE, regex=REGEX),
    "expect_column_values_to_match_regex_list": about(
        WRITABLE, regex_list=REGEX_LIST, match_on=st.sampled_from(["any", "all"])
    ),
    "expect_column_values_to_not_match_regex_list": about(WRITABLE, regex_list=REGEX_LIST),
    "expect_column_value_lengths_to_be_between": length_between(),
    "expect_column_value_lengths_to_equal": about(WRITABLE, value=st.integers(0, 6)),
    "expect_column_pair_values_a_to_be_greater_than_b": about_pair(or_equal=FLAG),
    "expect_column_pair_values_to_be_equal": about_pair(),
}
EXPECTATION = st.sampled_from(sorted(KWARGS)).flatmap(
    lambda name: KWARGS[name].map(lambda kwargs: {"type": name, "kwargs": kwargs})
)


def suite(expectations: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "generated",
        "expectations": [{**expectation, "severity": "critical"} for expectation in expectations],
    }


def told(results: list[dict[str, Any]]) -> list[Any]:
    """Verdicts, results and errors, to be compared: 1 is not 1.0, and NaN is equal to NaN."""
    return [
        (one["success"], comparable(one["result"]), sorted(messages(one["exception_info"])))
        for one in results
    ]


def comparable(value: Any) -> Any:
    match value:
        case dict():
            return {name: comparable(held) for name, held in value.items()}
        case list():
            return [comparable(held) for held in value]
        case _:
            return repr(value)


def messages(raised: dict[str, Any]) -> set[str]:
    each = [raised] if "raised_exception" in raised else raised.values()
    return {str(one["exception_message"]) for one in each}


def test_every_type_that_is_compiled_is_generated() -> None:
    assert set(KWARGS) == {*VALUE_TESTS, *PAIR_TESTS}


@settings(max_examples=25)
@given(columns(), st.lists(EXPECTATION, min_size=1, max_size=25))
def test_great_expectations_and_the_row_rules_refuse_the_same_rows(
    generated: Columns, demanded: list[dict[str, Any]]
) -> None:
    found = by_batch(generated, demanded, {"result_format": "COMPLETE"})

    for expectation, theirs in zip(demanded, found, strict=True):
        rows = sorted(theirs.result["unexpected_index_list"])
        rules = compile_rules(suite([expectation]))
        assert len(rules.rules) == 1
        assert np.flatnonzero(rules.apply(generated).mask).tolist() == rows, expectation


LENIENT = st.tuples(EXPECTATION, MOSTLY).map(
    lambda drawn: {**drawn[0], "kwargs": {**drawn[0]["kwargs"], "mostly": drawn[1]}}
)
HAS_ROWS = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}
SOME = st.lists(MEMBERS, min_size=1, max_size=6)
OF_THE_BATCH = st.one_of(
    st.tuples(st.just("table_row_count_to_be_between"), st.just({}), bounds(BOUND)),
    *(
        st.tuples(st.just(f"column_{of}_to_be_between"), about(EVERY), bounds(BOUND))
        for of in ("max", "min", "median", "unique_value_count")
    ),
    *(
        st.tuples(st.just(name), about(WRITABLE), st.fixed_dictionaries({"value_set": SOME}))
        for name in ("column_distinct_values_to_be_in_set", "column_distinct_values_to_equal_set")
    ),
    st.tuples(
        st.just("column_values_to_be_of_type"),
        about((*WRITABLE, "absent")),
        st.fixed_dictionaries({"type_": st.sampled_from(["float64", "int64", "str"])}),
    ),
    st.tuples(st.just("column_values_to_be_unique"), about((*EVERY, "absent")), st.just({})),
    st.tuples(
        st.just("compound_columns_to_be_unique"),
        st.just({"column_list": ["int", "text"]}),
        st.just({}),
    ),
    st.tuples(
        st.just("column_values_to_be_between"),
        about(NUMBERS, row_condition=st.just('text=="a"'), condition_parser=st.just("pandas")),
        st.just({"min_value": 0}),
    ),
).map(lambda drawn: {"type": f"expect_{drawn[0]}", "kwargs": {**drawn[1], **drawn[2]}})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("examples", [15, pytest.param(120, marks=pytest.mark.long)])
def test_a_validation_finds_what_great_expectations_finds_field_by_field(examples: int) -> None:
    @settings(max_examples=examples)
    @given(columns(), st.lists(LENIENT | OF_THE_BATCH, max_size=12))
    def finds_the_same(generated: Columns, demanded: list[dict[str, Any]]) -> None:
        demand_same({"key": np.arange(len(generated["int"])), **generated}, demanded)

    finds_the_same()


def demand_same(rows: Columns, demanded: list[dict[str, Any]]) -> None:
    expectations = [HAS_ROWS, *demanded]
    suite = {"name": "generated", "expectations": expectations}
    ours = told(validate(rows, suite, key="key").validation["results"])
    theirs = told(told_by_batch(rows, expectations, "key"))
    for expectation, our, their in zip(expectations, ours, theirs, strict=True):
        assert our == their, expectation


def test_values_that_repeat_and_bounds_that_are_just_met_are_found_as_by_great_expectations() -> (
    None
):
    """Generated rows seldom have them."""
    rows = {
        "key": np.arange(7),
        "size": np.array([2.0, 2.0, 1.0, 3.0, np.nan, 1.0, 2.0]),
        "text": np.array(["b", "b", "a", "b", None, "c", "c"], dtype=object),
    }
    sizes = [
        {"column": "size", "min_value": low, "max_value": high, "strict_min": a, "strict_max": b}
        for low, high in ((1, 3), (3, 4), (0, 1))
        for a in (False, True)
        for b in (False, True)
    ]
    of_table = [{**kwargs, "min_value": 7, "max_value": 8} for kwargs in sizes]
    for kwargs in of_table:
        del kwargs["column"]
    mostly = [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {**one, "column": name}}
        for name, members in (("text", ["b"]), ("size", [2.0]))
        for one in ({"value_set": members, "mostly": share} for share in (0.5, 2 / 3, 0.9))
    ]
    every = [
        {"type": f"expect_{name}_to_be_between", "kwargs": kwargs}
        for name in ("column_min", "column_max", "column_values")
        for kwargs in sizes
    ]
    counted = [
        {"type": "expect_table_row_count_to_be_between", "kwargs": kwargs} for kwargs in of_table
    ]
    demand_same(rows, [*every, *counted, *mostly])


@settings(max_examples=60)
@given(columns(), st.lists(EXPECTATION, min_size=1, max_size=25))
def test_a_row_is_refused_alone_as_it_is_among_others_and_with_as_many_reasons_as_rules(
    generated: Columns, expectations: list[dict[str, Any]]
) -> None:
    rules = compile_rules(suite(expectations))
    each = [compile_rules(suite([expectation])) for expectation in expectations]
    refusals = rules.apply(generated)

    for row, refused in enumerate(refusals.mask):
        alone = {name: array[row : row + 1] for name, array in generated.items()}
        against = [one.apply(generated).mask[row] for one in each]
        assert rules.apply(alone).mask.tolist() == [refused]
        assert len(refusals.reasons(row)) == sum(against)
        assert bool(refused) == any(against)


@pytest.mark.parametrize("name", sorted(KWARGS))
def test_each_type_refuses_some_rows_and_accepts_some(name: str) -> None:
    """What is generated decides something: no type is tested on rows that all fare alike."""
    seen: set[bool] = set()

    @settings(max_examples=60, database=None, derandomize=True)
    @given(columns(), KWARGS[name])
    def collect(generated: Columns, kwargs: dict[str, Any]) -> None:
        rules = compile_rules(suite([{"type": name, "kwargs": kwargs}]))
        seen.update(rules.apply(generated).mask.tolist())

    collect()
    assert seen == {True, False}
