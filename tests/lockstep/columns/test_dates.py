"""Texts that are dates are told from their one layout."""

import numpy as np
import pytest

from lockstep.columns.dates import layout_of, moments

DAYS = np.arange("2021-01-25", "2021-02-20", dtype="datetime64[D]").astype(object)


@pytest.mark.parametrize(
    "layout",
    ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S%z"],
)
def test_a_layout_is_told_from_texts_and_reads_them(layout):
    texts = np.array([f"{day:{layout.removesuffix('%z')}}" for day in DAYS], dtype=object)
    texts += "+01:00" if layout.endswith("%z") else ""
    assert layout_of(texts) == layout
    ahead = np.timedelta64(1 if layout.endswith("%z") else 0, "h")
    assert (moments(texts, layout) + ahead == DAYS.astype("datetime64[us]")).all()


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([f"0{day}/0{month}/2021" for day in (1, 2) for month in (3, 4, 5)], id="both"),
        pytest.param([f"2021-01-{day}" for day in range(28, 34)], id="some are no dates"),
        pytest.param([f"{hour}:{hour}:1" for hour in range(20, 30)], id="no times of a day"),
        pytest.param([f"AB{day}" for day in range(28, 34)], id="codes"),
        pytest.param(["2021-01-01"], id="one text"),
        pytest.param([], id="none"),
    ],
)
def test_other_texts_have_no_layout(texts):
    assert layout_of(np.array(texts, dtype=object)) is None


def test_a_text_for_what_is_not_known_leaves_a_layout_what_it_is():
    texts = np.array(["0000-00-00", *(str(day) for day in DAYS)], dtype=object)
    assert layout_of(texts) == "%Y-%m-%d"
    assert np.flatnonzero(np.isnat(moments(texts, "%Y-%m-%d"))).tolist() == [0]
