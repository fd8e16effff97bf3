"""What a row holds of earlier days is what the batches of these days held."""

import msgspec
import numpy as np
import pandas as pd
import pytest

from lockstep.columns.kinds import Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import Book
from lockstep.laws.earlier import Earlier, Held
from lockstep.laws.recalled import MOST_NAMINGS, Recalled, discover
from lockstep.laws.rows import Rows, TrainingRows

SCHEMA = Schema(
    "Sale",
    (
        Field("id", "str", role="key"),
        Field("at", "datetime", role="event_time"),
        Field("shop", "str"),
        Field("product", "int"),
        Field("sold", "float", optional=True),
        Field("grade", "str"),
        Field("week_ago", "float", optional=True),  # sold of seven days before
        Field("usual", "float", optional=True),  # mean of seven days to the day before, 2 digits
        Field("single", "float", optional=True),  # sold of the day before, in single precision
        Field("grade_before", "str", optional=True),  # grade of the day before
        Field("guess", "float"),  # of nothing
        Field("seats", "int"),  # of a shop, every day
    ),
)
SHOPS, PRODUCTS = 10, 3
DAYS, TODAY = 50, 60
FIRST = pd.Timestamp("2021-01-04", tz="UTC")


def _history() -> pd.DataFrame:
    """Sales of all days, of which the last one is today."""
    generator = np.random.default_rng(5)
    index = pd.MultiIndex.from_product([range(TODAY + 1), range(SHOPS), range(PRODUCTS)])
    rows = index.to_frame(index=False, name=["day", "number", "product"])
    things = [rows["number"], rows["product"]]
    level = 20 + 15 * rows["number"] + 40 * rows["product"]
    rows["shop"] = "S" + rows["number"].astype(str)
    rows["sold"] = generator.poisson(level).astype(float)
    rows.loc[generator.random(len(rows)) < 0.02, "sold"] = np.nan
    rows["grade"] = generator.choice(["A", "B", "C", "D"], len(rows))
    sold = rows["sold"].groupby(things)
    rows["week_ago"] = sold.shift(7)
    rows["usual"] = sold.transform(lambda one: one.shift(1).rolling(7).mean().round(2))
    rows["single"] = (sold.shift(1) / 7).astype(np.float32).astype(float) * 7
    rows["grade_before"] = rows["grade"].groupby(things).shift(1)
    rows["guess"] = generator.normal(size=len(rows))
    rows["seats"] = 4 * rows["number"]
    rows["at"] = FIRST + pd.to_timedelta(rows["day"], "D")
    rows["id"] = [f"{day}-{number}" for number, day in enumerate(rows["day"])]
    return rows


HISTORY = _history()


def columns_of(rows: pd.DataFrame) -> Columns:
    found = {name: rows[name].to_numpy() for name in SCHEMA.names}
    found["at"] = rows["at"].dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    before = rows["grade_before"]
    found["grade_before"] = before.astype(object).where(before.notna(), None).to_numpy()
    return {
        name: one.astype(object) if SCHEMA[name].declared == "str" else one
        for name, one in found.items()
    }


def day_of(day: int) -> pd.DataFrame:
    return HISTORY[HISTORY["day"] == day].reset_index(drop=True)


def name_of(day: int) -> str:
    return f"{FIRST + pd.Timedelta(days=day):%Y-%m-%d}"


def rows_of(rows: pd.DataFrame, day: int = TODAY, earlier: tuple[Earlier, ...] = ()) -> Rows:
    return Rows(columns_of(rows), SCHEMA, day=name_of(day), earlier=earlier)


@pytest.fixture(scope="module")
def laws() -> dict[str, Recalled]:
    training = HISTORY[HISTORY["day"] < DAYS]
    return {
        law.recalling: law for law in discover(TrainingRows.of(Rows(columns_of(training), SCHEMA)))
    }


@pytest.fixture(scope="module")
def book(laws) -> Book:
    return Book(timezone="UTC", days=DAYS, laws=tuple(laws.values()), unjudged={})


@pytest.fixture(scope="module")
def earlier(book) -> tuple[Earlier, ...]:
    return tuple(
        book.remembered(rows_of(day_of(day), day), name_of(day)) for day in range(TODAY - 28, TODAY)
    )


def test_lags_and_means_are_found_of_the_columns_that_name_one_thing(laws):
    assert {name: law.says for name, law in laws.items()} == {
        "week_ago": "week_ago is sold of the same shop and product 7 days before.",
        "usual": "usual is the mean of sold of the same shop and product in the 7 days to 1 day "
        "before.",
        "single": "single is sold of the same shop and product 1 day before.",
        "grade_before": "grade_before is grade of the same shop and product 1 day before.",
    }


