"""Things that come again each day, what names them, and what they do not have again."""

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import renewed
from lockstep.laws.book import Book
from lockstep.laws.renewed import Renewed
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.things import LAST_DAYS, names_of_things

SCHEMA = Schema(
    "Trip",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("line", "str"),
        Field("leaves", "int"),  # minutes after midnight; on each line at other ones
        Field("built", "float", optional=True),  # of the bus, which is another one each day
        Field("riders", "float"),
    ),
)
DAYS, TODAY = 28, 30


def trips(day: int = TODAY) -> Columns:
    """Trips of a day: 60 of each of three lines, a tenth of which is not made."""
    generator = np.random.default_rng(day)
    kept = generator.random(180) > 0.1
    line, number = np.repeat(np.arange(3), 60)[kept], np.tile(np.arange(60), 3)[kept]
    at = np.datetime64("2021-01-01", "us") + np.timedelta64(day, "D")
    leaves = 300 + 12 * number
    return {
        "id": np.array(
            [f"{day} {one} {two}" for one, two in zip(line, leaves, strict=True)], dtype=object
        ),
        "at": at + leaves.astype("timedelta64[m]") + generator.integers(0, 50, len(line)),
        "line": np.array(["M1", "M2", "M3"], dtype=object)[line],
        "leaves": leaves,
        "built": np.where(
            generator.random(len(line)) < 0.1, np.nan, generator.integers(2000, 2020, len(line))
        ),
        "riders": generator.poisson(30, len(line)) + generator.random(len(line)),
    }


def training(**changes: np.ndarray) -> TrainingRows:
    """The trips of the training days."""
    parts = [trips(day) for day in range(DAYS)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return TrainingRows.of(Rows({**columns, **changes}, SCHEMA))


@pytest.fixture(scope="module")
def law() -> Renewed:
    laws = {one.columns[0]: one for one in renewed.discover(training())}
    return laws["built"]


def test_what_names_a_thing_is_what_most_rows_share_with_one_of_the_day_before() -> None:
    assert {term.column for term in names_of_things(training())} == {"line", "leaves"}


def test_rows_that_are_new_each_day_are_no_things() -> None:
    rows = training().rows
    leaves = np.random.default_rng(0).integers(0, 10**9, len(rows))
    assert names_of_things(training(leaves=leaves)) == ()


def test_rows_of_no_day_are_left_out_where_there_are_few_days() -> None:
    few = training().rows.take(training().day_of < LAST_DAYS - 1)
    few.columns["at"][5] = np.datetime64("NaT")
    found = names_of_things(TrainingRows.of(few))
    assert {term.column for term in found} == {"line", "leaves"}


def as_yesterday() -> Columns:
    """Trips of today whose buses are those of the day before."""
    today, before = trips(), trips(TODAY - 1)
    names = [list(zip(one["line"], one["leaves"], strict=True)) for one in (today, before)]
    built = dict(zip(names[1], before["built"], strict=True))
    told = [built.get(name, new) for name, new in zip(names[0], today["built"], strict=True)]
    return {**today, "built": np.array(told)}


def test_buses_of_the_same_trips_of_the_day_before_are_an_error(law) -> None:
    before = Book(timezone="UTC", days=DAYS, laws=(law,), unjudged={}).remembered(
        Rows(trips(TODAY - 1), SCHEMA), "yesterday"
    )
    clean = Rows(trips(), SCHEMA, day="2021-01-31", earlier=(before,))
    copied = Rows(as_yesterday(), SCHEMA, day="2021-01-31", earlier=(before,))

    assert law.find(clean) is None
    broken = law.find(copied)
    assert broken is not None
    assert broken.strict
    assert broken.columns == ("built", "leaves", "line")


def test_things_that_are_as_they_were_in_all_warn(law) -> None:
    before = trips(TODAY - 1)
    kept = Book(timezone="UTC", days=DAYS, laws=(law,), unjudged={}).remembered(
        Rows(before, SCHEMA), "yesterday"
    )
    closed = {**before, "at": before["at"] + np.timedelta64(1, "D")}
    broken = law.find(Rows(closed, SCHEMA, day="2021-01-31", earlier=(kept,)))
    assert broken is not None
    assert not broken.strict
