"""The rows of a batch that are looked at closely: the rare ones, and those nearly otherwise."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.orders import ASSETS, orders_with_fates
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.selection import choose_sample

Chosen = Callable[..., list[int]]


@pytest.fixture(scope="module")
def fitted() -> tuple[Pipeline, Columns]:
    """The pipeline, and a day's orders in canonical form."""
    rows = decode(orders_with_fates(date(2020, 1, 1)), ASSETS.pipeline.joint_schema).columns
    names = ASSETS.pipeline.record_schema.names
    return ASSETS.pipeline.unfitted().fit(rows), {name: rows[name] for name in names}


def chosen(fitted: tuple[Pipeline, Columns], limit: int, **changes: object) -> list[int]:
    """The rows that are chosen of the orders with these columns in place of others."""
    pipeline, rows = fitted
    columns = pipeline.trace({**rows, **changes}).columns
    ranks = np.random.default_rng(0).permutation(len(rows["price"]))
    return choose_sample(pipeline.graph, columns, ranks, limit).tolist()


@pytest.mark.parametrize("place", [0, 5, 17])
def test_a_category_of_one_row_is_among_them(fitted, place: int) -> None:
    countries = fitted[1]["country"].copy()
    countries[place] = "IS"
    assert place in chosen(fitted, 12, country=countries)


@pytest.mark.parametrize("place", [0, 5, 17])
def test_the_greatest_value_is_among_them(fitted, place: int) -> None:
    prices = fitted[1]["price"].copy()
    prices[place] = 1e6
    assert place in chosen(fitted, 12, price=prices)


def test_the_only_row_of_a_decision_is_among_them(fitted) -> None:
    pipeline, rows = fitted
    columns = pipeline.trace(rows).columns
    decisions = columns["will_return"]
    rarer = np.flatnonzero(decisions == (decisions.mean() < 0.5))
    kept = np.sort(np.r_[np.flatnonzero(decisions != decisions[rarer[0]]), rarer[:1]])
    columns = {name: array[kept] for name, array in columns.items()}
    place = int(np.searchsorted(kept, rarer[0]))
    assert place in choose_sample(pipeline.graph, columns, np.arange(len(kept))[::-1], 20)


@given(limit=st.integers(1, 60))
def test_no_more_rows_are_chosen_than_are_asked_for_and_each_once(fitted, limit: int) -> None:
    found = chosen(fitted, limit)
    assert len(found) == min(limit, len(fitted[1]["price"]))
    assert sorted(set(found)) == found
