"""A day has about as many rows as the days before, and so has each part of it."""

from collections.abc import Sequence

import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.rows import Rows, TrainingRows
from lockstep.laws.volume import RowsADay, RowsASegment, discover

SCHEMA = Schema(
    "Call",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("city", "str"),
        Field("number", "float"),
    ),
)
START = np.datetime64("2020-01-06", "us")
WEEK = (200, 200, 200, 200, 200, 60, 40)


def calls(first: int, counts: Sequence[int]) -> Columns:
    """Calls of some days in three cities, at six hours of the day."""
    day = np.repeat(np.arange(first, first + len(counts)), counts)
    number = np.arange(len(day))
    return {
        "id": np.array([f"{one}" for one in number], dtype=object),
        "at": START + day.astype("timedelta64[D]") + (number % 6).astype("timedelta64[h]"),
        "city": np.array(["Ulm", "Ulm", "Köln", "Bonn"], dtype=object)[number % 4],
        "number": number * 1.0,
    }


def batch(number: int, count: int, before: Sequence[int] = (), **changes: np.ndarray) -> Rows:
    """A day's calls, after so many published days of so many calls."""
    first = number - len(before)
    days = [Rows(calls(first + i, [n]), SCHEMA) for i, n in enumerate(before)]
    names = [str(START.astype("datetime64[D]") + first + i) for i in range(len(before))]
    earlier = tuple(rows.remembered(name) for rows, name in zip(days, names, strict=True))
    day = str(START.astype("datetime64[D]") + number)
    return Rows({**calls(number, [count]), **changes}, SCHEMA, "UTC", day, earlier)


@pytest.fixture(scope="module")
def laws() -> list[RowsADay | RowsASegment]:
    return discover(TrainingRows.of(Rows(calls(0, WEEK * 8), SCHEMA)))


@pytest.fixture(scope="module")
def a_day(laws) -> RowsADay:
    (law,) = [one for one in laws if isinstance(one, RowsADay)]
    return law


@pytest.fixture(scope="module")
def segments(laws) -> dict[str, RowsASegment]:
    return segments_of(laws)


def segments_of(laws) -> dict[str, RowsASegment]:
    return {one.term.says: one for one in laws if isinstance(one, RowsASegment)}


def test_days_of_the_week_are_told_apart_where_they_differ(a_day) -> None:
    assert a_day.by_weekday
    even = discover(TrainingRows.of(Rows(calls(0, [100, 103, 99, 101, 100] * 8), SCHEMA)))
    assert not even[0].by_weekday


def test_a_saturday_of_few_rows_is_usual_and_a_monday_of_so_few_is_an_error(a_day) -> None:
    before = WEEK * 4
    assert a_day.find(batch(56 + 5, 60, (*before, *WEEK[:5])[-28:])) is None
    broken = a_day.find(batch(56, 60, before))
    assert broken.strict
    assert "there are 60 rows, 30 % of the 200 that are usual" in broken.message


def test_a_holiday_is_usual_and_a_day_between_is_unusual(a_day) -> None:
    assert a_day.find(batch(56, 165, WEEK * 4)) is None
    assert not a_day.find(batch(56, 125, WEEK * 4)).strict


def test_a_day_of_twice_its_rows_is_an_error(a_day) -> None:
    assert a_day.find(batch(56, 400, WEEK * 4)).strict


def test_until_days_are_published_only_fewer_rows_than_in_training_are_unusual(a_day) -> None:
    assert not a_day.find(batch(56, 60)).strict
    assert a_day.find(batch(56, 2_000)) is None


def test_a_city_or_an_hour_that_is_gone_is_an_error(segments) -> None:
    assert set(segments) == {"city", "hour of the day of at"}
    columns = calls(56, [200])
    kept = np.flatnonzero(columns["city"] != "Bonn")
    rows = batch(56, 200).take(kept)
    broken = segments["city"].find(rows)
    assert broken.strict
    assert "0 rows of 150 have 'Bonn' as city" in broken.message
    at = columns["at"].copy()
    at[at.astype("datetime64[h]").astype(int) % 24 == 3] += np.timedelta64(1, "h")
    assert segments["hour of the day of at"].find(batch(56, 200, at=at)).strict


def by_the_minute(columns: Columns, last: int = 59) -> Columns:
    """Calls at all minutes of the hour, a fifth of them at the last one."""
    number = np.arange(len(columns["at"]))
    minute = np.where(number % 5 == 0, last, number % 60)
    return {**columns, "at": columns["at"] + minute.astype("timedelta64[m]")}


