"""Rows by the group that they are of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockstep.laws.terms import by_group

GROUPS = st.integers(-1, 5) | st.integers(65_530, 65_540) | st.integers(-1, 2**40)


@given(st.lists(GROUPS, max_size=40))
def test_rows_of_a_group_stay_in_their_order(groups: list[int]) -> None:
    found = by_group(np.array(groups, dtype=np.int64))

    assert found.tolist() == sorted(range(len(groups)), key=groups.__getitem__)
