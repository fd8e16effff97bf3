"""Keys that several units have are found by their digests, a range at a time."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.scoring import repeated
from lockstep.scoring.repeated import forget_keys, repeated_keys, write_keys

KEYS = st.lists(st.lists(st.integers(0, 30), unique=True, max_size=12), min_size=1, max_size=5)


@settings(max_examples=40)
@given(units=KEYS, at_a_time=st.integers(1, 20))
def test_the_later_row_of_a_key_is_found_with_the_first(tmp_path_factory, units, at_a_time) -> None:
    folder = tmp_path_factory.mktemp("keys")
    first, wanted, number = {}, {}, 0
    arrays = []
    for unit, keys in enumerate(units):
        arrays.append(np.array([f"k{key}" for key in keys], dtype=object))
        rows = np.arange(number, number + len(keys), dtype=np.int64)
        write_keys(folder, unit, arrays[-1], rows)
        for key in keys:
            if key in first:
                wanted.setdefault(unit, {})[number] = first[key]
            first.setdefault(key, number)
            number += 1
    before, repeated._AT_A_TIME = repeated._AT_A_TIME, at_a_time
    try:
        found = repeated_keys(folder, len(units), lambda unit, places: arrays[unit][places])
    finally:
        repeated._AT_A_TIME = before
    assert found == wanted
    forget_keys(folder, len(units))
    assert not list(Path(folder).iterdir())
