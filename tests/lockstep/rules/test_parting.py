"""Parting: every row is either kept or refused with its reasons, whatever its neighbours are."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns, Kind
from lockstep.columns.tables import take_rows
from lockstep.errors import SuiteError
from lockstep.rules.row_rules import applicable_rules, compile_rules, part


def suite(name: str, *expectations: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "expectations": [
            {"type": kind, "kwargs": kwargs, "severity": "critical"}
            for kind, kwargs in expectations
        ],
    }


SHARES = suite(
    "features",
    ("expect_column_values_to_be_between", {"column": "share", "min_value": 0, "max_value": 1}),
    ("expect_column_values_to_be_in_set", {"column": "region", "value_set": ["home", "abroad"]}),
)
COSTS = suite("outputs", ("expect_column_values_to_not_be_null", {"column": "cost"}))
RULES = (compile_rules(SHARES), compile_rules(COSTS))

Row = tuple[float, str | None, float]
ROWS = st.lists(
    st.tuples(
        st.floats(-0.5, 1.5) | st.just(float("nan")),
        st.sampled_from(["home", "abroad", "nowhere", None]),
        st.floats(0, 9) | st.just(float("nan")),
    ),
    min_size=1,
    max_size=30,
)


def columns(rows: list[Row]) -> Columns:
    return {
        "key": np.arange(len(rows)),
        "share": np.array([share for share, _, _ in rows]),
        "region": np.array([region for _, region, _ in rows], dtype=object),
        "cost": np.array([cost for _, _, cost in rows]),
    }


def keeps_all_rules(row: Row) -> bool:
    """By hand: what is missing passes all rules but that it be there."""
    share, region, cost = row
    return not (share < 0 or share > 1) and region != "nowhere" and not np.isnan(cost)


@given(ROWS)
def test_a_row_is_kept_if_it_keeps_all_rules_or_refused_with_reasons(rows: list[Row]) -> None:
    parted = part(columns(rows), RULES)
    kept = [number for number, row in enumerate(rows) if keeps_all_rules(row)]
    assert parted.kept["key"].tolist() == kept
    assert list(parted.refused) == sorted(set(range(len(rows))) - set(kept))
    assert all(parted.refused.values())


@given(ROWS)
def test_a_row_alone_is_parted_as_it_is_in_company(rows: list[Row]) -> None:
    together = columns(rows)
    parted = part(together, RULES)
    for row in range(len(rows)):
        alone = part(take_rows(together, slice(row, row + 1)), RULES)
        assert alone.refused.get(0) == parted.refused.get(row)


@given(ROWS)
def test_what_is_kept_has_the_values_that_it_had(rows: list[Row]) -> None:
    together = columns(rows)
    kept = part(together, RULES).kept
    before = take_rows(together, kept["key"])
    assert all(np.array_equal(kept[name], before[name], equal_nan=name == "share") for name in kept)


def test_a_row_has_the_reasons_of_all_suites_in_their_order() -> None:
    (reasons,) = part(columns([(2.0, "nowhere", float("nan"))]), RULES).refused.values()
    assert [str(reason) for reason in reasons] == [
        "share: 2 is not between 0 and 1",
        "region: 'nowhere' is not one of home, abroad",
        "cost: is missing",
    ]


def test_rules_about_a_column_that_is_not_there_are_refused_by_name() -> None:
    with pytest.raises(SuiteError, match=r"'outputs'.*'cost', which the records do not have"):
        part({"share": np.array([1.0]), "region": np.array(["home"], dtype=object)}, RULES)


def test_a_suite_that_cannot_be_asked_is_left_out_and_the_others_are_not() -> None:
    kinds = {"share": Kind.FLOAT, "region": Kind.TEXT}
    assert [rules.suite for rules in applicable_rules([SHARES, COSTS], kinds)] == ["features"]