def test_a_lag_holds_at_the_precision_of_training(laws):
    assert (laws["week_ago"].relative, laws["single"].relative) == (0.0, 1e-6)


def test_a_rounded_mean_holds_by_half_of_its_last_digit(laws):
    assert laws["usual"].absolute == 0.005


def test_what_a_thing_always_has_is_no_lag(laws):
    assert "seats" not in laws


def test_a_lag_of_another_thing_on_most_days_is_no_law() -> None:
    training = HISTORY[HISTORY["day"] < DAYS].copy()
    training["week_ago"] = training["week_ago"].to_numpy()[::-1]
    found = discover(TrainingRows.of(Rows(columns_of(training), SCHEMA)))
    assert "week_ago" not in {law.recalling for law in found}


def test_a_clean_day_breaks_nothing_and_is_looked_at(laws, earlier):
    rows = rows_of(day_of(TODAY), earlier=earlier)
    assert [law for law in laws.values() if law.find(rows)] == []
    assert all(law.looks_at(rows) > 20 for law in laws.values())


@pytest.mark.parametrize("column", ["week_ago", "usual", "single", "grade_before"])
def test_what_is_joined_from_the_day_before_is_an_error(laws, earlier, column):
    today = day_of(TODAY)
    today[column] = day_of(TODAY - 1)[column]
    found = laws[column].find(rows_of(today, earlier=earlier))
    assert found is not None
    assert (found.strict, found.columns[0]) == (True, column)


def test_two_rows_that_are_exchanged_are_told_with_what_was_then(laws, earlier):
    today = day_of(TODAY)
    one, other = today.index[today["week_ago"].notna()][[0, -1]]
    today.loc[[one, other], "week_ago"] = today.loc[[other, one], "week_ago"].to_numpy()
    found = laws["week_ago"].find(rows_of(today, earlier=earlier))
    assert found is not None
    assert sorted(found.rows) == [one, other]
    holds, was = today["week_ago"][[one, other]]
    assert f"of shop 'S0' and product 0: {holds} rather than {was:.6g};" in found.message


def test_a_row_that_was_corrected_since_only_warns(laws, earlier):
    today = day_of(TODAY)
    today.loc[today.index[today["week_ago"].notna()][0], "week_ago"] += 1
    found = laws["week_ago"].find(rows_of(today, earlier=earlier))
    assert found is not None
    assert not found.strict


def test_a_file_that_may_hold_what_is_corrected_only_warns(laws):
    days = HISTORY[HISTORY["day"] > TODAY - 9].reset_index(drop=True)
    days["week_ago"] += 1
    found = laws["week_ago"].find(Rows(columns_of(days), SCHEMA))
    assert found is not None
    assert not found.strict


def test_days_of_one_file_are_held_against_each_other(laws):
    days = HISTORY[HISTORY["day"] > TODAY - 9].reset_index(drop=True)
    assert laws["week_ago"].find(Rows(columns_of(days), SCHEMA)) is None
    assert laws["week_ago"].looks_at(Rows(columns_of(days), SCHEMA)) > 40


def test_a_day_that_was_not_published_is_not_judged_by(laws, earlier):
    skipped = tuple(one for one in earlier if one.partition != name_of(TODAY - 7))
    rows = rows_of(day_of(TODAY), earlier=skipped)
    assert laws["week_ago"].looks_at(rows) == laws["usual"].looks_at(rows) == 0
    assert laws["single"].looks_at(rows) > 20


def test_a_day_that_was_restated_is_judged_by_as_it_is_now(book, laws, earlier):
    restated = day_of(TODAY - 7)
    restated["sold"] *= 2
    kept = book.remembered(rows_of(restated, TODAY - 7), name_of(TODAY - 7))
    history = tuple(kept if one.partition == kept.partition else one for one in earlier)
    today = day_of(TODAY)
    today["week_ago"] *= 2
    assert laws["week_ago"].find(rows_of(today, earlier=history)) is None
    assert laws["week_ago"].find(rows_of(day_of(TODAY), earlier=history)) is not None


def test_a_thing_that_was_not_there_then_is_not_judged(book, laws, earlier):
    then = day_of(TODAY - 7)
    kept = book.remembered(rows_of(then[then["shop"] != "S3"], TODAY - 7), name_of(TODAY - 7))
    history = tuple(kept if one.partition == kept.partition else one for one in earlier)
    today = day_of(TODAY)
    today.loc[today["shop"] == "S3", "week_ago"] = 0.0
    assert laws["week_ago"].find(rows_of(today, earlier=history)) is None


