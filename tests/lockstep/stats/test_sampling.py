"""A sample of units is the sample of the batch, and holds the keys of other samples."""

import numpy as np

from lockstep.stats.sampling import Sample, Sampling

KEYS = np.array([f"k{number}" for number in range(20_000)], dtype=object)
COLUMNS = {"key": KEYS, "number": np.arange(len(KEYS))}
KEPT = np.ones(len(KEYS), dtype=bool)


def drawn(start: int, end: int, draw: Sampling) -> Sample:
    rows = slice(start, end)
    part = {name: array[rows] for name, array in COLUMNS.items()}
    return Sample.of(part, "key", COLUMNS["number"][rows], KEPT[rows], draw)


def test_a_batch_of_few_rows_is_drawn_as_a_whole() -> None:
    sample = drawn(0, len(KEYS), Sampling(len(KEYS)))
    assert sample.kept_columns is sample.columns
    assert sample.columns["key"] is not None
    assert len(sample.columns["key"]) == len(KEYS)


def test_samples_of_units_join_to_that_of_the_batch() -> None:
    draw = Sampling(len(KEYS), most=1_000)
    whole = drawn(0, len(KEYS), draw)
    joined = Sample.joined([drawn(0, 7_000, draw), drawn(7_000, len(KEYS), draw)])
    assert joined.numbers.tolist() == whole.numbers.tolist()
    assert 800 < len(whole.numbers) < 1_200
    assert draw.of_each == 20


def test_a_sample_of_more_rows_holds_the_keys_of_one_of_fewer() -> None:
    few = {*drawn(0, len(KEYS), Sampling(len(KEYS), most=500)).numbers.tolist()}
    many = {*drawn(0, len(KEYS), Sampling(len(KEYS), most=1_000)).numbers.tolist()}
    assert few < many


def test_rows_that_are_set_aside_later_are_not_kept() -> None:
    sample = drawn(0, 10, Sampling(10)).without(np.isin(np.arange(10), [3, 4]))
    assert sample.kept_columns["number"].tolist() == [0, 1, 2, 5, 6, 7, 8, 9]
