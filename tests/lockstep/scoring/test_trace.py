"""A row is traced whatever became of it: scored, set aside before it was computed, or after."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS
from lockstep.columns.decode import decode
from lockstep.errors import LockstepError, NotStoredError
from lockstep.scoring.trace import TracedRow, trace_row
from lockstep.scoring.work import Work
from tests.fixtures.order_store import DAY, orders_of
from tests.fixtures.scored import score

KEY = f"{DAY}-0007"
CHEAP = {
    "name": "cheap",
    "expectations": [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "price_per_item", "max_value": 400},
            "severity": "critical",
        }
    ],
}


def orders(**seventh: object) -> pd.DataFrame:
    """A day's orders, with other values in the seventh."""
    frame = orders_of(DAY)
    for name, value in seventh.items():
        frame[name] = frame[name].astype(object)
        frame.loc[7, name] = value
    return frame


def traced(live, frame: pd.DataFrame, key: str = KEY) -> TracedRow:
    """Score a day's orders, none of which may be dear, and trace one of them."""
    version = live.registry.load("orders", "live")
    version = replace(version, suites={**version.suites, "features": CHEAP})
    rows = decode(frame, version.pipeline.record_schema)
    score(Work(ASSETS, live.store, "daily", DAY), version, rows, accept=["price"])
    return trace_row(ASSETS, live.home, live.registry, DAY, key)


def test_a_scored_row_agrees_with_itself(live) -> None:
    found = traced(live, orders())
    assert found.aside is None
    assert found.agrees


@pytest.mark.parametrize(
    ("seventh", "reason"),
    [
        ({"items": 0}, "items: 0 is not between 1 and 100"),
        ({"price": "cheap"}, "price: 'cheap' is text, not a number"),
    ],
)
def test_a_row_that_was_never_computed_has_its_reasons_and_its_fields_as_they_came(
    live, seventh: dict[str, object], reason: str
) -> None:
    found = traced(live, orders(**seventh))
    assert found.aside is not None
    assert found.aside.step == "batch"
    assert reason in found.summary
    assert {name: found.computed[name] for name in seventh} == seventh
    assert "risk" not in found.computed


def test_a_row_that_was_set_aside_by_what_was_computed_of_it_shows_all_of_that(live) -> None:
    found = traced(live, orders(price=3000.0, items=1))
    assert found.aside is not None
    assert found.summary == (
        "It was set aside after it was computed, as quarantined: price_per_item: 3000 is above 400"
    )
    assert (found.computed["price_per_item"], found.version) == (3000.0, 1)
    assert tuple(found.computed) == live.registry.load("orders", 1).pipeline.graph.served


def test_a_row_on_which_a_function_fails_has_the_columns_that_do_not_need_it(fussy) -> None:
    found = traced(fussy, orders(country="XX"))
    assert found.aside is not None
    assert "KeyError" in found.summary
    assert found.computed["country"] == "XX"
    assert "price_per_item" in found.computed
    assert "risk" not in found.computed


def test_the_first_of_two_rows_of_one_key_is_the_one_that_is_scored(live) -> None:
    frame = orders()
    found = traced(live, pd.concat([frame, frame.iloc[[7]]], ignore_index=True))
    assert found.aside is None


def test_rows_of_a_day_that_was_blocked_before_it_was_scored_are_found(live) -> None:
    frame = orders()
    frame["items"] = np.where(np.arange(120) < 20, 0, frame["items"])
    refused, accepted = (traced(live, frame, key) for key in (KEY, f"{DAY}-0100"))
    assert refused.aside is not None
    assert accepted.aside is not None
    assert "as quarantined: items: 0 is not between 1 and 100" in refused.summary
    assert "not scored, since a check blocks its batch: input_suite: " in accepted.summary
    assert "risk" in accepted.computed
    with pytest.raises(NotStoredError, match=f"has not scored {DAY}"):
        traced(live, frame, "x")


def test_a_key_that_never_came_is_told_with_some_that_did(live) -> None:
    with pytest.raises(LockstepError, match=f"no row 'x' in {DAY}, and set none aside.*{DAY}-0000"):
        traced(live, orders(), "x")
