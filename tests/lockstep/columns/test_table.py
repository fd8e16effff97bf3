"""Columns as tables and back. The round trip is a property in test_formats."""

import numpy as np
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


def test_a_table_has_the_types_of_the_columns_and_nulls_for_missing_values() -> None:
    table = to_arrow(COLUMNS)
    times = pa.timestamp("us", tz="UTC")
    assert table.schema.types == [pa.float64(), pa.int64(), pa.bool_(), pa.string(), times]
    assert [table[name].null_count for name in table.column_names] == [1, 0, 0, 1, 1]
    assert table["at"].to_pylist()[0] == to_frame(COLUMNS)["at"][0].to_pydatetime()


def test_columns_read_from_a_table_are_those_asked_for_and_read_only() -> None:
    found = from_arrow(to_arrow(COLUMNS), {"at": Kind.TIME, "text": Kind.TEXT})
    assert list(found) == ["at", "text"]
    assert not any(array.flags.writeable for array in found.values())
