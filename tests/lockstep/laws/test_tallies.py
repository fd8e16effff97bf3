"""What a window of days had, and how long ago the last row was: told by the rows of these days."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws import elapsed, tallies
from lockstep.laws.book import Book
from lockstep.laws.earlier import Earlier, Held
from lockstep.laws.law import Broken
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Payment",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("card", "str"),
        Field("shop", "int"),
        Field("amount", "float"),
        Field("of_week", "int"),  # payments of the card in the seven days before
        Field("paid_today", "float"),  # by the card, on the day and the one before
        Field("minutes_since", "float", optional=True),  # since the payment before in the shop
        Field("guess", "int"),  # of nothing
    ),
)
DAYS, TODAY, A_DAY, CARDS = 60, 62, 80, 30
FIRST = pd.Timestamp("2021-01-04")


def _history() -> pd.DataFrame:
    """Payments of all days, of which the last one is today."""
    random = np.random.default_rng(3)
    size = (TODAY + 1) * A_DAY
    rows = pd.DataFrame(
        {
            "day": np.repeat(np.arange(TODAY + 1), A_DAY),
            "card": random.integers(0, CARDS, size),
            "shop": random.integers(0, 4, size),
            "amount": random.lognormal(3, 1, size).round(2),
            "guess": random.integers(0, 20, size),
        }
    )
    second = np.sort(random.integers(0, 86_400, (TODAY + 1, A_DAY))).ravel()
    rows["at"] = FIRST + pd.to_timedelta(rows["day"], "D") + pd.to_timedelta(second, "s")
    since = rows.groupby("shop")["at"].diff()
    rows["minutes_since"] = (since.dt.total_seconds() / 60).round(2)
    counts = pd.crosstab(rows["day"], rows["card"])
    sums = rows.pivot_table("amount", "day", "card", "sum", 0.0)
    pairs = rows["day"], rows["card"]
    rows["of_week"] = counts.shift(1).rolling(7, 1).sum().fillna(0).to_numpy(int)[pairs]
    rows["paid_today"] = sums.rolling(2, 1).sum().to_numpy()[pairs].round(2)
    rows["card"] = "C" + rows["card"].astype(str)
    rows["id"] = [f"P{number}" for number in range(size)]
    return rows


HISTORY = _history()


def columns_of(rows: pd.DataFrame) -> Columns:
    found = {name: rows[name].to_numpy() for name in SCHEMA.names}
    found["at"] = found["at"].astype("datetime64[us]")
    return found | {name: found[name].astype(object) for name in ("id", "card")}


def rows_of(
    rows: pd.DataFrame, day: int = TODAY, earlier: tuple[Earlier, ...] = (), aside: int = 0
) -> Rows:
    return Rows(columns_of(rows), SCHEMA, day=name_of(day), earlier=earlier, aside=aside)


def name_of(day: int) -> str:
    return f"{FIRST + pd.Timedelta(days=day):%Y-%m-%d}"


def day_of(day: int = TODAY) -> pd.DataFrame:
    return HISTORY[HISTORY["day"] == day].reset_index(drop=True)


@pytest.fixture(scope="module")
def book() -> Book:
    training = TrainingRows.of(Rows(columns_of(HISTORY[HISTORY["day"] < DAYS]), SCHEMA))
    laws = (*tallies.discover(training), *elapsed.discover(training))
    return Book(timezone="UTC", days=DAYS, laws=laws, unjudged={})


@pytest.fixture(scope="module")
def earlier(book) -> tuple[Earlier, ...]:
    days = range(TODAY - 28, TODAY)
    return tuple(book.remembered(rows_of(day_of(day), day), name_of(day)) for day in days)


@pytest.fixture
def found(book, earlier):
    def find(rows: pd.DataFrame, before: tuple[Earlier, ...] = earlier) -> dict[str, Broken]:
        return {one.columns[0]: one for one in book.find(rows_of(rows, earlier=before))}

    return find


def test_windows_and_times_since_the_row_before_are_found_and_what_is_neither_is_not(book):
    assert {law.says for law in book.laws} == {
        "of_week is how many rows the same card had in the 7 days to the day before.",
        "paid_today is the sum of amount that the same card had in the 2 days to the day itself.",
        "minutes_since is how many minutes ago the last row of the same shop was.",
    }


def test_a_day_that_goes_on_as_before_breaks_nothing(found):
    assert not found(day_of())


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("of_week", lambda rows: rows["of_week"].where(rows["shop"] > 0, 2 * rows["of_week"])),
        ("of_week", lambda rows: rows["of_week"] - 1),
        ("paid_today", lambda rows: (rows["paid_today"] / 1.19).round(2)),
        ("minutes_since", lambda rows: (rows["at"].diff().dt.total_seconds() / 60).round(2)),
        ("minutes_since", lambda rows: rows["minutes_since"].sort_values().to_numpy()),
        ("minutes_since", lambda rows: (rows["minutes_since"] / 60).round(2)),
    ],
    ids=["doubled in a shop", "off by one", "net", "of any shop", "sorted", "in hours"],
)
def test_what_is_counted_otherwise_is_an_error(found, column, change):
    rows = day_of()
    rows[column] = change(rows)
    assert {name: one.strict for name, one in found(rows).items()} == {column: True}


def test_among_many_columns_of_nothing_they_are_found_and_few_others_are_looked_at_in_full(
    monkeypatch,
):
    random = np.random.default_rng(4)
    names = [f"noise_{number}" for number in range(60)]
    schema = Schema("Wide", (*SCHEMA, *(Field(name, "float") for name in names)))
    before = HISTORY[HISTORY["day"] < DAYS]
    noise = {name: random.normal(size=len(before)).round(2) for name in names}
    training = TrainingRows.of(Rows({**columns_of(before), **noise}, schema))
    looked_at: list[str] = []
    for module, name in ((tallies._Search, "_values"), (elapsed, "_seeming")):
        full = getattr(module, name)

        def noted(*arguments, full=full):
            looked_at.append(str(arguments))
            return full(*arguments)

        monkeypatch.setattr(module, name, noted)
    laws = (*tallies.discover(training), *elapsed.discover(training))
    assert [law.columns[0] for law in laws] == ["of_week", "paid_today", "minutes_since"]
    assert len(looked_at) < len(names)


def test_a_row_of_years_before_does_not_cost_a_place_for_each_day_since(monkeypatch):
    sizes = []
    sums = tallies._Search._sums
    monkeypatch.setattr(
        tallies._Search, "_sums", lambda *args: sizes.append(sums(*args)) or sizes[-1]
    )
    rows = HISTORY[HISTORY["day"] < DAYS]
    stray = rows[:1].assign(id="P", card="C", at=pd.Timestamp("1950-01-01"))
    rows = pd.concat([stray, rows])
    laws = tallies.discover(TrainingRows.of(Rows(columns_of(rows), SCHEMA)))
    assert {law.tallying: law.window for law in laws} == {"of_week": 7, "paid_today": 2}
    assert max(one.shape[1] for one in sizes) == DAYS + 2


def test_rows_that_are_lost_are_told_by_the_time_since_the_row_before(found):
    assert found(day_of().drop(index=range(20, 60, 4)))["minutes_since"].strict


def test_as_many_rows_as_were_set_aside_may_be_those_before(book, earlier):
    rows = rows_of(day_of().drop(index=[20, 40]), earlier=earlier, aside=2)
    assert "minutes_since" not in {one.columns[0] for one in book.find(rows)}


def test_counts_may_differ_by_as_many_rows_as_were_set_aside_in_the_window(found, earlier):
    short = day_of(TODAY - 1).drop(index=range(3))
    rows = rows_of(short, TODAY - 1, aside=3)
    book = Book(timezone="UTC", days=DAYS, laws=(), unjudged={})
    kept = book.remembered(rows, name_of(TODAY - 1))
    tally = "tally of card"
    counted = Held.of(*_counts(short), 4_096)
    yesterday = msgspec.structs.replace(kept, recalled={tally: counted})
    assert "of_week" not in found(day_of(), (*earlier[:-1], yesterday))


def _counts(rows: pd.DataFrame):
    seen = rows_of(rows, TODAY - 1)
    digests = seen.value_digests("card")[:-1]
    return digests, {
        "rows": seen.counted("card")[1].astype(float),
        "amount": np.zeros(len(digests)),
    }


def test_a_window_with_a_day_of_which_nothing_is_known_is_not_judged(found, earlier):
    rows = day_of()
    rows["of_week"] += 1
    assert "of_week" not in found(rows, earlier[:-2])


def test_a_file_that_has_a_few_rows_of_a_day_does_not_tell_which_came_before(book):
    few = Rows(columns_of(day_of().iloc[::5]), SCHEMA)
    assert not book.find(few)


def test_of_many_things_it_is_not_known_of_all_whether_they_had_nothing():
    digests = np.array([5, 9, 2], dtype=np.uint64)
    held = Held.of(digests, {"rows": np.array([1.0, 2.0, 3.0])}, 2)
    asked = np.array([2, 3, 9], dtype=np.uint64)
    np.testing.assert_array_equal(held.or_nothing("rows", asked), [3.0, 0.0, np.nan])
