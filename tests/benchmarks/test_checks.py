"""What the benchmark of the checks makes of what was timed."""

import pandas as pd
import pytest

from benchmarks.checks import Cost, figures, repeated, targets

pytestmark = pytest.mark.long


def test_repeated_flights_have_keys_of_their_own_in_the_same_form() -> None:
    rows = pd.DataFrame({"flight_id": ["2013-05-02 UA 1545 EWR-IAH 0515"], "temp": [60.0]})

    found = repeated(rows, 3)

    assert found["flight_id"].is_unique
    assert found["flight_id"].str.fullmatch(r"2013-05-02 UA \d+ EWR-IAH 0515").all()
    assert found["temp"].tolist() == [60.0] * 3


def test_checks_are_a_share_of_the_rest_and_not_of_all() -> None:
    found = figures([Cost(1_000, 1.2, {"constraints": 0.15, "code_parity": 0.05})])

    assert (found["checks_seconds"], found["rest_seconds"]) == (0.2, 1.0)
    assert found["share"] == pytest.approx(0.2)
    assert list(found["by_check"]) == ["constraints", "code_parity"]


def test_a_target_that_is_missed_is_said_to_fall_short() -> None:
    slow = figures([Cost(1_000, 2.0, {"constraints": 1.0})])
    large = figures([Cost(1_000_000, 30.0, {"constraints": 4.0})])

    said = [*targets({"day": slow, "run": slow, "million": large})]

    assert [one.rpartition(" ")[2] for one in said] == ["SHORT", "1", "met"]
