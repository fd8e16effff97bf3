"""The usual size of the values of a column, by which small differences are measured."""

import numpy as np
import pytest

from lockstep.columns.pipeline import Trace
from lockstep.parity.scales import Scales


@pytest.mark.parametrize(
    ("values", "size"),
    [
        pytest.param([1.0, -3.0, 2.0, 1e9], 2.0, id="the lower median, whatever the largest is"),
        pytest.param([np.nan, np.inf, 0.0, 0.0, 0.0, 4.0], 4.0, id="of numbers other than 0"),
        pytest.param([0.0, np.nan], 0.0, id="none without such a number"),
        pytest.param([[1.0, 0.0, 100.0], [3.0, 0.0, 300.0]], [1.0, 0.0, 100.0], id="of a matrix"),
    ],
)
def test_the_size_of_values_is_the_median_of_those_that_have_one(values, size) -> None:
    found = Scales.of(Trace(np.array([]), {"value": np.array(values)}, {}))
    assert found.columns["value"].tolist() == size


def test_only_floats_have_a_size_and_only_where_there_are_rows() -> None:
    columns = {"texts": np.array(["a"], dtype=object), "ints": np.array([1]), "none": np.array([])}
    assert Scales.of(Trace(np.array([]), columns, {})) == Scales()