@pytest.fixture(scope="module")
def minutes() -> RowsASegment:
    laws = discover(TrainingRows.of(Rows(by_the_minute(calls(0, [200] * 30)), SCHEMA)))
    (law,) = [one for one in laws if isinstance(one, RowsASegment) and "minute" in one.term.says]
    return law


@pytest.mark.parametrize("day", ["2020-03-02", None])
def test_a_minute_of_the_hour_that_is_gone_is_an_error_of_a_day(minutes, day) -> None:
    rows = Rows(by_the_minute(calls(56, [200])), SCHEMA, day=day)
    assert minutes.find(rows) is None
    last = minutes.term.values(rows).found[minutes.term.values(rows).places] == 59
    broken = minutes.find(rows.take(~last, day))
    assert broken.strict == (day is not None)
    assert "have 59 as minute of the hour of at" in broken.message


@pytest.mark.parametrize("minute", [57, 31])
def test_what_has_moved_to_another_minute_is_not_lost(minutes, minute) -> None:
    rows = Rows(by_the_minute(calls(56, [200]), minute), SCHEMA, day="2020-03-02")
    assert not minutes.find(rows).strict


def trains(minutes: np.ndarray, days: int = 1) -> Rows:
    """Trains of some days, each day at the same minutes of the hour."""
    columns = calls(0, [len(minutes)] * days)
    at = columns["at"] + np.tile(minutes, days).astype("timedelta64[m]")
    return Rows({**columns, "at": at}, SCHEMA, day="2020-01-06" if days == 1 else None)


def test_a_timetable_that_moves_is_a_warning_and_tells_the_minutes_in_order() -> None:
    minutes = np.repeat(np.arange(55, -1, -5), 20)
    laws = discover(TrainingRows.of(trains(minutes, 20)))
    (law,) = [one for one in laws if isinstance(one, RowsASegment) and "minute" in one.term.says]
    broken = law.find(trains(minutes + 2))
    assert not broken.strict
    assert "likewise 0, 5, 10 and 8 more" in broken.message


def test_a_number_of_a_few_that_is_gone_is_an_error() -> None:
    def seats(columns: Columns) -> Columns:
        return {**columns, "number": columns["number"] % 7 * 50}

    laws = discover(TrainingRows.of(Rows(seats(calls(0, [200] * 30)), SCHEMA)))
    (law,) = [one for one in laws if isinstance(one, RowsASegment) and one.columns == ("number",)]
    columns = seats(calls(56, [200]))
    assert law.find(Rows(columns, SCHEMA)) is None
    columns["number"][columns["number"] == 150] = 510
    assert law.find(Rows(columns, SCHEMA)).strict


def test_a_form_of_texts_that_every_day_had_and_that_is_gone_is_an_error() -> None:
    def plates(columns: Columns) -> Columns:
        numbers = np.random.default_rng(0).integers(100, 3_000, len(columns["id"]))
        columns["city"] = np.array([f"UL {number}" for number in numbers], dtype=object)
        return columns

    columns = plates(calls(0, WEEK * 8))
    law = segments_of(discover(TrainingRows.of(Rows(columns, SCHEMA))))["form of city"]
    assert law.values == ("AA 9999", "AA 999")
    assert law.find(Rows(plates(calls(56, [200])), SCHEMA, day="2020-03-02")) is None

    cut = plates(calls(56, [200]))
    cut["city"] = np.array([text[:6] for text in cut["city"]], dtype=object)
    broken = law.find(Rows(cut, SCHEMA, day="2020-03-02"))
    assert "0 rows of 200 have 'AA 9999' as form of city" in broken.message
    assert broken.strict


def test_a_city_of_a_third_of_its_rows_is_unusual(segments) -> None:
    city = calls(56, [200])["city"]
    city[np.flatnonzero(city == "Bonn")[::3]] = "Köln"
    assert segments["city"].find(batch(56, 200, city=city)) is None
    city[np.flatnonzero(city == "Bonn")[::2]] = "Köln"
    assert not segments["city"].find(batch(56, 200, city=city)).strict


