"""Tables of checks fit the page of a check, and lose nothing."""

from lockstep.dagster.narrow import fitted

FINDING = {
    "finding": "f10b2b8e",
    "is": "unusual",
    "day": "2020-03-04",
    "columns": "scheduled_departure",
    "statistic": "the minutes since the previous row",
    "figure": 7.97123456,
    "usual": "7.27",
    "of its limit": 9.64,
    "rows": None,
    "keys": "",
}


def test_a_narrow_table_stays_as_it_is() -> None:
    rows = [{"column": "price", "rows": 3}, {"column": "items", "rows": None}]
    assert fitted(rows) == rows
    rows = [{"a": "x" * 31, "b": "y" * 31}]  # no room for another column
    assert fitted(rows) == rows


def test_empty_columns_are_left_out() -> None:
    assert fitted([{"column": "price", "keys": "", "rows": None}]) == [{"column": "price"}]


def test_a_table_without_any_value_keeps_its_columns() -> None:
    assert fitted([{"column": None}]) == [{"column": None}]


def test_what_does_not_fit_stands_in_the_last_column() -> None:
    (row,) = fitted([FINDING])
    assert list(row) == ["finding", "is", "day", "columns", "statistic", "more"]
    assert row["more"] == "figure: 7.9712; usual: 7.27; of its limit: 9.64"


def test_a_word_that_would_not_break_is_cut() -> None:
    assert fitted([{"key": f"{'x' * 200} y"}]) == [{"key": f"{'x' * 59}… y"}]


def test_the_first_column_has_its_place_however_wide_it_is() -> None:
    (row,) = fitted([{"a": "x" * 60, "b": "y" * 60, "c": 1}])
    assert row == {"a": "x" * 60, "more": f"b: {'y' * 60}; c: 1"}
