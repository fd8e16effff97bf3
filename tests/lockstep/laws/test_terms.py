"""Rows by the group that they are of."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lockstep.laws.terms import by_group, combined

GROUPS = st.integers(-1, 5) | st.integers(65_530, 65_540) | st.integers(-1, 2**40)


@given(st.lists(GROUPS, max_size=40))
def test_rows_of_a_group_stay_in_their_order(groups: list[int]) -> None:
    found = by_group(np.array(groups, dtype=np.int64))

    assert found.tolist() == sorted(range(len(groups)), key=groups.__getitem__)


CODES = st.integers(-1, 3) | st.integers(-1, 2**20)


@given(st.lists(st.tuples(CODES, CODES), max_size=40))
def test_rows_that_agree_in_all_codes_have_one_number_by_which_came_first(
    rows: list[tuple[int, int]],
) -> None:
    found = combined(*np.array(rows, dtype=np.int64).reshape(-1, 2).T)

    known = [row for row in rows if min(row) >= 0]
    numbers = {row: number for number, row in enumerate(dict.fromkeys(known))}
    assert found.tolist() == [numbers.get(row, -1) for row in rows]


def test_rows_of_more_combinations_than_a_number_tells_apart_are_of_a_group_all_the_same() -> None:
    codes = np.random.default_rng(5).integers(0, 2**20, (4, 1_000))

    assert combined(*codes).tolist() == list(range(1_000))
    assert combined(*np.tile(codes, 2)).tolist() == 2 * list(range(1_000))
