"""What moves slowly goes on from day to day; a level that is off begins or ends with a step."""

import msgspec
import numpy as np
import pytest

from lockstep.checks.laws import check_laws
from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book
from lockstep.laws.continuity import Continues, Step, discover
from lockstep.laws.earlier import Earlier
from lockstep.laws.margins import calibrated
from lockstep.laws.rows import Rows, TrainingRows
from tests.lockstep.laws.tables import DAYS, SCHEMA, reports, training


def days_of(first: int, days: int = 1) -> Columns:
    """Reports whose season moves on within the day, and not from midnight to midnight."""
    columns = reports(first, days)
    passed = (columns["at"] - np.datetime64("2021-01-01")) / np.timedelta64(1, "D")
    steps, smooth = (20 * np.sin(2 * np.pi * at / 365) for at in (np.floor(passed), passed))
    return {**columns, "heat": (columns["heat"] - steps + smooth).round(1)}


@pytest.fixture(scope="module")
def laws() -> list[Continues]:
    return discover(TrainingRows.of(Rows(days_of(0, DAYS), SCHEMA)))


@pytest.fixture(scope="module")
def book(laws) -> Book:
    return Book(timezone="UTC", days=DAYS, laws=calibrated(laws)[0], unjudged={})


def kept(book: Book, day: int) -> tuple[Earlier]:
    """What is kept of a day, as it is stored and read again."""
    found = book.remembered(Rows(days_of(day), SCHEMA), f"day {day}")
    return (msgspec.json.decode(msgspec.json.encode(found), type=Earlier),)


def rows(day: int, off: float = 0.0, **neighbours: tuple[Earlier]) -> Rows:
    columns = days_of(day)
    return Rows({**columns, "heat": columns["heat"] + off}, SCHEMA, **neighbours)


def test_numbers_that_move_slowly_go_on_and_no_others_do(laws) -> None:
    assert [law.columns[0] for law in laws] == ["heat"]


def test_no_column_of_many_goes_on_by_chance() -> None:
    columns, rng = days_of(0, 25), np.random.default_rng(0)
    random = {f"x{number}": rng.normal(size=len(columns["id"])) for number in range(300)}
    schema = Schema("Wide", (*SCHEMA.fields, *(Field(name, "float") for name in random)))
    found = discover(TrainingRows.of(Rows({**columns, **random}, schema)))
    assert {law.columns[0] for law in found} == {"heat"}


@pytest.mark.parametrize("day", [DAYS, 60, 91, 182, 274, 350])
def test_a_later_day_goes_on_in_any_season(book, day) -> None:
    assert book.find(rows(day, earlier=kept(book, day - 1), later=kept(book, day + 1))) == []


@pytest.mark.parametrize("off", [-8.0, 8.0])
def test_a_level_that_other_days_have_is_an_error_after_the_day_before(book, off) -> None:
    (found,) = book.find(rows(DAYS, off, earlier=kept(book, DAYS - 1)))
    assert found.strict
    assert found.columns == ("heat",)
    assert f"from the end of day {DAYS - 1}, in 1 hours" in found.message


def test_a_day_that_comes_late_is_held_against_the_day_after_it(book) -> None:
    (found,) = book.find(rows(DAYS, 8.0, later=kept(book, DAYS + 1)))
    assert found.strict
    assert f"to the beginning of day {DAYS + 1}" in found.message


@pytest.mark.parametrize("before", [0, 1, DAYS - 2])
def test_a_day_that_nothing_is_next_to_is_not_judged_and_says_so(book, before) -> None:
    alone = rows(DAYS, 8.0, earlier=kept(book, before))
    assert book.find(alone) == []
    result = check_laws(book, alone)
    assert not result.judged
    assert "nothing is kept of the day before or after" in result.summary


def test_what_an_older_version_kept_tells_nothing(book) -> None:
    (without,) = kept(book, DAYS - 1)
    assert book.find(rows(DAYS, 8.0, earlier=(msgspec.structs.replace(without, ends={}),))) == []


def test_a_number_that_begins_each_day_anew_does_not_go_on() -> None:
    columns = reports(days=DAYS)
    anew = columns["starts"] / 100 + np.random.default_rng(0).normal(0, 0.1, len(columns["id"]))
    assert "heat" not in {law.columns[0] for law in discover(training(heat=anew))}


def test_a_tariff_that_stands_still_at_midnight_does_not_go_on() -> None:
    columns = reports(days=DAYS)
    passed = (columns["at"] - np.datetime64("2021-01-01")) / np.timedelta64(1, "D")
    day, hour = np.floor(passed), 24 * (passed - np.floor(passed))
    tariff = np.clip(hour - 6, 0, None) * np.clip(18 - hour, 0, None) * (1 + day % 7) / 100
    assert "heat" not in {law.columns[0] for law in discover(training(heat=tariff))}


def counted(day: int, days: int = 1, ahead: int = 12) -> Columns:
    """Reports of a counter that begins anew each third day, some hours before midnight."""
    columns = reports(day, days)
    hours = (columns["at"] - np.datetime64("2021-01-01")) / np.timedelta64(1, "h") + ahead
    return {**columns, "heat": hours % 72 + np.random.default_rng(day).normal(0, 0.05, len(hours))}


def test_what_jumps_within_days_may_do_so_between_them() -> None:
    laws = discover(TrainingRows.of(Rows(counted(0, DAYS), SCHEMA)))
    (law,), _ = calibrated([one for one in laws if one.columns[0] == "heat"])
    book = Book(timezone="UTC", days=DAYS, laws=(law,), unjudged={})
    before = (book.remembered(Rows(counted(98, ahead=0), SCHEMA), "day 98"),)
    (found,) = book.find(Rows(counted(99, ahead=0), SCHEMA, earlier=before))
    assert law.jumps
    assert not found.strict


def test_a_direction_goes_on_through_north() -> None:
    columns = days_of(0, DAYS)
    turned = discover(
        TrainingRows.of(Rows({**columns, "heat": 20 * columns["heat"] % 360}, SCHEMA))
    )
    (law,) = (one for one in turned if one.columns[0] == "heat")
    assert law.turn == 360
    assert not law.jumps
    assert law.read(Step(355.0, 1.0, (0.0,) * 4)) == law.read(Step(-5.0, 1.0, (0.0,) * 4))


@pytest.mark.parametrize(
    "leads", [(3.0, 3.0, -3.0, -3.0), (1.0, 7.0, 1.0, 1.0), (6.0, 6.0, 6.0, 6.0)],
    ids=["sides differ", "hours differ", "fast"],
)  # fmt: skip
def test_a_step_counts_less_where_slopes_lead_apart_or_far(laws, leads) -> None:
    (law,) = laws
    lead = law.weights[0] + law.weights[1] * sum(leads) / 4
    calm = Step(law.weights[0] + 5.0, 1.0, (0.0, 0.0, 0.0, 0.0))
    assert law.read(Step(lead + 5.0, 1.0, leads)).value < law.read(calm).value / 2


def test_what_counts_rows_may_go_far_in_a_night() -> None:
    columns = days_of(0, DAYS)
    counted = Rows({**columns, "flow": np.arange(len(columns["id"])) * 1.0}, SCHEMA)
    laws = discover(TrainingRows.of(counted))
    assert {law.columns[0]: law.jumps for law in laws} == {"heat": False, "flow": True}
