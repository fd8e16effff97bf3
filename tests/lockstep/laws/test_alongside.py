"""Two numbers move together at the same moments, not some moments off."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import alongside
from lockstep.laws.alongside import LAGS, STRONGEST, Alongside, discover
from lockstep.laws.book import Book
from lockstep.laws.book import discover as discover_all
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Hour",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("warmth", "float"),
        Field("felt", "float", optional=True),  # goes with warmth
        Field("wet", "float"),  # falls when it gets warmer
        Field("wind", "float"),  # of its own
    ),
)
DAYS, HOURS = 40, 24


def hours(day: int = DAYS, days: int = 1) -> Columns:
    """Hours of some days."""
    parts = [_day(one) for one in range(day, day + days)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _day(day: int) -> Columns:
    generator = np.random.default_rng(day)
    hour = np.arange(HOURS)
    warmth = 10 + 5 * np.sin(hour / 4) + generator.normal(0, 1, HOURS).cumsum()
    at = np.datetime64("2021-01-01", "us") + np.timedelta64(day, "D")
    return {
        "id": np.array([f"{day}-{one}" for one in hour], dtype=object),
        "at": at + hour.astype("timedelta64[h]"),
        "warmth": warmth.round(1),
        "felt": (0.9 * warmth + generator.normal(0, 0.4, HOURS)).round(1),
        "wet": (90 - 2 * warmth + generator.normal(0, 0.6, HOURS)).round(1),
        "wind": generator.normal(0, 1, HOURS).cumsum().round(1),
    }


@pytest.fixture(scope="module")
def laws() -> dict[tuple[str, ...], Alongside]:
    return {law.columns: law for law in discover(TrainingRows.of(Rows(hours(0, DAYS), SCHEMA)))}


def late(values: np.ndarray, moments: int) -> np.ndarray:
    """Each value at the moment some moments later."""
    return np.r_[values[:moments], values[:-moments]]


def test_numbers_that_move_together_are_found_each_by_the_other_that_tells_most(laws):
    assert {*laws} == {("warmth", "felt"), ("warmth", "wet")}
    assert laws["warmth", "felt"].says == "warmth rises when felt rises"
    assert laws["warmth", "wet"].says == "warmth falls when wet rises"


@pytest.mark.parametrize("day", range(DAYS, DAYS + 10))
def test_a_day_on_which_they_do_breaks_nothing(laws, day):
    rows = Rows(hours(day), SCHEMA)

    assert [law for law in laws.values() if law.find(rows)] == []
    assert all(law.looks_at(rows) == HOURS for law in laws.values())


@pytest.mark.parametrize("moments", [1, 2, 3])
@pytest.mark.parametrize("column", ["felt", "wet"])
def test_a_column_of_some_hours_before_is_an_error(laws, column, moments):
    rows = Rows({**hours(), column: late(hours()[column], moments)}, SCHEMA)

    found = laws["warmth", column].find(rows)

    off = "the moment" if moments == 1 else f"{moments} moments"
    assert found is not None
    assert found.strict
    assert found.message.startswith(f"{column} goes with what warmth was {off} before: ")


def test_what_both_are_late_by_is_not_told(laws):
    both = {name: late(hours()[name], 1) for name in ("warmth", "felt", "wet")}

    assert [law for law in laws.values() if law.find(Rows({**hours(), **both}, SCHEMA))] == []


def test_of_few_moments_nothing_is_told(laws):
    rows = Rows(hours(), SCHEMA).take(np.arange(12))
    missing = Rows({**hours(), "felt": np.full(HOURS, np.nan)}, SCHEMA)

    assert laws["warmth", "felt"].looks_at(rows) == 0
    assert laws["warmth", "felt"].find(missing) is None


@pytest.mark.parametrize("moves", [1, 4, 5])
def test_of_a_calm_day_nothing_is_told(laws, moves):
    steps = np.arange(HOURS) // 4
    calm = {**hours(), "warmth": 9 + np.minimum(steps, moves) / 2}
    calm["felt"] = late(calm["warmth"], 2)

    found = laws["warmth", "felt"].find(Rows(calm, SCHEMA))

    assert laws["warmth", "felt"].looks_at(Rows(calm, SCHEMA)) == (HOURS if moves == 5 else 0)
    assert (found is not None) == (moves == 5)


def test_changes_of_0_tell_nothing_of_what_chance_does():
    changes = np.array([[1.0, 2.0], [0.0, 1.0], [2.0, 3.0], [0.0, 4.0], [np.nan, 1.0], [1.0, 1.0]])

    assert alongside._chance(changes) == pytest.approx(3**-0.5)


def many(count: int) -> tuple[Schema, Columns]:
    """Numbers all of which go with how warm it is."""
    names = [f"felt_{number}" for number in range(count)]
    schema = Schema("Hour", (*SCHEMA, *(Field(name, "float") for name in names)))
    columns, generator = hours(0, DAYS), np.random.default_rng(0)
    felt = {name: columns["warmth"] + generator.normal(0, 0.4, DAYS * HOURS) for name in names}
    return schema, {**columns, **felt}


def test_of_many_numbers_that_go_alike_the_strongest_pairs_of_each_are_tried(monkeypatch):
    schema, columns = many(12)
    tried, telling = [], alongside._telling

    def counted(law, changes, pair):
        tried.append(pair)
        return telling(law, changes, pair)

    monkeypatch.setattr(alongside, "_telling", counted)
    found = discover(TrainingRows.of(Rows(columns, schema)))

    assert {*schema.names} - {name for law in found for name in law.columns} == {"id", "at", "wind"}
    assert len(tried) <= 15 * STRONGEST


def test_the_pairs_of_many_numbers_are_looked_at_day_by_day():
    schema, columns = many(60)
    training = TrainingRows.of(Rows(columns, schema))
    terms = alongside.terms_of_columns(training, "at")["felt_0"]
    names = [name for name in schema.names if name.startswith("felt_")]
    changes = [
        alongside._changes(training.rows.take(training.day_of == day), terms, names)
        for day in range(DAYS)
    ]

    tracemalloc.start()
    laws = [*alongside._of(terms, names, changes)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    of_all_lags = DAYS * len((0, *LAGS)) * len(names) ** 2 * 8  # bytes
    assert laws
    assert peak < of_all_lags / 2


def test_the_hour_that_an_autumn_day_has_twice_hides_no_moments():
    days = hours(0, DAYS)
    days["at"] = days["at"] + (np.datetime64("2021-10-10") - np.datetime64("2021-01-01"))
    laws = discover(TrainingRows.of(Rows(days, SCHEMA, "Europe/Berlin")))  # 31 October: 25 hours

    assert {name for law in laws for name in law.columns} == {"warmth", "felt", "wet"}


def test_series_of_several_things_do_not_run_into_each_other():
    schema = Schema("Hour", (*SCHEMA, Field("thing", "str")))

    def panel(day: int, days: int, seed: int) -> Columns:
        parts = []
        for one in range(day, day + days):
            for thing in range(4):
                hour = _day(one + 1000 * thing + seed)
                hour["at"] = _day(one)["at"]
                hour["id"] = np.array([f"{one}-{thing}-{at}" for at in range(HOURS)], dtype=object)
                parts.append({**hour, "thing": np.array([f"T{thing}"] * HOURS, dtype=object)})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    training = TrainingRows.of(Rows(panel(0, DAYS, 0), schema))
    (law, *_) = discover(training)
    today = panel(DAYS, 1, 0)
    shifted = late(today["felt"].reshape(4, HOURS).T, 1).T.ravel()

    assert law.columns == ("warmth", "felt")
    assert law.find(Rows(today, schema)) is None
    found = law.find(Rows({**today, "felt": shifted}, schema))
    assert found is not None
    assert found.strict


def test_numbers_of_no_moments_have_no_such_law():
    columns = hours(0, DAYS)
    columns["at"] = columns["at"].astype("datetime64[D]").astype("datetime64[us]")

    assert discover(TrainingRows.of(Rows(columns, SCHEMA))) == []


def test_a_stored_law_finds_what_it_found():
    book = discover_all(hours(0, DAYS), SCHEMA)
    again = Book.from_json(book.to_json())

    assert [one for one in again.laws if isinstance(one, Alongside)]
    rows = Rows({**hours(), "felt": late(hours()["felt"], 1)}, SCHEMA)
    assert [one.message for one in again.find(rows)] == [one.message for one in book.find(rows)]


@given(st.integers(DAYS, 10_000), st.sampled_from(LAGS))
@settings(max_examples=40, deadline=None)
def test_no_finding_depends_on_the_units_of_numbers(laws, day, lag):
    columns = hours(day)
    columns["felt"] = np.roll(columns["felt"], lag)
    other = {**columns, "felt": 1.8 * columns["felt"] + 32, "warmth": columns["warmth"] / 10}

    both = [laws["warmth", "felt"].find(Rows(one, SCHEMA)) for one in (columns, other)]

    assert len({None if one is None else one.message for one in both}) == 1
