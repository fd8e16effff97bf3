"""Numbers that are measured of each row are not those of groups, nor rounded."""

import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.variety import Apart, Varied, discover

SCHEMA = Schema(
    "Ride",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("zone", "str"),
        Field("bike", "int"),
        Field("latitude", "float"),  # of each row
        Field("tip", "float"),  # of half of the rows
        Field("degrees", "float"),  # in tenths
        Field("total", "float"),  # of a bike, so far
        Field("back_by", "datetime", optional=True),  # to the second, told by half of the riders
        Field("sent", "datetime"),  # at the next full hour
    ),
)
DAYS, ROWS = 30, 120
HOUR = np.timedelta64(1, "h")


def rides(day: int = DAYS, days: int = 1) -> Columns:
    """Rides of some days."""
    parts = [_day(one) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    random = np.random.default_rng((2, day))
    zone, bike = random.integers(0, 6, ROWS), random.integers(0, 8, ROWS)
    driven = random.exponential(3, (ROWS, 8)).cumsum(axis=0)
    at = np.datetime64("2021-01-01", "us") + np.timedelta64(day, "D")
    at = at + np.arange(ROWS) * np.timedelta64(10, "m")
    back_by = at + random.integers(10_000, 60_000, ROWS).astype("timedelta64[s]")
    return {
        "id": np.array([f"{day}-{row}" for row in range(ROWS)], dtype=object),
        "at": at,
        "zone": np.array([f"zone {one}" for one in zone], dtype=object),
        "bike": bike,
        "latitude": (45 + zone / 10 + random.normal(0, 0.02, ROWS)).round(6),
        "tip": np.where(random.random(ROWS) < 0.5, random.exponential(2, ROWS).round(5), 0.0),
        "degrees": random.normal(12, 4, ROWS).round(1),
        "total": 1_000.0 * bike + 90 * day + driven[np.arange(ROWS), bike],
        "back_by": np.where(np.arange(ROWS) % 2 == 0, back_by, np.datetime64("NaT")),
        "sent": at.astype("datetime64[h]") + HOUR,
    }


@pytest.fixture(scope="module")
def laws() -> dict[str, Varied | Apart]:
    found = discover(TrainingRows.of(Rows(rides(0, DAYS), SCHEMA)))
    return {law.columns[0]: law for law in found}


def test_it_is_of_fine_numbers_that_do_not_go_on_and_of_moments_of_rows(laws):
    assert {name: type(law) for name, law in laws.items()} == {
        "latitude": Varied,
        "tip": Varied,
        "back_by": Apart,
    }


def test_later_days_have_as_many_numbers(laws):
    later = [Rows(rides(day), SCHEMA) for day in range(DAYS, DAYS + 40)]
    assert [law.find(rows) for law in laws.values() for rows in later] == [None] * 120


def by_zone(columns: Columns) -> Array:
    means = {one: columns["latitude"][columns["zone"] == one].mean() for one in columns["zone"]}
    return np.array([means[one] for one in columns["zone"]])


@pytest.mark.parametrize(
    "change", [by_zone, lambda columns: columns["latitude"].round(2)], ids=["of zones", "rounded"]
)
def test_numbers_of_groups_or_rounded_ones_are_an_error(laws, change):
    columns = rides()
    broken = laws["latitude"].find(Rows({**columns, "latitude": change(columns)}, SCHEMA))
    assert broken.strict
    assert broken.columns == ("latitude",)
    assert len(broken.rows) > ROWS / 2


def test_a_day_on_which_nobody_gives_a_tip_tells_nothing(laws):
    assert laws["tip"].find(Rows({**rides(), "tip": np.zeros(ROWS)}, SCHEMA)) is None


def test_moments_that_are_capped_are_an_error(laws):
    columns = rides()
    closes = columns["at"].astype("datetime64[D]") + 17 * HOUR
    is_late = (columns["back_by"] > closes) & (columns["at"] < closes)
    capped = np.where(is_late, closes, columns["back_by"])
    broken = laws["back_by"].find(Rows({**columns, "back_by": capped}, SCHEMA))
    assert broken.strict
    assert broken.rows.tolist() == np.flatnonzero(is_late).tolist()


@pytest.mark.parametrize(("rows", "strict"), [(6, None), (16, False), (40, True)])
def test_a_few_moments_may_be_the_same_and_more_of_them_warn(laws, rows, strict):
    columns = rides()
    few = np.where(np.arange(ROWS) < rows, columns["back_by"][0], columns["back_by"])
    broken = laws["back_by"].find(Rows({**columns, "back_by": few}, SCHEMA))
    assert (None if broken is None else broken.strict) == strict


def test_moments_that_are_capped_can_be_accepted(laws):
    columns = rides()
    few = np.where(np.arange(ROWS) < 40, columns["back_by"][0], columns["back_by"])
    broken = laws["back_by"].find(Rows({**columns, "back_by": few}, SCHEMA))
    assert broken.cases == {"rows": 39 / 80}
