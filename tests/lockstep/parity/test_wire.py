"""Records on the wire decode to the very same columns."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from lockstep.columns.decode import Decoded
from lockstep.columns.files import decode_file, decode_json
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.exactness import difference
from lockstep.parity.wire import wire_record, wire_records, wire_table, wire_text
from tests.lockstep.parity.conftest import TEXTS, arrays_of

some = settings(max_examples=40)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.datetimes().map(lambda time: np.datetime64(time, "us"))


COUNTS = st.integers(-(2**53), 2**53).map(float)


def arrays(rows: int) -> st.SearchStrategy[Columns]:
    return st.fixed_dictionaries(
        {
            "voyage": arrays_of("object", TEXTS, rows),
            "sails_at": arrays_of("datetime64[us]", TIMES, rows),
            "port": arrays_of("object", st.none() | TEXTS, rows),
            "crew": arrays_of("int64", st.integers(-(2**63), 2**63 - 1), rows),
            "cargo": arrays_of("float64", st.just(np.nan) | FLOATS, rows),
            "decks": arrays_of("float64", st.just(np.nan) | COUNTS, rows),
            "insured": arrays_of("float64", st.sampled_from([np.nan, 0.0, 1.0]), rows),
            "flag": arrays_of("bool", st.booleans(), rows),
        }
    )


ROWS = st.integers(1, 4).flatmap(arrays)


def same(columns: Columns, decoded: Decoded) -> bool:
    assert not decoded.rejected, decoded.rejected
    return not any(
        difference(values, decoded.columns[name]).cells.any() for name, values in columns.items()
    )


@some
@given(columns=ROWS)
def test_json_texts_decode_to_the_same_columns_together_and_each_alone(
    pipeline: Pipeline, columns: Columns
) -> None:
    records = wire_records(columns, pipeline.record_schema)
    text = f"[{','.join(map(wire_text, records))}]"
    assert same(columns, decode_json(text, pipeline.record_schema))
    for row in range(len(columns["voyage"])):
        text = wire_text(wire_record(columns, row, pipeline.record_schema))
        one = {name: values[row : row + 1] for name, values in columns.items()}
        assert same(one, decode_json(text, pipeline.record_schema))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@some
@given(columns=ROWS)
def test_files_decode_to_the_same_columns(
    pipeline: Pipeline, columns: Columns, suffix: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path: Path = tmp_path_factory.mktemp("wire") / f"table{suffix}"
    table = wire_table(columns, pipeline.record_schema)
    (csv.write_csv if suffix == ".csv" else parquet.write_table)(table, path)
    assert same(columns, decode_file(path, pipeline.record_schema))
