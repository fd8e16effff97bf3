"""What breaks laws is an error once: batches that follow one that was accepted have it, too."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.accepted import cases_of, with_accepted
from lockstep.laws.book import Book, discover
from lockstep.laws.bounds import Within
from lockstep.laws.earlier import Earlier
from lockstep.laws.forms import Grid
from lockstep.laws.law import Broken
from lockstep.laws.lookups import LookUp
from lockstep.laws.segments import Segmented

DAYS, ROWS = 40, 120
SCHEMA = Schema(
    "Reading",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("meter", "str"),
        Field("serial", "str"),
        Field("tariff", "int"),
        Field("level", "float"),
    ),
)
START = np.datetime64("2021-02-01", "us")


def readings(day: int = 0, days: int = 1) -> Columns:
    """Readings of six meters with a serial number each, in three tariffs."""
    random = np.random.default_rng((3, day))
    rows = days * ROWS
    number = np.arange(rows)
    meter = number % 6
    return {
        "id": np.array([f"R{day}-{row}" for row in range(rows)], dtype=object),
        "at": START + np.timedelta64(day, "D") + number * (1440 // ROWS) * np.timedelta64(1, "m"),
        "meter": np.array([f"meter {one}" for one in meter], dtype=object),
        "serial": np.array(["a7", "b3", "c8", "d1", "e5", "f2"], dtype=object)[meter],
        "tariff": random.choice([3, 5, 8], rows),
        "level": 10.0 * meter + random.normal(0, 1, rows),
    }


@pytest.fixture(scope="module")
def book() -> Book:
    return discover(readings(days=DAYS), SCHEMA)


Change = Callable[[Columns], None]


def exchanged(meter: int, share: float = 1.0) -> Change:
    """Rows of a meter have the serial number of another one."""

    def change(columns: Columns) -> None:
        of_it = np.flatnonzero(columns["meter"] == f"meter {meter}")
        columns["serial"][of_it[: int(share * len(of_it))]] = "g4"

    return change


def dearer(columns: Columns) -> None:
    """Nothing is of the tariff 3 any more."""
    columns["tariff"] = np.where(columns["tariff"] == 3, 5, columns["tariff"])


def higher(by: float) -> Change:
    """A meter tells more than it did."""

    def change(columns: Columns) -> None:
        columns["level"] = columns["level"] + by * (columns["meter"] == "meter 2")

    return change


def told(book: Book, *changes: Change) -> set[bool]:
    """Whether the findings of the last of some days are errors, each day with a change."""
    earlier = []
    for day, change in enumerate(changes, DAYS):
        columns, name = readings(day), str((START + np.timedelta64(day, "D")).astype("M8[D]"))
        change(columns)
        rows = book.rows(columns, SCHEMA, name, earlier)
        found = book.find(rows)
        earlier.append(book.remembered(rows, name))
    return {one.strict for one in found}


@pytest.mark.parametrize("change", [exchanged(2), dearer, higher(40.0)])
def test_what_was_accepted_is_no_error_on_the_days_after(book, change):
    assert [True in told(book, *[change] * days) for days in (1, 2, 3)] == [True, False, False]


@pytest.mark.parametrize("change", [exchanged(2), higher(40.0)])
def test_what_two_batches_of_late_had_is_not_told(book, change):
    assert told(book, *[change] * 3) == set()


@pytest.mark.parametrize(
    ("accepted", "change"),
    [
        (exchanged(2), exchanged(3)),
        (exchanged(2, share=0.2), exchanged(2)),
        (exchanged(2), dearer),
        (higher(40.0), higher(-40.0)),
    ],
    ids=["another meter", "far more rows", "another law", "the other side"],
)
def test_what_is_another_case_is_an_error_all_the_same(book, accepted, change):
    assert True in told(book, accepted, accepted, change)


def with_rates(columns: Columns, base: float) -> Columns:
    """Levels are rates that follow from a base rate, in steps of 0.12."""
    first = columns["at"][0].astype(np.int64)
    steps = np.random.default_rng(first).integers(0, 40, len(columns["at"]))
    return {**columns, "level": (base + 0.12 * steps).round(2)}


def test_numbers_that_lie_on_other_steps_from_a_day_on_are_an_error_once():
    book = discover(with_rates(readings(days=DAYS), 3.5), SCHEMA)

    def moved(columns: Columns) -> None:
        columns.update(with_rates(columns, 3.55))

    assert [True in told(book, *[moved] * days) for days in (1, 2, 3)] == [True, False, False]


def after(book: Book, *before: Broken) -> list[Earlier]:
    """What is kept of batches that were published, each with a finding."""
    kept = book.remembered(book.rows(readings(DAYS), SCHEMA, "2021-03-13"), "2021-03-13")
    earlier: list[Earlier] = []
    for one in before:
        earlier.append(msgspec.structs.replace(kept, cases=cases_of([one], earlier)))
    return earlier


def finding(book: Book, much: float, *, strict: bool = True) -> Broken:
    return Broken(book.laws[0], ("meter",), "", strict=strict, cases={"meter 2": much})


def test_findings_of_array_scalars_are_kept_as_plain_ones(book):
    found = finding(book, np.float64(2.0), strict=np.bool_(True))
    (case,) = cases_of([found], [])[found.law.digest].values()
    assert msgspec.to_builtins(case) == [2.0, True]


def test_what_grows_from_day_to_day_is_an_error_again(book):
    earlier = after(book, finding(book, 1.0), finding(book, 1.8))
    assert with_accepted([finding(book, 3.0)], earlier)[0].strict


def test_what_was_merely_unusual_excuses_no_error(book):
    earlier = after(book, *[finding(book, 1.0, strict=False)] * 3)
    assert with_accepted([finding(book, 1.0)], earlier)[0].strict


def test_a_few_rows_may_be_any_number_of_rows_on_the_day_after(book):
    def seldom(columns: Columns) -> None:
        exchanged(2)(columns)
        of_it = np.flatnonzero(columns["meter"] == "meter 2")[1:]
        columns.update({name: np.delete(one, of_it) for name, one in columns.items()})

    law = next(one for one in book.laws if isinstance(one, LookUp) and "serial" in one.columns)
    alone = Book(timezone="UTC", days=DAYS, laws=(law,), unjudged={})
    assert told(alone, seldom, exchanged(2)) == {False}


def test_a_case_of_a_table_is_the_same_one_in_the_table_of_another_version(book):
    law = next(one for one in book.laws if isinstance(one, LookUp) and "serial" in one.columns)
    given = tuple(one[::-1] for one in law.given)
    other = msgspec.structs.replace(law, given=given, then=law.then[::-1])
    columns = readings(DAYS)
    exchanged(2)(columns)
    cases = [
        broken.cases
        for one in (law, other)
        if (broken := one.find(book.rows(columns, SCHEMA))) is not None
    ]
    assert cases[0] == cases[1] != {}


def test_of_several_days_the_worst_one_is_what_was_accepted(book):
    law = next(one for one in book.laws if isinstance(one, Segmented) and "level" in one.columns)

    def much(*days: float) -> float:
        of_days = [readings(DAYS + number) for number in range(len(days))]
        for columns, by in zip(of_days, days, strict=True):
            higher(by)(columns)
        whole = {name: np.concatenate([one[name] for one in of_days]) for name in of_days[0]}
        broken = law.find(book.rows(whole, SCHEMA))
        assert broken is not None
        return max(broken.cases.values())

    assert much(90.0, 40.0) == pytest.approx(much(90.0), rel=0.1)


def test_what_is_gone_on_any_day_of_a_file_is_a_case_of_it(book):
    law = next(one for one in book.laws if isinstance(one, Segmented) and "level" in one.columns)
    of_days = [readings(DAYS + number) for number in range(2)]
    for columns, meter in zip(of_days, ("meter 1", "meter 4"), strict=True):
        columns["level"] = np.where(columns["meter"] == meter, np.nan, columns["level"])
    whole = {name: np.concatenate([one[name] for one in of_days]) for name in of_days[0]}
    broken = law.find_besides(book.rows(whole, SCHEMA))
    assert broken is not None
    assert set(broken.cases) == {"gone of meter 1", "gone of meter 4"}


def in_other_units(by: float) -> Change:
    def change(columns: Columns) -> None:
        columns["level"] = by * columns["level"]

    return change


@pytest.mark.parametrize(("by", "is_error"), [(40.0, False), (400.0, True)])
def test_numbers_far_outside_are_accepted_as_far_as_they_were(book, by, is_error):
    law = next(one for one in book.laws if isinstance(one, Within) and one.columns == ("level",))
    alone = Book(timezone="UTC", days=DAYS, laws=(law,), unjudged={})
    assert told(alone, in_other_units(40.0), in_other_units(by)) == {is_error}


def test_distances_from_a_grid_that_are_seldom_do_not_have_to_come_again(book):
    book = discover(with_rates(readings(days=DAYS), 3.5), SCHEMA)
    law = next(one for one in book.laws if isinstance(one, Grid) and one.columns == ("level",))
    alone = Book(timezone="UTC", days=DAYS, laws=(law,), unjudged={})

    def moved(seldom: float) -> Change:
        def change(columns: Columns) -> None:
            columns.update(with_rates(columns, 3.55))
            columns["level"][:3] += seldom

        return change

    assert told(alone, moved(0.02), moved(0.03)) == {False}
