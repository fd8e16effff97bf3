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


KNOWN_DAYS = days(1, TRAINING)
KNOWN_DAYS.flags.writeable = False
KNOWN = limits(KNOWN_DAYS)


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


@pytest.mark.parametrize("deviations", [10, -10])
def test_a_shift_of_ten_deviations_blocks_and_is_told_with_the_usual_range(deviations):
    found = judge(KNOWN, shifted(KNOWN_DAYS, deviations))
    assert np.flatnonzero(found.evidence >= 1).tolist() == [4]
    assert np.flatnonzero(found.blocks >= 1).tolist() == [4]
    assert KNOWN_DAYS[:, 4].min() <= found.low[4] < found.high[4] <= KNOWN_DAYS[:, 4].max()


def test_what_is_farther_is_more_unusual():
    shares = [judge(KNOWN, shifted(KNOWN_DAYS, far)).evidence[4] for far in (4, 6, 8, 10)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]


def test_a_single_odd_training_day_does_not_widen_a_range():
    odd = KNOWN_DAYS.copy()
    odd[60, 4] = 50.0
    found = judge(limits(odd), shifted(KNOWN_DAYS, 10))
    assert found.high[4] < 1
    assert found.evidence[4] >= 1


def test_a_range_goes_along_with_two_recent_batches_and_not_with_one():
    moved = shifted(KNOWN_DAYS, 10)
    assert judge(KNOWN, moved, np.array([moved] * 2)).high[4] == pytest.approx(moved[4])
    assert judge(KNOWN, moved, np.array([moved])).high[4] < moved[4]


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


def test_drift_is_told_from_training_alone():
    moved = shifted(KNOWN_DAYS, 10)
    assert KNOWN.away(moved, np.full(STATISTICS, SIZE))[4] >= 1
    assert KNOWN.away(KNOWN_DAYS.mean(axis=0), np.full(STATISTICS, SIZE)).max() == 0


@pytest.mark.parametrize(
    ("count", "usable"), [(0, False), (ENOUGH_DAYS - 1, False), (ENOUGH_DAYS, True)]
)
def test_so_few_days_tell_nothing(count, usable):
    known = limits(days(5, count))
    assert known.usable.all() == known.usable.any() == usable
    assert (judge(known, np.full(STATISTICS, 99.0)).evidence >= 1).any() == usable


def test_a_statistic_of_few_training_days_is_not_judged():
    values = KNOWN_DAYS[:, :20].copy()
    values[40:, 4] = np.nan
    known = limits(values)
    assert np.flatnonzero(~known.usable).tolist() == [4]
    assert judge(known, np.full(20, 99.0)).evidence[4] == 0


def test_what_a_day_has_nothing_of_is_not_judged():
    values = KNOWN_DAYS[-1].copy()
    values[4] = np.nan
    assert judge(KNOWN, values).evidence[4] == 0


def test_fewer_rows_make_the_same_figure_less_unusual():
    few, many = (judge(KNOWN, shifted(KNOWN_DAYS, 6), of=of).evidence[4] for of in (10.0, 1000.0))
    assert few < many


def test_what_never_moved_is_found_as_soon_as_it_does():
    values = KNOWN_DAYS[:, :40].copy()
    values[:, 4] = 0.0
    assert judge(limits(values), np.append(values[-1, :4], [3.0, *values[-1, 5:]])).blocks[4] >= 1


def of_any_size(seed, count, statistics=60):
    """Means of 2 to 113 rows, which differ a little by day, and by chance; their sizes."""
    random = np.random.default_rng(seed)
    of = np.geomspace(2, 113, 112)[random.integers(0, 112, (count, 1))]
    of = np.repeat(of, statistics, axis=1)
    return random.normal(size=of.shape) * np.sqrt(0.01 + 1 / of), of


VALUES, SIZES = of_any_size(6, TRAINING + AFTER)
UNEVEN = VALUES, SIZES, limits(VALUES[:TRAINING], of=SIZES[:TRAINING])
"""Days of any size, and the limits of the first of them."""


def test_days_of_any_size_pass_limits_at_most_at_the_stated_rate():
    values, of, known = UNEVEN
    judged = [
        known.judge(values[day], of[day], values[day - 21 : day], of[day - 21 : day])
        for day in range(TRAINING, len(values))
    ]
    assert np.mean([one.evidence.max() >= 1 for one in judged]) <= 0.02
    assert np.mean([one.blocks.max() >= 1 for one in judged]) <= 0.004


def test_a_shift_of_one_deviation_is_found_on_a_large_day_within_what_small_ones_do():
    values, of, known = UNEVEN
    moved = np.full(values.shape[1], 1.0)
    small = np.sort(values[:TRAINING], axis=0)[-2] > moved
    assert small.sum() >= 20
    large, of_two = (
        known.judge(moved, np.full(len(moved), rows), values[:0], of[:0]) for rows in (100.0, 2.0)
    )
    assert np.mean(large.evidence[small] >= 1) >= 0.9
    assert (large.high < moved).all()
    assert of_two.evidence.max() < 1


def test_limits_of_before_have_one_range_for_days_of_any_size():
    known = one_for_all(UNEVEN[2])
    assert known.level.middle is None
    low, high = known.usual(UNEVEN[1][0])
    assert np.array_equal(low, known.level.low)
    assert np.array_equal(high, known.level.high)


def one_for_all(known: Limits) -> Limits:
    """The same limits as versions of before have them."""
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(known, enc_hook=encode))
    for tails in ("level", "step"):
        del stored[tails]["middle"], stored[tails]["unit"]
    return msgspec.msgpack.decode(msgspec.msgpack.encode(stored), type=Limits, dec_hook=decode)


def test_days_of_one_size_have_the_range_of_their_values():
    kept = np.sort(KNOWN_DAYS.astype(np.float32), axis=0)
    assert np.array_equal(KNOWN.level.low, kept[1])
    assert np.array_equal(KNOWN.level.high, kept[-2])
    moved = shifted(KNOWN_DAYS, 4)
    for before in (None, KNOWN_DAYS[-5:], KNOWN_DAYS[-30:] + 0.3):
        assert same(judge(KNOWN, moved, before), judge(one_for_all(KNOWN), moved, before))


def test_days_larger_than_any_of_training_have_no_narrower_range():
    largest, larger = (KNOWN.usual(np.full(STATISTICS, size)) for size in (SIZE, 100 * SIZE))
    assert np.array_equal(largest, larger)
    low, high = KNOWN.usual(np.full(STATISTICS, SIZE / 10))
    assert (low < largest[0]).all()
    assert (high > largest[1]).all()


def same(one: Judged, other: Judged) -> bool:
    names = ("evidence", "blocks", "low", "high")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_limits_are_stored_to_the_bit():
    stored = msgspec.msgpack.encode(KNOWN, enc_hook=encode)
    read = msgspec.msgpack.decode(stored, type=Limits, dec_hook=decode)
    moved = shifted(KNOWN_DAYS, 4)
    assert same(judge(read, moved, KNOWN_DAYS[-5:]), judge(KNOWN, moved, KNOWN_DAYS[-5:]))
    assert read.traits == KNOWN.traits


def test_only_arrays_are_stored():
    with pytest.raises(TypeError, match="set is not stored"):
        encode({1})