def test_a_thing_with_two_different_rows_then_is_not_judged(book, laws, earlier):
    then = day_of(TODAY - 7)
    again = then[then["shop"] == "S3"].assign(sold=1.0)
    kept = book.remembered(rows_of(pd.concat([then, again]), TODAY - 7), name_of(TODAY - 7))
    history = tuple(kept if one.partition == kept.partition else one for one in earlier)
    today = day_of(TODAY)
    today.loc[today["shop"] == "S3", "week_ago"] = 2.0
    assert laws["week_ago"].find(rows_of(today, earlier=history)) is None


def test_rows_of_another_day_are_not_judged(laws, earlier):
    other = day_of(TODAY)
    other["at"] += pd.Timedelta(days=1)
    assert laws["week_ago"].looks_at(rows_of(other, earlier=earlier)) == 0


def test_training_that_broke_it_once_makes_it_a_warning() -> None:
    training = HISTORY[HISTORY["day"] < DAYS].copy()
    where = np.flatnonzero((training["day"] == 30) & training["week_ago"].notna())[:2]
    training.iloc[where, training.columns.get_loc("week_ago")] += 1
    found = discover(TrainingRows.of(Rows(columns_of(training), SCHEMA)))
    (law,) = (one for one in found if one.recalling == "week_ago")
    assert (law.broken, law.is_strict) == (1, False)


def test_no_lag_is_looked_for_where_nothing_comes_again() -> None:
    training = HISTORY[HISTORY["day"] < DAYS].copy()
    training["shop"], training["seats"] = training["id"], range(len(training))
    assert discover(TrainingRows.of(Rows(columns_of(training), SCHEMA))) == []


def test_what_is_kept_is_read_again(earlier):
    stored = msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(earlier[-1])))
    assert msgspec.convert(stored, Earlier) == earlier[-1]


def test_of_many_things_those_of_the_smallest_digests_are_kept() -> None:
    digests = np.random.default_rng(0).permutation(np.arange(1, 101, dtype=np.uint64))
    held = Held.of(digests, {"sold": digests.astype(float)}, 10)
    known = held.of_column("sold", digests)
    assert np.array_equal(known, np.where(digests <= 10, digests.astype(float), np.nan), True)


def test_things_of_one_digest_hold_nothing() -> None:
    digests = np.array([7, 7, 8], dtype=np.uint64)
    held = Held.of(digests, {"sold": np.array([1.0, 2.0, 3.0])}, 10)
    assert np.array_equal(held.of_column("sold", digests), [np.nan, np.nan, 3.0], True)


def test_a_column_that_an_older_version_did_not_keep_is_not_known() -> None:
    held = Held.of(np.array([7], dtype=np.uint64), {}, 10)
    assert np.isnan(held.of_column("sold", np.array([7], dtype=np.uint64))).all()


def test_what_goes_on_after_it_was_accepted_is_no_error(book, earlier):
    today = day_of(TODAY)
    today["week_ago"] += 1.0
    accepted = book.remembered(rows_of(today, earlier=earlier), name_of(TODAY))
    kept = (*earlier[:-1], msgspec.structs.replace(earlier[-1], cases=accepted.cases))
    assert [one.strict for one in book.find(rows_of(today, earlier=kept))] == [False]


def test_rows_of_another_day_alone_recall_nothing_of_the_day_itself(laws, earlier):
    law = msgspec.structs.replace(laws["usual"], lag=0)
    assert law.looks_at(rows_of(day_of(TODAY - 1), earlier=earlier)) == 0


def test_of_many_columns_that_may_name_things_those_that_come_again_most_often_are_tried() -> None:
    generator = np.random.default_rng(2)
    days, things, others = 40, 60, [f"number_{place}" for place in range(MOST_NAMINGS + 2)]
    held = generator.normal(size=(days, things))
    fields = [Field(name, "int") for name in (*others, "thing")]
    schema = Schema(
        "Reading",
        (
            Field("id", "str", role="key"),
            Field("at", "datetime", role="event_time"),
            *fields,
            Field("level", "float"),
            Field("before", "float"),
        ),
    )
    rows = days * things
    columns = {
        "id": np.array([str(one) for one in range(rows)], dtype=object),
        "at": np.datetime64("2021-01-04", "us")
        + np.repeat(np.arange(days), things).astype("timedelta64[D]"),
        **{
            name: np.concatenate([generator.permutation(900)[:things] for _ in range(days)])
            for name in others
        },
        "thing": np.tile(np.arange(things), days),
        "level": held.ravel(),
        "before": np.roll(held, 1, axis=0).ravel(),
    }
    (law,) = discover(TrainingRows.of(Rows(columns, schema)))
    assert law.says == "before is level of the same thing 1 day before."
