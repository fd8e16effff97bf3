"""Identity: keys and contents that were there before."""

import numpy as np

from tests.lockstep.constraints.tables import HOUR, changed, joined, only, texts


def kinds(found):
    return {one.statistic.feature.kind for one in found.details}


def test_a_key_that_comes_twice_is_found(shops):
    rows = shops.day()
    found = shops.first(changed(rows, "id", [8], rows["id"][7]))
    assert found.columns == ("id",)
    assert (found.family, found.details[0].statistic.feature.kind) == ("identity", "twice")


def test_a_key_of_a_day_before_is_found(shops):
    found = shops.first(changed(shops.day(), "id", [7], shops.day(-3)["id"][7]))
    assert found.columns[0] == "id"
    assert "again" in kinds(found)


def sent_twice(rows, later):
    """Rows of which ten come again, some time later, by other keys."""
    again = only(rows, slice(0, 10))
    again["id"] = texts([f"2024-04-30/9{number:03d}" for number in range(10)])
    again["at"] = again["at"] + np.timedelta64(int(later * HOUR), "us")
    return joined([rows, again])


def test_rows_that_come_twice_by_other_keys_are_found(shops):
    found = shops.findings(sent_twice(shops.day(), 0.01))
    assert any("twice" in kinds(one) for one in found)


def test_rows_that_come_twice_at_one_moment_are_one_finding(shops):
    (found,) = shops.findings(sent_twice(shops.day(), 0.0))
    assert found.columns[0] == "id"


def test_rows_of_the_day_before_by_other_keys_are_found(shops):
    rows, before = only(shops.day(), slice(0, 70)), only(shops.day(-1), slice(0, 70))
    found = shops.first({**before, "id": rows["id"], "at": rows["at"]})
    assert found.family == "identity"
    assert "again" in kinds(found)
    assert found.blocks
    assert len(found.rows) == 70
