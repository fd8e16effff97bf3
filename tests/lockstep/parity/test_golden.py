"""Golden records: which rows are chosen, and that files hold them exactly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.columns.tables import take_rows
from lockstep.errors import GoldenError, NotFittedError
from lockstep.parity.comparison import compare
from lockstep.parity.exactness import difference
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.scales import Scales
from lockstep.parity.selection import choose_golden
from tests.lockstep.parity.conftest import COLUMNS, TEXTS, arrays_of

Chosen = Callable[..., GoldenRecords]
some = settings(max_examples=80)

TIMES = st.integers(-(2**55), 2**55)


@pytest.fixture(scope="module")
def golden(pipeline: Pipeline) -> GoldenRecords:
    return choose_golden(pipeline, COLUMNS, limit=100)


@pytest.fixture(scope="module")
def chosen(pipeline: Pipeline) -> Callable[..., GoldenRecords]:
    """A function that chooses golden records of the rows with some other columns."""

    def chosen(limit: int = 300, seed: int = 0, **changes: Array) -> GoldenRecords:
        return choose_golden(pipeline, {**COLUMNS, **changes}, limit=limit, seed=seed)

    return chosen


def coverage(golden: GoldenRecords, aim: str) -> dict[str, tuple[int, int]]:
    return {one.column: (one.covered, one.wanted) for one in golden.coverage if one.aim == aim}


def test_they_hold_every_column_and_matrix(pipeline: Pipeline, golden: GoldenRecords) -> None:
    assert tuple(golden.records) == pipeline.joint_schema.names
    assert tuple(golden.trace.columns) == pipeline.graph.order
    assert tuple(golden.trace.matrices) == pipeline.graph.models
    assert len(golden) == len(golden.trace.keys) == 100


def test_without_the_outcome_they_hold_what_is_served(pipeline: Pipeline) -> None:
    fields = {name: COLUMNS[name] for name in pipeline.record_schema.names}
    golden = choose_golden(pipeline, fields, limit=20)
    assert tuple(golden.trace.columns) == pipeline.graph.served


def test_each_field_that_may_be_missing_is_missing_somewhere(golden: GoldenRecords) -> None:
    assert np.isnan(golden.records["cargo"]).any()
    assert None in golden.records["port"].tolist()
    assert coverage(golden, "missing") == dict.fromkeys(
        ["port", "cargo", "decks", "insured", "delay"], (1, 1)
    )


def test_a_field_that_is_nowhere_missing_is_told_as_open(chosen: Chosen) -> None:
    assert coverage(chosen(cargo=np.ones(120)), "missing")["cargo"] == (0, 1)


@pytest.mark.parametrize("column", ["sails_at", "crew", "cargo", "decks", "hour", "load", "chance"])
def test_the_least_and_the_greatest_value_are_there(
    trace: Trace, golden: GoldenRecords, column: str
) -> None:
    everything, chosen = trace.columns[column], golden.trace.columns[column]
    assert np.nanmin(chosen) == np.nanmin(everything)
    assert np.nanmax(chosen) == np.nanmax(everything)
    assert coverage(golden, "extremes")[column] == (2, 2)


@pytest.mark.parametrize("column", ["port", "flag", "heavy", "late", "risk"])
def test_each_category_is_there(trace: Trace, golden: GoldenRecords, column: str) -> None:
    assert {*golden.trace.columns[column].tolist()} == {*trace.columns[column].tolist()}


def test_the_rows_beside_the_decision_are_there(trace: Trace, golden: GoldenRecords) -> None:
    chance = trace.columns["chance"]
    chosen = set(golden.trace.columns["chance"].tolist())
    assert set(np.sort(chance[chance >= 0.5])[:3].tolist()) <= chosen
    assert set(np.sort(chance[chance < 0.5])[-3:].tolist()) <= chosen


def test_what_has_no_room_is_told(chosen: Chosen) -> None:
    golden = chosen(limit=8)
    assert len(golden) == 8
    assert [one for one in golden.coverage if one.column == "port" and one.open]
    assert golden.summary.startswith("8 golden records: categories ")


def test_more_categories_than_are_sought_leave_room_for_the_rest(chosen: Chosen) -> None:
    many = np.array([f"port {row}" for row in range(120)], dtype=object)
    golden = chosen(limit=60, port=many)
    assert coverage(golden, "categories")["port"][1] == 60
    assert coverage(golden, "extremes")["chance"] == (2, 2)


def test_the_same_rows_are_chosen_again_and_others_by_another_seed(chosen: Chosen) -> None:
    first, again, other = (chosen(limit=40, seed=seed).trace.keys.tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_no_more_rows_are_chosen_than_there_are(pipeline: Pipeline) -> None:
    assert len(choose_golden(pipeline, take_rows(COLUMNS, slice(7)))) == 7


def test_a_repeated_key_is_chosen_once(pipeline: Pipeline) -> None:
    keys = choose_golden(pipeline, take_rows(COLUMNS, np.arange(240) % 120)).trace.keys.tolist()
    assert len(keys) == len(set(keys)) == 120


def test_no_rows_are_an_error(pipeline: Pipeline) -> None:
    with pytest.raises(GoldenError, match="there are no rows"):
        choose_golden(pipeline, take_rows(COLUMNS, slice(0)))


def test_an_unfitted_pipeline_is_an_error(build: Callable[..., Pipeline]) -> None:
    with pytest.raises(NotFittedError):
        choose_golden(build(), COLUMNS)


def stored(golden: GoldenRecords, directory: Path) -> GoldenRecords:
    """Golden records, written to files and read again."""
    golden.to_directory(directory)
    return GoldenRecords.from_directory(directory)


def test_files_hold_them_exactly(pipeline: Pipeline, golden: GoldenRecords, tmp_path: Path) -> None:
    read = stored(golden, tmp_path / "golden")
    found = compare(
        golden.trace, read.trace, pipeline.graph, scales=Scales(), columns=golden.trace.columns
    )
    assert (found.ok, found.rows, len(found.compared)) == (True, 100, 13 + 7 + 2)
    assert read.coverage == golden.coverage
    assert list(read.records) == list(golden.records)
    assert read.trace.keys.tolist() == golden.trace.keys.tolist()


def test_a_matrix_of_objects_comes_back_as_it_was(golden: GoldenRecords, tmp_path: Path) -> None:
    cells = [[1.5, 1, True, "a", None], [np.nan, -0.0, False, "", pd.NaT]]
    matrix = np.empty((2, 5), dtype=object)
    matrix[:] = cells
    matrix[1, 1] = pd.Timestamp("2013-01-01T00:00:00.000001Z")
    trace = Trace(golden.trace.keys[:2], {}, {"raw": matrix})
    read = stored(GoldenRecords.of({}, trace), tmp_path).trace.matrices["raw"]
    assert not difference(matrix, read).cells.any()


def arrays(rows: int) -> st.SearchStrategy[Columns]:
    return st.fixed_dictionaries(
        {
            "floats": arrays_of("float64", st.floats(), rows),
            "ints": arrays_of("int64", st.integers(-(2**63), 2**63 - 1), rows),
            "bools": arrays_of("bool", st.booleans(), rows),
            "texts": arrays_of("object", st.none() | TEXTS, rows),
            "times": arrays_of("datetime64[us]", st.none() | TIMES, rows),
        }
    )


@some
@given(columns=st.integers(1, 5).flatmap(arrays))
def test_any_values_come_back_from_files_as_they_were(
    columns: Columns, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("golden")
    keys = np.array([f"K{row}" for row in range(len(columns["ints"]))], dtype=object)
    matrix = np.stack([columns["floats"], columns["floats"]], axis=1)
    read = stored(GoldenRecords.of(columns, Trace(keys, columns, {"m": matrix})), directory)
    for name, values in columns.items():
        assert not difference(values, read.trace.columns[name]).cells.any(), name
    assert not difference(matrix, read.trace.matrices["m"]).cells.any()
    assert read.trace.keys.tolist() == keys.tolist()


def test_a_text_column_that_holds_no_text_is_named(golden: GoldenRecords, tmp_path: Path) -> None:
    texts = np.array(["a", np.nan], dtype=object)
    trace = Trace(golden.trace.keys[:2], {"port": texts}, {})
    with pytest.raises(GoldenError, match="Column port holds float among its texts"):
        GoldenRecords.of({"port": texts}, trace).to_directory(tmp_path)


@pytest.mark.parametrize(
    "name", ["columns.parquet", "matrices.npz", "matrices.json", "golden.json"]
)
@pytest.mark.parametrize("damage", ["removed", "cut off"])
def test_a_damaged_file_is_one_clear_error(
    golden: GoldenRecords, tmp_path: Path, name: str, damage: str
) -> None:
    golden.to_directory(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).unlink()
    if damage == "cut off":
        (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(GoldenError, match=rf"{name} is "):
        GoldenRecords.from_directory(tmp_path)


@pytest.mark.parametrize("model", ["file", "allow_pickle", "self"])
def test_a_model_may_have_any_name(tmp_path: Path, model: str) -> None:
    keys, matrix = np.array(["a"], dtype=object), np.array([[1.5]])
    read = stored(GoldenRecords.of({}, Trace(keys, {}, {model: matrix})), tmp_path)
    assert read.trace.matrices[model].tolist() == [[1.5]]
