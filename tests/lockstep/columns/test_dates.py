"""Texts that are dates are told from their one layout, and whether they go on with time."""

import numpy as np
import pytest

from lockstep.columns.dates import layout_of, moments, moves_on

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


def test_dates_of_bookings_go_on_and_those_of_birth_do_not():
    days = np.repeat(np.arange(90.0), 20)
    random = np.random.default_rng(0)
    assert moves_on(days + random.exponential(20, len(days)), days)
    assert not moves_on(random.normal(-9000, 3000, len(days)), days)
