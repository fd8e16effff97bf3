"""The laws of a version, end to end: learnt in training, and kept by what is published."""

from dataclasses import replace
from datetime import date, timedelta

import msgspec
import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS, orders_with_fates
from lockstep.artifacts.holdings import count
from lockstep.columns.decode import decode
from lockstep.laws.bands import Band
from lockstep.laws.book import Book, discover
from lockstep.laws.continuity import Continues
from lockstep.laws.earlier import Earlier
from lockstep.laws.rows import Rows
from lockstep.scoring.partition import ScoredPartition, Work, score

FIRST = date(2020, 3, 1)


def rows_of(day: date) -> pd.DataFrame:
    return orders_with_fates(day).drop(columns=["returned", "cost"])


@pytest.fixture
def version(live):
    return live.registry.load("orders", "live")


def scored_day(live, version, day: date, frame: pd.DataFrame, **options) -> ScoredPartition:
    rows = decode(frame, version.pipeline.record_schema)
    return score(Work(ASSETS, live.store, "daily", str(day)), version, rows, **options)


def test_the_laws_that_training_found_are_those_that_the_version_holds(live, version) -> None:
    rows = decode(ASSETS.history.read(), ASSETS.pipeline.joint_schema)
    assert version.laws == discover(rows.columns, ASSETS.pipeline.record_schema, "UTC")
    assert "the day of sent_at is a part of order_id" in {law.says for law in version.laws.laws}


def test_clean_days_keep_all_laws(live, version) -> None:
    for number in range(4):
        day = FIRST + timedelta(days=number)
        found = scored_day(live, version, day, rows_of(day))
        assert found.results["laws"].passed, found.results["laws"].summary


def test_a_row_that_contradicts_itself_is_not_published(live, version) -> None:
    frame = rows_of(FIRST)
    frame.loc[7, "order_id"] = "2020-02-27-0007"
    found = scored_day(live, version, FIRST, frame)
    assert found.published is None
    result = found.results["laws"]
    assert (result.result, result.column) == ("failed", "order_id")
    assert result.keys == ("2020-02-27-0007",)
    assert result.table[0]["law"].endswith(" (0 of 60 training days broke it)")


def test_what_a_person_accepts_is_published_with_a_warning(live, version) -> None:
    frame = rows_of(FIRST)
    frame.loc[7, "order_id"] = "2020-02-27-0007"
    found = scored_day(live, version, FIRST, frame, accept=["order_id", "sent_at"])
    assert found.published is not None
    assert found.results["laws"].result == "warned"


def test_what_was_accepted_stays_accepted_of_the_same_rows_alone(live, version) -> None:
    frame = rows_of(FIRST)
    frame.loc[7, "order_id"] = "2020-02-27-0007"
    first = scored_day(live, version, FIRST, frame, accept=["order_id", "sent_at"])
    for _ in range(2):  # however often
        again = scored_day(live, version, FIRST, frame)
        assert again.published is not None
        assert again.results["laws"].summary == first.results["laws"].summary
        assert again.results["laws"].summary.startswith("Accepted by a person: ")
    frame.loc[8, "price"] += 1.0
    other = scored_day(live, version, FIRST, frame)
    assert "laws" in other.batch.blocked_by


def test_what_was_accepted_in_an_attempt_that_is_not_published_is_not_accepted(
    live, version
) -> None:
    frame = rows_of(FIRST)
    frame.loc[7, "order_id"] = "2020-02-27-0007"
    frame["weight"] = 2_500.0  # another unit, which nobody accepted
    assert scored_day(live, version, FIRST, frame, accept=["order_id", "sent_at"]).published is None
    assert "laws" in scored_day(live, version, FIRST, frame).batch.blocked_by


def test_yesterdays_rows_again_are_told_by_keys_and_day(live, version) -> None:
    for number in range(5):
        day = FIRST + timedelta(days=number)
        assert scored_day(live, version, day, rows_of(day)).published is not None
    today = FIRST + timedelta(days=5)
    found = scored_day(live, version, today, rows_of(today - timedelta(days=1)))
    assert found.published is None
    laws = {row["law"].partition(" (")[0]: row["is"] for row in found.results["laws"].table}
    assert laws["each order_id is there once, in all days"] == "an error"
    assert laws["sent_at is in the day of the rows"] == "an error"


