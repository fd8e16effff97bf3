"""Behaviours of pandas that decoding is built on, or guards against."""

import numpy as np
import pandas as pd


def test_the_array_of_a_column_changes_with_its_frame() -> None:
    frame = pd.DataFrame({"x": [0.5, 1.5]})
    array = frame["x"].to_numpy()

    frame.loc[0, "x"] = 9.0

    assert array[0] == 9.0  # so decoding copies


def test_a_column_of_a_wide_frame_need_not_be_contiguous() -> None:
    frame = pd.DataFrame(np.zeros((4, 3)), copy=False)

    assert not frame[1].to_numpy().flags.c_contiguous
