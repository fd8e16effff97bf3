"""The store: whole files or none."""

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from lockstep.columns.kinds import Kind
from lockstep.columns.plain import partition_of
from lockstep.columns.tables import from_arrow, to_arrow
from lockstep.errors import NotStoredError
from lockstep.store.disks import replace_file, replace_text
from lockstep.store.parquet import Store
from tests.fixtures.writes import carried_out

KINDS = {"key": Kind.TEXT, "x": Kind.FLOAT, "n": Kind.INT, "flag": Kind.BOOL, "at": Kind.TIME}


def some_columns() -> dict[str, np.ndarray]:
    return {
        "key": np.array(["a", "ü", None], dtype=object),
        "x": np.array([0.1, np.nan, -0.0]),
        "n": np.array([1, -(2**62), 3]),
        "flag": np.array([True, False, True]),
        "at": np.array(["2013-04-01T00:00:00.000001", "NaT", "1969-12-31"], dtype="datetime64[us]"),
    }


def test_columns_come_back_as_they_were(tmp_path: Path) -> None:
    store, columns = Store(tmp_path), some_columns()
    path = store.path("daily/batch", "2013-04-01")
    replace_file(path, lambda file: parquet.write_table(to_arrow(columns), file))
    found = from_arrow(store.read("daily/batch", "2013-04-01"), KINDS)
    for name, array in columns.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_what_was_never_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(NotStoredError, match="no daily/batch of 2013-04-01 yet"):
        Store(tmp_path).read("daily/batch", "2013-04-01")


def test_a_partition_named_like_a_path_stays_inside_its_folder(tmp_path: Path) -> None:
    path = Store(tmp_path).path("inbox/batch", "../../escape")
    assert path.parent == tmp_path / "inbox" / "batch"
    assert partition_of(path.name.removesuffix(".parquet")) == "../../escape"


def test_a_writer_that_is_killed_leaves_the_old_file_whole_and_no_other(tmp_path: Path) -> None:
    def half(target: str) -> None:
        Path(target).write_text("ne")
        os.kill(os.getpid(), signal.SIGKILL)

    replace_text(tmp_path / "day.parquet", "old")
    for name in ("day", "another"):
        assert carried_out(partial(replace_file, tmp_path / f"{name}.parquet", half)).was_killed
    assert [path.read_text() for path in tmp_path.glob("*.parquet")] == ["old"]


def test_a_writer_that_raises_leaves_no_file_behind(tmp_path: Path) -> None:
    def fail(target: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        replace_file(tmp_path / "a.json", fail)
    assert list(tmp_path.iterdir()) == []