def test_the_same_rows_under_other_keys_and_times_are_told(live, version) -> None:
    scored_day(live, version, FIRST, rows_of(FIRST))
    today = FIRST + timedelta(days=1)
    frame = rows_of(FIRST)
    frame["order_id"] = rows_of(today)["order_id"]
    frame["sent_at"] = rows_of(today)["sent_at"]
    found = scored_day(live, version, today, frame)
    row = found.results["laws"].table[0]
    assert row["is"] == "an error"
    assert row["law"].startswith("rows do not come again under other keys")
    assert row["rows"].startswith("120: ")


def test_a_day_is_held_against_the_days_next_to_it_whichever_came_first(live, version) -> None:
    law = Continues(
        columns=("price", "sent_at"),
        days=60,
        category=None,
        labels=(),
        weights=(0.0, 0.0),
        usual=1e-3,
        longest=20.0,
        bands={"step between days": Band(0.0, 0.0, 0.0, 0.0)},
        size=(100, 150),
    )
    held = replace(version, laws=msgspec.structs.replace(version.laws, laws=(law,)))
    held = replace(held, counts=count(held))
    first, middle, last = (FIRST + timedelta(days=number) for number in range(3))

    def all_day(day: date) -> pd.DataFrame:
        frame = rows_of(day)
        frame["sent_at"] = pd.Timestamp(day, tz="UTC") + 12 * pd.to_timedelta(frame.index, "min")
        return frame

    alone = scored_day(live, held, middle, all_day(middle))
    assert alone.published is not None
    assert "nothing is kept of the day before or after" in alone.results["laws"].summary
    late = scored_day(live, held, first, all_day(first)).results["laws"]
    assert f"to the beginning of {middle}" in late.summary
    after = scored_day(live, held, last, all_day(last)).results["laws"]
    assert f"from the end of {middle}" in after.summary


def test_scoring_a_day_again_is_no_copy_of_itself(live, version) -> None:
    for _ in range(2):
        assert scored_day(live, version, FIRST, rows_of(FIRST)).results["laws"].passed


def test_a_day_of_half_its_rows_is_not_published(live, version) -> None:
    for number in range(3):
        day = FIRST + timedelta(days=number)
        scored_day(live, version, day, rows_of(day))
    day = FIRST + timedelta(days=3)
    found = scored_day(live, version, day, rows_of(day).head(50))
    (row,) = found.results["laws"].table
    assert row["law"].startswith("a day has about as many rows as")
    assert "there are 50 rows, 41.7 % of the 120 that are usual" in row["found"]
    assert found.published is None


def test_a_batch_of_no_rows_is_not_judged(live, version) -> None:
    found = scored_day(live, version, FIRST, rows_of(FIRST).head(0))
    assert not found.results["laws"].judged
    assert np.isnan(found.results["laws"].numbers.get("laws", np.nan))


def test_laws_are_told_how_many_rows_of_a_batch_were_set_aside(live, version, monkeypatch) -> None:
    told = []
    rows = Book.rows

    def spy(*args, **options) -> Rows:
        told.append(options["aside"])
        return rows(*args, **options)

    monkeypatch.setattr(Book, "rows", spy)
    frame = rows_of(FIRST)
    scored_day(live, version, FIRST, frame)
    frame.loc[3, "sent_at"] = None  # is refused
    scored_day(live, version, FIRST, pd.concat([frame, frame[8:10]]))  # and two come twice
    assert told == [0, 3]


def test_what_is_kept_of_a_day_is_told_from_what_days_before_had(live, version, monkeypatch):
    kept = []
    remembered = Book.remembered

    def spy(book: Book, rows: Rows, partition: str) -> Earlier:
        kept.append([one.partition for one in rows.earlier])
        return remembered(book, rows, partition)

    monkeypatch.setattr(Book, "remembered", spy)
    days = [FIRST, FIRST + timedelta(days=1)]
    for day in days:
        scored_day(live, version, day, rows_of(day))
    assert kept == [[], [str(FIRST)]]
