"""Columns as tables and back. The round trip is a property in test_formats."""

import numpy as np
import pandas as pd
import pyarrow as pa

from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import from_arrow, to_arrow, to_frame

COLUMNS: Columns = {
    "real": np.array([0.5, np.nan]),
    "whole": np.array([1, 2]),
    "flag": np.array([True, False]),
    "text": np.array(["x", None], dtype=object),
    "at": np.array(["2013-04-01T09:30", "NaT"], dtype="datetime64[us]"),
}


def test_a_frame_has_the_dtypes_of_the_columns() -> None:
    assert to_frame(COLUMNS).dtypes.astype(str).to_dict() == {
        "real": "float64",
        "whole": "int64",
        "flag": "bool",
        "text": "object",
        "at": "datetime64[us, UTC]",
    }


def test_a_missing_text_in_a_frame_is_none() -> None:
    assert to_frame(COLUMNS)["text"].tolist() == ["x", None]


def test_a_frame_without_rows_has_the_same_dtypes() -> None:
    empty = to_frame({name: array[:0] for name, array in COLUMNS.items()})

    assert empty.dtypes.equals(to_frame(COLUMNS).dtypes)


def test_missing_values_are_nulls_in_a_table() -> None:
    table = to_arrow(COLUMNS)

    assert {name: table[name].null_count for name in table.column_names} == {
        "real": 1,
        "whole": 0,
        "flag": 0,
        "text": 1,
        "at": 1,
    }


def test_a_table_has_the_types_of_the_columns() -> None:
    assert to_arrow(COLUMNS).schema.types == [
        pa.float64(),
        pa.int64(),
        pa.bool_(),
        pa.string(),
        pa.timestamp("us", tz="UTC"),
    ]


def test_columns_read_from_a_table_are_those_asked_for_and_read_only() -> None:
    found = from_arrow(to_arrow(COLUMNS), {"at": Kind.TIME, "text": Kind.TEXT})

    assert list(found) == ["at", "text"]
    assert not any(array.flags.writeable for array in found.values())


def test_times_in_a_table_are_those_of_the_frame() -> None:
    frame = to_frame(COLUMNS)

    assert to_arrow(COLUMNS)["at"].to_pylist()[0] == frame["at"][0].to_pydatetime()
    assert pd.isna(frame["at"][1])
