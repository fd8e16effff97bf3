"""What determines what is found in the rows, and rows that contradict it are named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.dependencies import Dependency, Search, discover
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.terms import Term
from tests.lockstep.laws import garages

DAYS, ROWS = 30, 60
SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("place", "str"),
        Field("line", "str"),
        Field("height", "float", optional=True),
        Field("level", "float", optional=True),
        Field("noise", "float"),
    ),
)


def readings(seed: int = 0, days: int = DAYS, rows: int = ROWS) -> Columns:
    """Readings of some days: a place has a height, and each hour of a place a level."""
    generator = np.random.default_rng(seed)
    count = days * rows
    places, lines = generator.integers(0, 4, count), generator.integers(0, 3, count)
    day = np.arange(count) // rows
    hours = generator.integers(0, 5, count)
    levels = generator.normal(size=(days, 5, 4)).round(1)
    return {
        "id": np.array([f"r{number}" for number in range(count)], dtype=object),
        "at": np.datetime64("2020-01-01", "us")
        + day.astype("timedelta64[D]")
        + hours.astype("timedelta64[h]")
        + generator.integers(0, 3600, count).astype("timedelta64[s]"),
        "place": np.array([f"p{place}" for place in places], dtype=object),
        "line": np.array([f"l{line}" for line in lines], dtype=object),
        "height": places * 10.5,
        "level": levels[day, hours, places],
        "noise": generator.normal(size=count),
    }


def found(columns: Columns) -> dict[str, Dependency]:
    return {law.says: law for law in discover(TrainingRows.of(Rows(columns, SCHEMA)))}


def one_day(**changes: np.ndarray) -> Rows:
    return Rows({**readings(7, days=1), **changes}, SCHEMA)


@pytest.fixture(scope="module")
def laws() -> dict[str, Dependency]:
    return found(readings())


LEVEL = "one level for each place and hour of at"


def test_what_holds_on_every_day_is_found_and_nothing_else(laws) -> None:
    assert set(laws) == {"one height for each place", LEVEL}
    assert all(law.is_strict and law.days == DAYS for law in laws.values())


def test_a_day_that_keeps_it_breaks_nothing(laws) -> None:
    assert [law.find(one_day()) for law in laws.values()] == [None, None]


def test_the_rows_that_differ_from_most_they_agree_with_are_named(laws) -> None:
    level = readings(7, days=1)["level"]
    level[[3, 17]] += 1
    broken = laws[LEVEL].find(one_day(level=level))
    assert broken is not None
    assert broken.rows.tolist() == [3, 17]
    assert broken.columns[0] == "level"
    assert broken.strict


def test_a_value_that_is_missing_in_some_rows_of_a_group_breaks_it(laws) -> None:
    level = readings(7, days=1)["level"]
    level[3] = np.nan
    broken = laws[LEVEL].find(one_day(level=level))
    assert broken is not None
    assert broken.rows.tolist() == [3]
    assert "none in 1 row" in broken.message


def test_where_single_values_are_missing_in_training_those_that_are_there_agree() -> None:
    columns = readings()
    columns["level"][::9] = np.nan
    law = found(columns)[LEVEL]
    assert not law.missing
    level = readings(7, days=1)["level"]
    level[::5] = np.nan
    assert law.find(one_day(level=level)) is None
    level[3] += 1
    assert law.find(one_day(level=level)) is not None


def test_a_day_that_broke_it_in_training_leaves_no_law() -> None:
    columns = readings()
    columns["level"][5] += 1
    assert set(found(columns)) == {"one height for each place"}


def test_rows_of_different_days_need_not_agree_in_what_depends_on_the_day() -> None:
    def told_daily(columns: Columns) -> Columns:
        day = columns["at"].astype("datetime64[D]").astype(int)
        return {**columns, "noise": day * 10.0 + [int(place[1]) for place in columns["place"]]}

    law = found(told_daily(readings()))["one noise for each place"]
    batch = told_daily(readings(7, days=3))
    assert law.find(Rows(batch, SCHEMA)) is None
    batch["noise"][3] += 1
    broken = law.find(Rows(batch, SCHEMA))
    assert broken is not None
    assert broken.rows.tolist() == [3]


def test_a_column_of_one_value_depends_on_nothing() -> None:
    columns = readings()
    columns["height"][:] = 3.0
    assert set(found(columns)) == {LEVEL}


@pytest.mark.parametrize("has_numbers", [True, False])
def test_a_clock_whose_ticks_are_receipts_determines_nothing(has_numbers: bool) -> None:
    columns = readings()
    receipts = np.arange(DAYS * ROWS) // 4
    random = np.random.default_rng(1)
    seconds = random.permutation(86_400)[: DAYS * ROWS // 4]
    day = columns["at"].astype("datetime64[D]").astype("datetime64[us]")
    customers = random.integers(0, 5, len(seconds))
    columns["at"] = day + seconds[receipts].astype("timedelta64[s]")
    columns["line"] = np.array([f"l{one}" for one in customers[receipts]], dtype=object)
    if has_numbers:
        columns["place"] = np.array([f"p{one}" for one in receipts], dtype=object)
    columns["height"] = columns["noise"]
    columns["level"] = customers[receipts] * 10.0
    told = {"one at for each place", "one line for each place"} if has_numbers else set()
    assert set(found(columns)) == {"one level for each line", *told}


def test_too_few_days_tell_no_law() -> None:
    assert found(readings(days=19)) == {}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.booleans())
def test_a_function_of_a_column_is_found_and_noise_is_not(
    seed: int, values: int, holds: bool
) -> None:
    columns = readings(seed % 1000)
    generator = np.random.default_rng(seed)
    lines = np.array([int(line[1]) for line in columns["line"]])
    table = generator.permutation(values * 3)[:3].astype(float)
    columns["noise"] = table[lines] if holds else generator.integers(0, values, len(lines)) * 1.0
    assert ("one noise for each line" in found(columns)) == holds


def test_two_thousand_columns_are_searched_in_bounded_time() -> None:
    columns = readings()
    wide = {f"w{number}": columns["noise"] + number for number in range(2_000)}
    schema = Schema("Wide", (*SCHEMA.fields, *(Field(name, "float") for name in wide)))
    training = TrainingRows.of(Rows({**columns, **wide}, schema))
    assert {law.says for law in discover(training)} == {"one height for each place", LEVEL}


def timetable(lines: int) -> Columns:
    """A timetable of every day: each line leaves a station at its minute, and runs for hours."""
    generator = np.random.default_rng(5)
    minutes, place = generator.choice(1440, lines, replace=False), np.arange(lines) % 4
    hours = generator.integers(1, 9, lines)
    day, line = np.divmod(np.repeat(np.arange(DAYS * lines), 4), lines)
    return {
        "id": np.array([f"r{number}" for number in range(len(day))], dtype=object),
        "at": np.datetime64("2020-01-01", "us")
        + day.astype("timedelta64[D]")
        + minutes[line].astype("timedelta64[m]"),
        "place": np.array([f"p{one}" for one in place[line]], dtype=object),
        "line": np.array([f"l{one}" for one in generator.integers(0, 3, len(day))], dtype=object),
        "height": hours[line] * 1.0,
        "level": np.zeros(len(day)),
        "noise": generator.normal(size=len(day)),
    }


def test_that_a_few_lines_never_leave_a_place_at_once_is_chance_however_many_days_have_them():
    says = "one height for each place and time of day of at"
    searches = [Search(TrainingRows.of(Rows(timetable(one), SCHEMA))) for one in (24, 400)]
    terms = (Term("place"), Term("at", "time of day"))
    assert [one.just_miss(terms, Term("height")) for one in searches] == [True, False]
    assert says not in found(timetable(24))


@pytest.mark.parametrize(
    ("says", "case"), [("one height for each place", "'p2'"), (LEVEL, "'p2', 3")]
)
def test_where_rows_differ_is_told_alike_on_the_day_after(laws, says, case):
    law, cases = laws[says], []
    for day in (0, 1):
        columns = readings(7, days=1)
        hours = columns["at"].astype("datetime64[h]").astype(int) % 24
        there = np.flatnonzero((columns["place"] == "p2") & (hours == 3))
        columns[law.columns[0]][there[:1]] = 7.0
        columns["at"] = columns["at"] + np.timedelta64(day, "D")
        broken = law.find(Rows(columns, SCHEMA))
        assert broken is not None
        cases.append(broken.cases)
    of_place = np.count_nonzero(columns["place"] == "p2") if law is not laws[LEVEL] else len(there)
    assert cases == [{case: 1 / of_place}] * 2


def test_what_is_measured_each_quarter_of_an_hour_has_one_value_in_each() -> None:
    laws = discover(garages.training())
    (law,) = (one for one in laws if one.dependent.column == "smog")
    assert law.determinants == (Term("at", "15 minutes"),)
    cars = garages.cars_of()
    assert law.find(garages.rows_of(cars)) is None
    cars["smog"] = cars["smog"].where(cars["garage"] == "east", (2.2 * cars["smog"]).round(4))
    assert law.find(garages.rows_of(cars)) is not None


def test_what_changes_slowly_at_any_time_has_no_tick() -> None:
    seconds = garages.CARS["second"].to_numpy()
    changes = np.sort(np.random.default_rng(5).uniform(0, seconds[-1], 4_000))
    smog = np.searchsorted(changes, seconds) * 0.1
    laws = discover(garages.training(smog=smog))
    assert "smog" not in {one.dependent.column for one in laws}
