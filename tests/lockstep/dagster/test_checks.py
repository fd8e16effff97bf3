"""Check results as Dagster records them: bounded, and with figures that it can plot."""

import dagster as dg
import numpy as np

from lockstep.checks.messages import Place
from lockstep.checks.results import CheckResult
from lockstep.dagster.checks import table_metadata, to_result

PLACE = Place("orders/daily/batch", "2020-03-01")


def test_a_long_table_is_cut() -> None:
    table = table_metadata([{"row": row} for row in range(1000)])
    assert len(table.records) == 50


def test_a_table_tells_the_type_of_each_column() -> None:
    rows = [
        {"name": "a", "count": 1, "share": 0.5, "hit": True, "none": None},
        {"name": "b", "count": 2, "share": 1, "hit": False, "none": None},
    ]
    types = {column.name: column.type for column in table_metadata(rows).schema.columns}
    assert types == {
        "name": "string",
        "count": "int",
        "share": "float",
        "hit": "bool",
        "none": "string",
    }


def test_figures_of_numpy_are_stored() -> None:
    numbers = {"share": np.float64(0.5), "rows": 3, "days": np.int64(4)}
    told = to_result("constraints", CheckResult(True, "", numbers=numbers), PLACE).metadata

    assert [type(told[name].value) for name in numbers] == [float, int, int]


def test_figures_that_are_not_finite_are_left_out() -> None:
    found = CheckResult(True, "", numbers={"auc": float("nan"), "rows": 3})
    assert set(to_result("quality", found, PLACE).metadata) == {"rows"}


def test_values_that_are_not_finite_are_shown_as_text() -> None:
    table = table_metadata([{"auc": float("nan")}, {"auc": 0.5}])
    assert [record.data["auc"] for record in table.records] == ["nan", 0.5]


def test_the_column_that_is_named_is_metadata_of_its_own() -> None:
    found = CheckResult(False, "temp jumped", "WARN", column="temp")
    told = to_result("sudden_shift", found, PLACE)
    assert told.metadata["column"].value == "temp"
    assert told.severity is dg.AssetCheckSeverity.WARN


def test_columns_that_were_not_judged_are_listed_with_what_was_lacking() -> None:
    found = CheckResult(True, "", unjudged={"gust": "no values"})
    told = to_result("sudden_shift", found, PLACE)
    assert [record.data for record in told.metadata["not judged"].records] == [
        {"column": "gust", "lacking": "no values"}
    ]


def test_what_failed_is_described_by_what_where_and_what_to_do() -> None:
    told = to_result("sudden_shift", CheckResult(False, "temp jumped", column="temp"), PLACE)
    what, where, todo = (told.description or "").split("\n\n")
    assert (what, where) == ("temp jumped", "Where: column temp")
    assert "`lockstep score orders --day 2020-03-01 --accept temp`" in todo


def test_what_passed_is_described_by_what_was_found() -> None:
    assert to_result("quality", CheckResult(True, "auc is 0.7"), PLACE).description == "auc is 0.7"
