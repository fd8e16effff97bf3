"""Behaviours of pandas that decoding is built on, or guards against."""

from decimal import Decimal, InvalidOperation

import numpy as np
import pandas as pd
import pytest


def test_the_array_of_a_column_changes_with_its_frame() -> None:
    frame = pd.DataFrame({"x": [0.5, 1.5]})
    array = frame["x"].to_numpy()

    frame.loc[0, "x"] = 9.0

    assert array[0] == 9.0  # so decoding copies


def test_a_column_of_a_wide_frame_need_not_be_contiguous() -> None:
    frame = pd.DataFrame(np.zeros((4, 3)), copy=False)

    assert not frame[1].to_numpy().flags.c_contiguous


def test_texts_are_kept_by_arrow_unless_their_dtype_is_given() -> None:
    inferred = pd.Series(["x", None])

    assert isinstance(inferred.dtype, pd.StringDtype)
    assert inferred.dtype.storage == "pyarrow"
    assert pd.Series(np.array(["x", None], dtype=object), dtype=object).tolist() == ["x", None]


def test_a_lone_surrogate_is_no_text_for_arrow() -> None:
    assert pd.Series(["\ud800"], dtype=object).tolist() == ["\ud800"]
    with pytest.raises(UnicodeEncodeError):
        pd.Series(["\ud800"], dtype="string[pyarrow]")


def test_a_signalling_nan_cannot_be_looked_for() -> None:
    with pytest.raises(InvalidOperation):
        pd.isna(pd.Series([Decimal("sNaN")], dtype=object))


def test_a_time_of_nanoseconds_knows_what_is_beyond_microseconds() -> None:
    assert pd.Timestamp(1, tz="UTC").nanosecond == 1
    assert pd.Timestamp(1000, tz="UTC").nanosecond == 0
