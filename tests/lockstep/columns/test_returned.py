"""What a column's function may return, and how it is told when it returns something else."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lockstep.columns.decorators import feature
from lockstep.columns.kinds import Bools, Floats, Ints, Kind, Texts, Times
from lockstep.columns.nodes import Column
from lockstep.columns.records import EventTime, Key, Record
from lockstep.errors import FunctionError

from .conftest import build, named

ALIASES: dict[Kind, Any] = {
    Kind.FLOAT: Floats,
    Kind.INT: Ints,
    Kind.BOOL: Bools,
    Kind.TEXT: Texts,
    Kind.TIME: Times,
}


class Row(Record):
    key: Key[str]
    x: float
    n: int
    t: str | None
    at: EventTime


def returning(make: Callable[[np.ndarray[Any, Any]], Any], kind: Kind | None) -> Column:
    """A feature that returns what `make` makes of `x`."""

    def made(x: Any) -> Any:
        return make(x)

    made.__annotations__ = {} if kind is None else {"return": ALIASES[kind]}
    return feature(made)


def objects(*values: Any) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


# What is taken


ZONED = pd.Series(pd.to_datetime(["2000-01-01T01:00+01:00"] * 3))


@pytest.mark.parametrize(
    ("make", "kind", "expected"),
    [
        (lambda x: x.astype(np.float32), Kind.FLOAT, [0.0, 1.0, 1.0]),
        (lambda x: x.astype(np.int64), Kind.FLOAT, [0.0, 1.0, 1.0]),
        (lambda x: x.astype(np.int16), Kind.INT, [0, 1, 1]),
        (lambda x: np.array(["a", "b", "b"]), Kind.TEXT, ["a", "b", "b"]),
        (lambda x: objects(np.str_("a"), None, "b"), Kind.TEXT, ["a", None, "b"]),
        (lambda x: x.astype("M8[D]"), Kind.TIME, ["1970-01-01", "1970-01-02", "1970-01-02"]),
        (pd.Series, Kind.FLOAT, [0.0, 1.0, 1.0]),
        (pd.Index, Kind.FLOAT, [0.0, 1.0, 1.0]),
        (lambda x: pd.Series(x).astype("Int64"), Kind.INT, [0, 1, 1]),
        (lambda x: pd.Series([0.5, None, 1.0], dtype="Float64"), Kind.FLOAT, [0.5, np.nan, 1.0]),
        (lambda x: pd.Series([1, None, 2], dtype="Int64"), Kind.FLOAT, [1.0, np.nan, 2.0]),
        (lambda x: pd.Series([True, False, True], dtype="boolean"), Kind.BOOL, [True, False, True]),
        (lambda x: pd.Series(["a", None, "b"]), Kind.TEXT, ["a", None, "b"]),
        (lambda x: pd.Series(["a", np.nan, "b"], dtype=object), Kind.TEXT, ["a", None, "b"]),
        (lambda x: pd.cut(x, [-1, 0.5, 2], labels=["l", "h"]), Kind.TEXT, ["l", "h", "h"]),
        (lambda x: pd.Series(["a", None, "b"]).astype("category"), Kind.TEXT, ["a", None, "b"]),
        (lambda x: ZONED, Kind.TIME, ["2000"] * 3),
    ],
)
def test_what_loses_nothing_is_brought_into_canonical_form(
    make: Any, kind: Kind, expected: list[Any]
) -> None:
    graph = build(returning(make, kind), record=Row).graph
    found = graph.evaluate({"x": np.array([0.0, 1.0, 1.0])}, ["made"])["made"]
    assert found.dtype == kind.dtype
    np.testing.assert_array_equal(found, np.array(expected, dtype=kind.dtype))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda x: x.astype(np.float32), Kind.FLOAT),
        (lambda x: x.astype(np.int8), Kind.INT),
        (lambda x: x > 0, Kind.BOOL),
        (lambda x: np.array(["a", "b", "c"]), Kind.TEXT),
        (lambda x: x.astype("datetime64[h]"), Kind.TIME),
    ],
)
def test_without_annotation_the_kind_is_the_nearest(make: Any, kind: Kind) -> None:
    graph = build(returning(make, None), record=Row).graph
    assert graph.kind("made") is kind


def test_pandas_inside_a_function_works() -> None:
    hour = named("hour", lambda at: pd.Series(at).dt.hour.to_numpy(), returns=Ints)
    capital = named("capital", lambda t: pd.Series(t, dtype=object).str.upper(), returns=Texts)
    next_day = named("next_day", lambda at: pd.Series(at) + pd.Timedelta(days=1), returns=Times)
    graph = build(hour, capital, next_day, record=Row).graph
    row = {"at": np.array(["2013-04-01T09:30"], "M8[us]"), "t": objects("a")}
    found = graph.evaluate(row, ["hour", "capital", "next_day"])
    missing = graph.evaluate({"t": objects(None)}, ["capital"])
    assert (found["hour"].tolist(), found["capital"].tolist()) == ([9], ["A"])
    assert found["next_day"][0] == np.datetime64("2013-04-02T09:30")
    assert missing["capital"].tolist() == [None]


# What is refused


ONE_A_ROW = "it must return a one-dimensional array of 3 values, one a row"
NONE_OF = "which is none of Floats, Ints, Bools, Texts and Times"


@pytest.mark.parametrize(
    ("kind", "make", "told"),
    [
        (Kind.FLOAT, lambda x: 0.5, f"float 0.5; {ONE_A_ROW}"),
        (Kind.FLOAT, lambda x: x.sum(), f"float64 2.0; {ONE_A_ROW}"),
        (Kind.FLOAT, lambda x: None, f"NoneType None; {ONE_A_ROW}"),
        (Kind.FLOAT, lambda x: x.tolist(), f"list [0.0, 1.0, 1.0]; {ONE_A_ROW}"),
        (Kind.FLOAT, lambda x: (value for value in x), "generator <generator object"),
        (Kind.FLOAT, lambda x: np.array(0.5), f"an array of shape (); {ONE_A_ROW}"),
        (Kind.FLOAT, lambda x: np.stack([x, x]), f"an array of shape (2, 3); {ONE_A_ROW}"),
        (Kind.FLOAT, lambda x: x[:, None], f"an array of shape (3, 1); {ONE_A_ROW}"),
        (Kind.FLOAT, lambda x: pd.DataFrame({"a": x, "b": x}), "a DataFrame of shape (3, 2)"),
        (Kind.FLOAT, lambda x: np.ma.masked_array(x, x > 0), "a MaskedArray of shape (3,)"),
        (Kind.FLOAT, lambda x: pd.MultiIndex.from_arrays([x, x]), "MultiIndex MultiIndex([(0.0,"),
        (Kind.FLOAT, lambda x: x[:-1], "2 values for 3 rows"),
        (Kind.FLOAT, lambda x: np.append(x, 0), "4 values for 3 rows"),
        (Kind.FLOAT, lambda x: pd.Series(x).dropna()[:1], "1 value for 3 rows"),
        (Kind.INT, lambda x: x, "an array of float64, but the column holds Ints (int64)"),
        (Kind.BOOL, lambda x: x, "an array of float64, but the column holds Bools (bool)"),
        (Kind.TEXT, lambda x: x, "an array of float64, but the column holds Texts (object)"),
        (Kind.FLOAT, lambda x: x > 0, "an array of bool, but the column holds Floats (float64)"),
        (Kind.INT, lambda x: x > 0, "an array of bool, but the column holds Ints (int64)"),
        (Kind.INT, lambda x: x.astype(np.uint64), "an array of uint64, but the column holds Ints"),
        (Kind.TIME, lambda x: x.astype("M8[ns]"), "an array of datetime64[ns], but the column hol"),
        (Kind.TIME, lambda x: x.astype(np.int64), "an array of int64, but the column holds Times"),
        (Kind.FLOAT, lambda x: objects(0.0, 1.0, 1.0), "an array of object, but the column holds"),
        (None, lambda x: x.astype(complex), f"an array of complex128, {NONE_OF}"),
        (None, lambda x: x.astype("m8[s]"), f"an array of timedelta64[s], {NONE_OF}"),
        (None, lambda x: x.astype("S3"), f"an array of |S3, {NONE_OF}"),
        *[
            (kind, lambda x, values=values: objects(*values), f"an array of objects with {told}; T")
            for kind in (Kind.TEXT, None)
            for values, told in (
                (("a", np.nan, "b"), "float NaN in row 1"),
                ((1, None, "b"), "int 1 in row 0"),
                (("a", "b", True), "bool True in row 2"),
                (("a", b"b", None), "bytes b'b' in row 1"),
            )
        ],
    ],
)
def test_what_is_no_column_is_told(kind: Kind | None, make: Any, told: str) -> None:
    column = returning(make, kind)
    with pytest.raises(FunctionError) as found:
        build(column, record=Row)
    assert str(found.value).startswith(f"{column.title} returned {told}")
    assert "\n" not in str(found.value)


def test_a_type_that_depends_on_the_rows_is_told() -> None:
    made = returning(lambda x: x if (x > 1).any() else x.astype(np.int64), Kind.INT)
    graph = build(made, record=Row).graph
    with pytest.raises(FunctionError, match="returned an array of float64, but the column holds"):
        graph.evaluate({"x": np.array([2.0])}, ["made"])
