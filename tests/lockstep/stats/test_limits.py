"""Limits of statistics: seldom passed by days without a change, and passed by a change."""

import msgspec
import numpy as np
import pytest

from lockstep.stats.limits import ENOUGH_DAYS, Judged, Limits, Trait, decode, encode

STATISTICS, TRAINING, AFTER = 300, 200, 400
KINDS = 6
PLAIN = tuple(
    Trait(kind=f"kind {number % KINDS}", column=f"column {number % 20}", stepped=number % 3 == 0)
    for number in range(STATISTICS)
)
SIZE = 100.0


def days(seed, count, statistics=STATISTICS):
    """Means of a hundred rows each, which differ by day as much again as by chance."""
    random = np.random.default_rng(seed)
    return random.normal(size=(count, statistics)) * np.sqrt(2 / SIZE)


def sizes(values):
    return np.full(values.shape, SIZE)


def limits(values, traits=PLAIN, of=None):
    count = values.shape[1]
    known = sizes(values) if of is None else of
    return Limits.of(traits[:count], values, known, np.ones(count), np.ones(count))


def judge(known, values, before=None, of=SIZE):
    count = len(values)
    before = np.empty((0, count)) if before is None else before
    return known.judge(values, np.full(count, of), before, sizes(before))


@pytest.fixture(scope="module")
def training():
    return days(1, TRAINING)


@pytest.fixture(scope="module")
def known(training):
    return limits(training)


@pytest.mark.parametrize("seed", range(4))
def test_days_without_a_change_pass_limits_at_most_at_the_stated_rate(seed):
    values = days(seed, TRAINING + AFTER)
    known = limits(values[:TRAINING])
    judged = [
        judge(known, values[day], values[TRAINING:day][-21:])
        for day in range(TRAINING, len(values))
    ]
    warned = np.mean([one.evidence.max() >= 1 for one in judged])
    blocked = np.mean([one.blocks.max() >= 1 for one in judged])
    assert warned <= 0.03
    assert blocked <= 0.01


def shifted(training, deviations, place=4):
    values = training[-1].copy()
    values[place] = training[:, place].mean() + deviations * training[:, place].std()
    return values


def test_a_shift_of_ten_deviations_blocks(known, training):
    found = judge(known, shifted(training, 10))
    assert np.flatnonzero(found.blocks >= 1).tolist() == [4]


def test_a_shift_of_ten_deviations_is_found_in_either_direction(known, training):
    assert judge(known, shifted(training, -10)).evidence[4] >= 1


def test_what_is_farther_is_more_unusual(known, training):
    shares = [judge(known, shifted(training, far)).evidence[4] for far in (4, 6, 8, 10)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_what_moved_is_told_with_where_it_usually_is(known, training):
    found = judge(known, shifted(training, 10))
    assert training[:, 4].min() <= found.low[4] < found.high[4] <= training[:, 4].max()


def test_a_single_odd_training_day_does_not_widen_a_range(training):
    odd = training.copy()
    odd[60, 4] = 50.0
    found = judge(limits(odd), shifted(training, 10))
    assert found.high[4] < 1
    assert found.evidence[4] >= 1


def test_a_range_goes_along_with_two_recent_batches(known, training):
    moved = shifted(training, 10)
    assert judge(known, moved, np.array([moved] * 2)).high[4] == pytest.approx(moved[4])


def test_a_range_does_not_go_along_with_one_recent_batch(known, training):
    moved = shifted(training, 10)
    assert judge(known, moved, np.array([moved])).high[4] < moved[4]


def walk(seed=3, count=30):
    """Statistics that a season moves slowly, over a wide range."""
    random = np.random.default_rng(seed)
    season = np.sin(np.arange(TRAINING) / 15)[:, np.newaxis] * 3
    return season + random.normal(size=(TRAINING, count)) * np.sqrt(2 / SIZE)


@pytest.mark.parametrize("stepped", [True, False])
def test_a_step_within_the_range_counts_where_it_is_looked_at(stepped):
    values = walk()
    known = limits(values, tuple(Trait("kind", stepped=stepped) for _ in range(30)))
    day = values[-1].copy()
    day[4] = -np.sign(day[4]) * 2.5
    found = judge(known, day, values[-7:])
    assert found.low[4] < day[4] < found.high[4]
    assert (found.evidence[4] >= 1) == stepped


def test_drift_is_told_from_training_alone(known, training):
    moved = shifted(training, 10)
    assert known.away(moved, np.full(STATISTICS, SIZE))[4] >= 1
    assert known.away(training.mean(axis=0), np.full(STATISTICS, SIZE)).max() == 0


@pytest.mark.parametrize(("count", "usable"), [(ENOUGH_DAYS - 1, False), (ENOUGH_DAYS, True)])
def test_so_few_days_tell_nothing(count, usable):
    known = limits(days(5, count))
    assert known.usable.all() == known.usable.any() == usable
    assert (judge(known, np.full(STATISTICS, 99.0)).evidence >= 1).any() == usable


def test_no_days_at_all_tell_nothing():
    assert judge(limits(np.empty((0, 5))), np.full(5, 99.0)).evidence.tolist() == [0] * 5


def test_a_statistic_of_few_training_days_is_not_judged(training):
    values = training[:, :20].copy()
    values[40:, 4] = np.nan
    known = limits(values)
    assert np.flatnonzero(~known.usable).tolist() == [4]
    assert judge(known, np.full(20, 99.0)).evidence[4] == 0


def test_what_a_day_has_nothing_of_is_not_judged(known, training):
    values = training[-1].copy()
    values[4] = np.nan
    assert judge(known, values).evidence[4] == 0


@pytest.mark.parametrize(("rows", "is_told"), [(5.0, False), (50.0, True)])
def test_parts_of_a_few_rows_are_told_nothing(training, rows, is_told):
    known = limits(training[:, :20], tuple(Trait("kind", is_part=True) for _ in range(20)))
    found = judge(known, np.full(20, 99.0), of=rows)
    assert (found.evidence > 0).all() == (found.evidence > 0).any() == is_told


def test_fewer_rows_make_the_same_figure_less_unusual(known, training):
    few, many = (judge(known, shifted(training, 6), of=of).evidence[4] for of in (10.0, 1000.0))
    assert few < many


def test_what_never_moved_is_found_as_soon_as_it_does(training):
    values = training[:, :40].copy()
    values[:, 4] = 0.0
    assert judge(limits(values), np.append(values[-1, :4], [3.0, *values[-1, 5:]])).blocks[4] >= 1


def same(one: Judged, other: Judged) -> bool:
    names = ("evidence", "blocks", "low", "high")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_limits_are_stored_to_the_bit(known, training):
    stored = msgspec.msgpack.encode(known, enc_hook=encode)
    read = msgspec.msgpack.decode(stored, type=Limits, dec_hook=decode)
    moved = shifted(training, 4)
    assert same(judge(read, moved, training[-5:]), judge(known, moved, training[-5:]))
    assert read.traits == known.traits


def test_only_arrays_are_stored():
    with pytest.raises(TypeError, match="set is not stored"):
        encode({1})
