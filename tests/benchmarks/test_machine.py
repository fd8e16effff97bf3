"""Facts and summaries in the head of a benchmark's report."""

from importlib.metadata import version

import pytest

from benchmarks._machine import Spread, machine, spread


def test_spread_interpolates_between_samples() -> None:
    assert spread([0.0, 10.0, 5.0]) == Spread(median=5.0, p10=1.0, p90=9.0)


def test_spread_of_one_sample_is_that_sample() -> None:
    assert spread([2.0]) == Spread(2.0, 2.0, 2.0)


def test_spread_refuses_no_samples() -> None:
    with pytest.raises(ValueError, match="no samples"):
        spread([])


def test_machine_names_the_installed_versions() -> None:
    assert machine().libraries["dagster"] == version("dagster")
