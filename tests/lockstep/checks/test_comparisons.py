"""A comparison as a check result tells what a divergence does to the outputs, and draws it."""

from base64 import b64decode
from types import SimpleNamespace

import numpy as np
import pytest

from assets.orders import ASSETS, orders_with_fates
from lockstep.checks.comparisons import check_comparison, check_compiled
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.parity.comparison import ParityReport, compare
from lockstep.parity.compiled import Agreement
from lockstep.parity.scales import Scales
from lockstep.store.results import CheckResult


@pytest.fixture(scope="module")
def fitted() -> tuple[Pipeline, Columns]:
    """The pipeline, fitted, and the columns of the orders that it was fitted to."""
    from datetime import date

    rows = decode(orders_with_fates(date(2020, 1, 1)), ASSETS.pipeline.joint_schema).columns
    pipeline = ASSETS.pipeline.unfitted().fit(rows)
    return pipeline, pipeline.trace(rows).columns


def checked(fitted: tuple[Pipeline, Columns], **changes: object) -> CheckResult:
    """The columns, compared with what they would be with these in place of others."""
    pipeline, columns = fitted
    keys = columns[pipeline.key]
    found = compare(
        Trace(keys, columns, {}),
        Trace(keys, {**columns, **changes}, {}),
        pipeline.graph,
        scales=Scales(),
    )
    return check_comparison(found, pipeline.graph, "computed by the test")


def test_decisions_that_flip_and_scores_that_move_are_told(fitted) -> None:
    columns = fitted[1]
    flipped = columns["will_return"].copy()
    flipped[:2] = ~flipped[:2]
    moved = columns["risk"].copy()
    moved[0] += 0.25
    found = checked(fitted, will_return=flipped, risk=moved)
    count = len(flipped)
    assert f"risk moves in 1 of {count} rows, by +" in found.summary
    assert "on average and up to 0.25, most where gift is " in found.summary
    assert f"will_return flips in 2 of {count} rows, most where gift is " in found.summary
    assert found.numbers["will_return: rows that differ"] == 2


def test_a_divergence_that_reaches_no_output_says_so(fitted) -> None:
    found = checked(fitted, is_heavy=~fitted[1]["is_heavy"])
    assert found.column == "is_heavy"
    assert "No output that was compared differs." in found.summary


def test_the_first_divergence_is_drawn_with_both_values_and_small_enough_to_be_kept(fitted) -> None:
    found = checked(fitted, is_heavy=~fitted[1]["is_heavy"])
    picture = found.notes["the columns around it"]
    drawn = b64decode(picture.partition("base64,")[2].rstrip(")")).decode()
    assert ">False → True<" in drawn or ">True → False<" in drawn
    assert found.to_json()["notes"]["the columns around it"] == picture


def test_a_comparison_without_a_difference_tells_of_no_outputs(fitted) -> None:
    found = checked(fitted, price=np.array(fitted[1]["price"]))
    assert found.passed
    assert "utput" not in found.summary
    assert not found.notes


def test_a_model_that_is_not_compiled_is_served_by_its_estimator(fitted) -> None:
    reasons = dict.fromkeys(fitted[0].graph.models, "Winsorizer has no compiled form")
    compiled = Compiled.of(fitted[0], reasons)
    agreed = Agreement(compiled, ParityReport(()), {})
    result = check_compiled(SimpleNamespace(agreement=agreed, differing=None, pipeline=fitted[0]))
    assert result.summary == (
        "No model is compiled; the estimators themselves serve: return_probability (Winsorizer has "
        "no compiled form), expected_cost (Winsorizer has no compiled form)."
    )
