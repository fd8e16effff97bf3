"""Margins keep what they state: of days without any change few break any of many laws."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from lockstep.columns.kinds import Array, Floats
from lockstep.laws.bands import Banded, Reading, Spans, how_far_outside, with_bands
from lockstep.laws.forms import Digits
from lockstep.laws.law import Law
from lockstep.laws.margins import ERROR_RATE, RATE, calibrated
from lockstep.laws.mass import Mass
from tests.lockstep.laws.tables import training

LAWS = 60
NAMES = ("missing", "commonest", "zero", "largest")
NEW_DAYS = 2000
Draw = Callable[[np.random.Generator, tuple[int, int, int]], Floats]


def normal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    return generator.normal(size=shape)


def lognormal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    return np.exp(generator.normal(size=shape))


def student(generator: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    return generator.standard_t(4, size=shape)


def one_that_jumps(generator: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """Statistics of which the first of each law is of heavy tail."""
    values = generator.normal(size=shape)
    values[:, :, 0] = generator.standard_t(3, size=shape[:2])
    return values


def common(generator: np.random.Generator, shape: tuple[int, int, int]) -> Floats:
    """Statistics that move together."""
    return generator.normal(size=shape) + 2 * generator.standard_t(4, size=(shape[0], 1, 1))


def laws_of(values: Floats) -> list[Banded]:
    """Laws that training days, laws and statistics tell."""
    days = [training().rows] * len(values)
    found = []
    for number in range(values.shape[1]):
        measured = [
            dict(zip(NAMES, (Reading(one, 0.0) for one in day[number].tolist()), strict=True))
            for day in values
        ]
        law = with_bands(Mass(columns=(f"c{number}",), days=0, highest={}), measured, days)
        assert law is not None
        found.append(law)
    return found


def passed(laws: tuple[Law, ...], values: Floats, which: str) -> Array:
    """Which days are beyond any margin."""
    bands = [law.bands[name] for law in laws if isinstance(law, Banded) for name in NAMES]
    lowest, middle, highest, margin = (
        np.array([getattr(band, name) for band in bands])
        for name in ("lowest", "middle", "highest", which)
    )
    flat = values.reshape(len(values), -1)
    outside = how_far_outside(
        flat, np.zeros_like(flat), (lowest, middle, highest), np.zeros(len(bands), dtype=bool)
    )
    found: Array = (outside > margin).any(axis=1)
    return found


@pytest.mark.parametrize(
    ("draw", "days", "of_rate"),
    [
        (normal, 90, 1),
        (normal, 30, 1),
        (one_that_jumps, 90, 4),  # tails heavier than exponential ones pass more
        (lognormal, 90, 4),
        (student, 90, 4),
    ],
)
def test_of_days_without_any_change_as_many_are_unusual_as_is_stated(draw: Draw, days, of_rate):
    generator = np.random.default_rng(0)
    laws, margins = calibrated(laws_of(draw(generator, (days, LAWS, len(NAMES)))))
    new = draw(generator, (NEW_DAYS, LAWS, len(NAMES)))

    assert margins is not None
    assert margins.statistics == LAWS * len(NAMES)
    assert passed(laws, new, "unusual").mean() <= of_rate * RATE
    assert passed(laws, new, "impossible").mean() <= 2 * of_rate * ERROR_RATE


def test_of_statistics_that_move_together_as_many_days_are_unusual_on_average_as_is_stated():
    unusual, impossible = [], []
    for seed in range(5):  # one training tells little of a tail that all of them have in common
        generator = np.random.default_rng(seed)
        laws, _ = calibrated(laws_of(common(generator, (90, LAWS, len(NAMES)))))
        new = common(generator, (NEW_DAYS, LAWS, len(NAMES)))
        unusual.append(passed(laws, new, "unusual").mean())
        impossible.append(passed(laws, new, "impossible").mean())

    assert np.mean(unusual) <= RATE
    assert np.mean(impossible) <= 2 * ERROR_RATE


def test_margins_are_no_wider_than_is_stated_where_most_days_are_within_all_bands():
    generator = np.random.default_rng(0)
    laws, _ = calibrated(laws_of(student(generator, (365, 10, len(NAMES)))))
    new = student(generator, (NEW_DAYS, 10, len(NAMES)))

    assert RATE / 4 <= passed(laws, new, "unusual").mean() <= 2 * RATE


def test_what_jumps_in_training_has_wider_margins_than_what_does_not():
    values = one_that_jumps(np.random.default_rng(0), (90, LAWS, len(NAMES)))
    laws, _ = calibrated(laws_of(values))

    beyond = np.array(
        [[band.unusual - band.reach for band in law.bands.values()] for law in laws]
    ).mean(axis=0)

    assert beyond[0] > 1.5 * beyond[1:].max()


def test_one_column_that_jumps_widens_no_other_ones_margins():
    values = normal(np.random.default_rng(0), (90, LAWS, len(NAMES)))
    before, _ = calibrated(laws_of(values))
    values[50, 0, :] = 100.0
    after, _ = calibrated(laws_of(values))

    usual, now = (
        np.array([[band.unusual for band in law.bands.values()] for law in laws[1:]])
        for laws in (before, after)
    )

    assert now.mean() < 1.3 * usual.mean()


def test_a_sort_of_a_few_statistics_leaves_the_margins_of_others_where_they_are():
    generator = np.random.default_rng(0)
    laws = laws_of(one_that_jumps(generator, (90, LAWS, len(NAMES))))
    measured = [{"a": Reading(one, 0.0)} for one in generator.normal(size=90).tolist()]
    measured[80] = {"a": Reading(5.0, 0.0)}
    few = with_bands(Digits(columns=("few",), days=0), measured, [training().rows] * 90)
    assert few is not None

    usual, now = (
        np.array(
            [[(band.unusual, band.impossible) for band in law.bands.values()] for law in found]
        )
        for found in (calibrated(laws)[0], calibrated([*laws, few])[0][: len(laws)])
    )

    assert now == pytest.approx(usual, rel=0.01)


def test_a_day_that_jumped_is_within_the_margins_of_its_own_statistic():
    values = normal(np.random.default_rng(0), (90, LAWS, len(NAMES)))
    values[50, 0, 0] = 100.0
    laws, _ = calibrated(laws_of(values))
    band = laws[0].bands["missing"]

    assert band.highest == 100.0
    assert band.unusual > band.reach > 10


def test_laws_without_statistics_are_left_as_they_are():
    assert calibrated([]) == ((), None)


def test_statistics_that_never_moved_are_calibrated_too():
    laws, margins = calibrated(laws_of(np.zeros((30, 2, len(NAMES)))))

    assert margins is not None
    assert all(0 < band.unusual <= band.impossible for law in laws for band in law.bands.values())


def test_a_day_that_does_not_tell_a_statistic_is_within_any_band():
    law = with_bands(
        Digits(columns=("a",), days=0),
        [{} if day % 3 == 0 else {"multiples of 5": Reading(day / 90, 0.01)} for day in range(90)],
        [training().rows] * 90,
    )
    assert law is not None
    (calibrated_law,), _ = calibrated([law])

    assert calibrated_law.bands["multiples of 5"].lowest == pytest.approx(1 / 90)


def test_spans_leave_out_what_is_not_told():
    values = np.array([[1.0, np.nan], [3.0, 5.0], [2.0, 6.0], [9.0, 7.0]])

    found = Spans.of(values, np.zeros_like(values), np.array([False, False]))

    assert found.highest.tolist() == [9.0, 7.0]
    assert found.middle.tolist() == [2.5, 6.0]
    assert found.days.tolist() == [4, 3]
    assert found.outside[:, 0].tolist() == pytest.approx([(2 - 1) / 0.5, 0, 0, (9 - 3) / 0.5])


def test_of_five_days_judged_together_that_is_unusual_which_would_block_one():
    laws, _ = calibrated(laws_of(normal(np.random.default_rng(0), (90, LAWS, len(NAMES)))))
    band = laws[0].bands["zero"]

    assert band.among(1) is band
    assert band.among(5).unusual == pytest.approx(band.impossible)
    assert band.among(5).impossible > band.impossible


def test_a_calibrated_law_is_known_by_what_its_bands_are_then():
    laws, _ = calibrated(laws_of(normal(np.random.default_rng(0), (30, LAWS, len(NAMES)))))
    assert [law.known_as for law in laws] == [
        msgspec.structs.replace(law, known_as="").digest for law in laws
    ]