def test_a_city_that_is_gone_from_some_hour_on_is_named_with_the_quarter_of_the_day() -> None:
    def all_day(columns: Columns) -> Columns:
        at = columns["at"].astype("datetime64[D]").astype("datetime64[us]")
        hours = np.arange(len(at)) // 8 % 6 * 4
        return {**columns, "at": at + hours.astype("timedelta64[h]")}

    laws = discover(
        TrainingRows.of(Rows(all_day(calls(0, [4 * count for count in WEEK * 8])), SCHEMA))
    )
    columns = all_day(calls(56, [800]))
    late = (columns["at"] - columns["at"].min()) >= np.timedelta64(16, "h")
    rows = Rows(columns, SCHEMA).take((columns["city"] != "Ulm") | ~late)
    found = [one for law in laws if (one := law.find(rows)) is not None]
    assert ["from 18 to 24 h have 'Ulm' as city" in one.message for one in found] == [True]


@pytest.mark.parametrize(("varies", "is_found"), [(0.15, True), (0.8, False)])
def test_a_city_that_is_gone_is_told_by_how_much_its_rows_vary_from_day_to_day(
    varies, is_found
) -> None:
    generator = np.random.default_rng(1)
    columns = calls(0, [120] * 60)
    shares = np.clip(0.18 * generator.lognormal(0, varies, 60), 0.04, 0.5).repeat(120)
    is_in_ulm = generator.random(len(shares)) < shares
    columns["city"] = np.where(is_in_ulm, "Ulm", "Bonn").astype(object)
    laws = segments_of(discover(TrainingRows.of(Rows(columns, SCHEMA))))
    later = calls(60, [80])
    later["city"][:] = "Bonn"
    assert (laws["city"].find(Rows(later, SCHEMA)) is not None) == is_found


def test_in_a_small_batch_an_hour_without_rows_says_nothing(segments) -> None:
    rows = batch(56, 4)
    assert [law.find(rows) for law in segments.values()] == [None, None]


def test_a_dozen_rows_without_the_city_that_half_of_them_have_may_be_chance(segments) -> None:
    def without_ulm(count: int) -> Rows:
        rows = batch(56, count)
        return rows.take(rows.columns["city"] != "Ulm")

    assert segments["city"].find(without_ulm(26)) is None
    assert segments["city"].find(without_ulm(50)).strict


def test_few_rows_of_a_city_that_has_few_in_a_small_batch_may_be_chance(segments) -> None:
    columns = calls(56, [44])
    spare = np.flatnonzero(columns["city"] == "Bonn")[:6]
    columns["city"][spare] = "Ulm"
    assert segments["city"].find(Rows(columns, SCHEMA)) is None
    columns["city"][columns["city"] == "Bonn"] = "Ulm"
    assert segments["city"].find(Rows(columns, SCHEMA)).strict


def test_where_training_days_differ_much_half_of_the_rows_is_unusual() -> None:
    generator = np.random.default_rng(0)
    counts = [int(one) for one in 300 * generator.lognormal(0, 0.12, 120)]
    counts[60] = 150
    (law,) = [
        one
        for one in discover(TrainingRows.of(Rows(calls(0, counts), SCHEMA)))
        if isinstance(one, RowsADay)
    ]
    assert 0.35 < law.few <= 0.5
    assert law.find(batch(120, 100, counts[-28:])) is not None
    assert law.find(batch(120, 190, counts[-28:])) is None


def test_a_number_of_a_few_is_a_segment_and_one_that_had_few_rows_once_is_gone() -> None:
    schema = Schema(SCHEMA.name, (*SCHEMA.fields[:3], Field("number", "int")))
    days = 40

    def rows(first: int, count: int) -> Rows:
        columns = calls(first, [200] * count)
        return Rows({**columns, "number": np.arange(200 * count) % 7}, schema)

    training = rows(0, days)
    first = np.flatnonzero(training.columns["number"][:200] == 3)[4:]
    training.columns["number"][first] = 2  # four of 29 on the first day
    (law,) = [one for one in discover(TrainingRows.of(training)) if one.columns == ("number",)]
    later = rows(days, 1)
    assert law.find(later) is None
    found = law.find(later.take(later.columns["number"] != 3))
    assert "0 rows of 171 have 3 as number" in found.message


def test_what_is_merely_few_is_not_accepted_with_what_is_gone(segments) -> None:
    rows = batch(56, 400)
    city, number = rows.columns["city"], np.arange(400)
    rows = rows.take(np.flatnonzero((city != "Bonn") & ((city != "Köln") | (number % 20 == 2))))
    broken = segments["city"].find(rows)
    assert "likewise" in broken.message
    assert list(broken.cases) == ["'Bonn'"]


def test_rows_of_which_no_time_is_known_have_moved_to_no_other_minute(minutes) -> None:
    rows = batch(56, 400, at=np.full(400, np.datetime64("NaT", "us")))
    assert minutes.find(rows) is not None
