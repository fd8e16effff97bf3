"""The constraints of a version, end to end: found in training, and kept by what is published."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS
from lockstep.artifacts.evidence import count
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.constraint_checks import excused_by
from lockstep.checks.ingest import Ingested
from lockstep.checks.messages import Message, Place
from lockstep.columns.aside import Aside
from lockstep.columns.decode import decode
from lockstep.columns.digests import digests_of
from lockstep.constraints.constraint_set import discover
from lockstep.project.constraint_levels import Constraints
from lockstep.scoring import among
from lockstep.scoring.earlier import earlier_batches
from lockstep.scoring.executors import IN_PROCESS, Pool
from lockstep.store.parquet import Store
from tests.fixtures.messages import names_in
from tests.fixtures.order_store import OrderStore, orders_of
from tests.fixtures.scored import ScoredPartition, score

FIRST = date(2020, 3, 1)
FILE = "three_days.csv"


def dearer(day: date) -> pd.DataFrame:
    """A day after a rise of all prices by a half."""
    rows = orders_of(day)
    return rows.assign(price=(rows["price"] * 1.5).round(2), weight=rows["weight"] * 1.5)


@pytest.fixture
def scored(place) -> Callable[..., ScoredPartition]:
    def scored_day(number: int, frame: pd.DataFrame | None = None, **options) -> ScoredPartition:
        declared = replace(ASSETS, constraints=options.pop("policy", ASSETS.constraints))
        rows = orders_of(day(number)) if frame is None else frame
        return place.score(rows, str(day(number)), declared=declared, **options)

    return scored_day


@pytest.fixture
def accepted(scored) -> list[str]:
    """The names by which a dearer day was accepted, as its messages say."""
    blocked = scored(0, dearer(day(0)))
    told = []
    for check in blocked.batch.blocked_by:
        message = Message.of(check, blocked.results[check], Place("orders/daily/batch", str(FIRST)))
        assert "`lockstep score orders --day 2020-03-01 --accept " in message.todo
        told.append(names_in(message.todo))
    assert scored(0, dearer(day(0)), accept=told[0]).published is not None
    assert told[0] == told[-1]
    return told[0]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def swapped_key(number: int) -> pd.DataFrame:
    """A day with one row whose key is of another day."""
    frame = orders_of(day(number))
    frame.loc[7, "order_id"] = "2020-02-27-0007"
    return frame


def test_the_constraints_that_training_found_are_those_that_the_version_holds(version) -> None:
    rows = decode(ASSETS.history.read(), ASSETS.pipeline.joint_schema)
    found = discover(rows.columns, ASSETS.pipeline.record_schema, "UTC")
    assert version.constraints.to_bytes() == found.to_bytes()


def test_clean_days_keep_all_constraints(scored) -> None:
    for number in range(4):
        results = scored(number).results
        for found in (results["constraints"], results["sudden_shift"]):
            assert found.passed, found.summary
            assert 0 < found.table[0]["of its limit"] < 1


def test_a_row_that_contradicts_itself_is_not_published(scored) -> None:
    found = scored(0, swapped_key(0))
    result = found.results["constraints"]
    assert found.published is None
    assert (result.result, result.column) == ("failed", "order_id")
    assert result.keys == ("2020-02-27-0007",)
    assert "1 of 120 rows" in result.summary


def test_what_a_person_accepts_by_column_is_published_with_a_warning(scored) -> None:
    found = scored(0, swapped_key(0), accept=["order_id"])
    assert found.published is not None
    assert found.results["constraints"].result == "warned"
    assert found.results["constraints"].summary.startswith("Accepted: ")


@pytest.mark.usefixtures("accepted")
def test_one_accept_is_enough_for_a_change_that_stays(scored) -> None:
    for number in range(1, 6):
        found = scored(number, dearer(day(number)))
        assert found.published is not None, found.batch.blocked_by


@pytest.mark.usefixtures("accepted")
def test_what_is_accepted_is_accepted_as_far_as_it_went_and_as_much_again(scored) -> None:
    far = orders_of(day(1))
    assert scored(1, far.assign(price=far["price"] * 1e4)).published is None


@pytest.mark.usefixtures("accepted")
def test_what_was_accepted_of_another_versions_batches_is_judged_anew(scored, version) -> None:
    newer = replace(version, digest="another")
    assert scored(1, dearer(day(1)), by=newer).published is None


def test_what_was_accepted_in_an_attempt_that_is_not_published_is_not_accepted(scored) -> None:
    frame = swapped_key(0).assign(weight=2_500.0)  # another unit, which nobody accepted
    assert scored(0, frame, accept=["order_id"]).published is None
    assert "constraints" in scored(0, swapped_key(0)).batch.blocked_by


def test_an_accepted_name_of_which_nothing_was_found_is_told(scored) -> None:
    found = scored(0, accept=["0123abcd"])
    assert found.published is not None
    assert (
        "Nothing was found of what is accepted: 0123abcd." in found.results["constraints"].summary
    )


def test_a_blocked_day_does_not_blind_the_days_after_it(scored, place) -> None:
    scored(0)
    assert scored(1, swapped_key(1)).published is None
    assert "past.msgpack" in place.attempt(str(day(1))).files
    found = scored(2)
    assert found.published is not None
    assert found.results["constraints"].passed


def test_a_row_that_was_set_aside_makes_no_count_of_rows_false(scored, place, version) -> None:
    refused = orders_of(day(0)).astype({"weight": object})
    refused.loc[17, "weight"] = "heavy"
    found = scored(0, refused)
    assert found.results["constraints"].passed, found.results["constraints"].summary
    records = place.work(str(day(1))).records
    (kept,) = earlier_batches(records, str(day(1)), version.digest, 1).batches
    lacking = digests_of(orders_of(day(0))["items"].to_numpy()[[17]])
    assert kept.things["items"].lacking.known.tolist() == lacking.tolist()


def test_a_day_that_stays_blocked_excuses_no_rule_that_looks_back(scored, place, version) -> None:
    assert scored(0, dearer(day(0))).published is None
    work = place.work(str(day(1)))
    earlier = earlier_batches(work.records, work.partition, version.digest, 1)
    (blocked,) = earlier.batches
    things = blocked.things["items"]
    assert things.lacking.known.tolist() == things.known.tolist()
    none = Aside()
    came = Ingested(version.pipeline.record_schema, 120, none, none, none, (), 120, 0.0)
    terms = among.terms_of(work, version, came, earlier, [blocked.day + 1])
    assert not excused_by(version.constraints, terms).any()


def test_rows_of_another_day_are_told_once_with_the_day(scored) -> None:
    found = scored(1, orders_of(day(0)))
    result = found.results["constraints"]
    assert found.published is None
    assert "120 of 120 rows are of another day than 2020-03-02, such as 2020-03-01" in (
        result.summary
    )
    assert (result.column, result.also[0]) == ("sent_at", "order_id")


def test_rows_that_were_published_before_are_told_by_their_keys(scored) -> None:
    scored(0)
    frame = orders_of(day(1))
    frame["order_id"] = orders_of(day(0))["order_id"]
    found = scored(1, frame)
    assert found.published is None
    assert "order_id" in (found.results["constraints"].column, *found.results["constraints"].also)


def with_coupons(number: int) -> pd.DataFrame:
    """A day with as many coupons as some order had, in each order; no output comes from them."""
    frame = orders_of(day(number))
    return frame.assign(coupons=frame["coupons"].max())


def with_moves(version: LoadedVersion, moves: Mapping[str, float]) -> LoadedVersion:
    """A version of which each column moved the outputs so far on some training day."""
    profile = version.profile
    columns = {name: replace(each, moves=moves) for name, each in profile.columns.items()}
    return replace(version, profile=replace(profile, columns=columns))


def test_statistics_only_warn_during_the_first_batches_of_a_version(scored) -> None:
    policy = Constraints(first_batches=1)
    first = scored(0, with_coupons(0), policy=policy)
    result = first.results["sudden_shift"]
    assert (first.published is not None, result.result) == (True, "warned")
    assert "Would block; this version has judged 0 of its first 1 batches" in result.summary
    assert "`lockstep score PIPELINE --day DAY --accept " in result.todo
    scored(0, policy=policy)
    assert scored(1, with_coupons(1), policy=policy).results["sudden_shift"].result == "failed"


def test_what_moves_decisions_as_no_training_day_did_blocks_the_first_batch(scored) -> None:
    found = scored(0, dearer(day(0)), policy=Constraints())
    assert found.published is None
    assert re.search(
        r"It moves risk by \S+ a row, and by \S+ at most on any training day",
        found.results["sudden_shift"].summary,
    )


@pytest.mark.parametrize(("rows", "result"), [(120, "failed"), (30, "warned")])
def test_chance_moves_the_decisions_of_few_rows_farther(scored, version, rows, result) -> None:
    """Their mean says less: dearer orders move risk by 0.06, and some training day did by 0.04."""
    by = with_moves(version, {"risk": 0.04})
    found = scored(0, dearer(day(0)).head(rows), policy=Constraints(), by=by)
    assert found.results["sudden_shift"].result == result


def test_it_only_warns_where_it_is_not_known_how_far_training_days_moved_decisions(
    scored, version
) -> None:
    """As with a version that was fitted before this was learnt."""
    found = scored(0, dearer(day(0)), policy=Constraints(), by=with_moves(version, {}))
    assert found.published is not None
    assert "has judged 0 of its first 14 batches" in found.results["sudden_shift"].summary


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        (Constraints(), "failed"),
        (Constraints(default="warn"), "warned"),
        (Constraints(default="off"), "passed"),
        (Constraints(columns={"order_id": "warn"}), "warned"),
        (Constraints(families={"rules": "warn", "identity": "warn"}), "warned"),
        (Constraints(default="warn", columns={"order_id": "block"}), "failed"),
    ],
    ids=["first batches", "warn", "off", "column", "family", "column before default"],
)
def test_a_policy_says_what_becomes_of_broken_constraints(scored, policy, result) -> None:
    assert scored(0, swapped_key(0), policy=policy).results["constraints"].result == result


def three_days(heavy: Sequence[int] = (1,)) -> pd.DataFrame:
    """Three days of orders, of some of which every order weighs 2.5 tonnes."""
    frames = [orders_of(day(number)) for number in range(3)]
    for number in heavy:
        frames[number]["weight"] = 2_500.0
    return pd.concat(frames, ignore_index=True)


def test_each_day_of_a_file_is_judged_and_a_finding_names_its_day(place) -> None:
    declared = replace(ASSETS, on_violation="block")
    result = place.score(three_days(), FILE, "inbox", declared=declared).results["sudden_shift"]
    assert result.result == "failed"
    assert "(2020-03-02)" in result.summary
    assert {row["day"] for row in result.table if row["is"]} == {"2020-03-02"}


def test_a_day_of_a_file_with_an_error_is_held_back_and_the_others_are_published(place) -> None:
    found = place.score(three_days(), FILE, "inbox")
    result = found.results["sudden_shift"]
    assert result.result == "warned"
    assert "Its day is held back: " in result.summary
    assert "--accept" in result.todo
    assert found.published is not None, found.results
    attempt = place.work(FILE, "inbox").records.demand(FILE)
    times = attempt.read("published")["sent_at"].to_pylist()
    assert {time.date() for time in times} == {day(0), day(2)}
    aside = attempt.read("batch_quarantine").to_pylist()
    assert {row["fate"] for row in aside} == {"held back"}
    assert "2020-03-02 is held back: " in aside[0]["reasons"]
    assert found.results["row_conservation"].passed
    assert "360 rows in = 240 scored + 0 quarantined + 0 duplicates + 120 held back" in (
        found.results["row_conservation"].summary
    )


@pytest.mark.parametrize("policy", ["block", "set_aside"])
def test_days_that_are_judged_together_are_judged_as_one_by_one(
    version, policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [orders_of(day(number)) for number in range(12)]
    frames[3]["weight"] *= 1.8
    frames[4] = swapped_key(4)
    frames[8]["weight"] = 2_500.0
    rows, declared = pd.concat(frames, ignore_index=True), replace(ASSETS, on_violation=policy)
    results = []
    with closing(Pool(2)) as pool:
        for name, most, executor in (("a", 1, IN_PROCESS), ("b", 1, pool), ("c", 50_000, pool)):
            monkeypatch.setattr(among, "_LOOKED_AT", most)
            place = OrderStore(Store(tmp_path / name), version)  # none looks at the others
            work = replace(place.work("days.csv", "inbox", declared), executor=executor)
            found = score(work, version, decode(rows, version.pipeline.record_schema)).batch
            told = (found.results[check] for check in ("constraints", "sudden_shift"))
            results.append([(result.summary, result.table) for result in told])
    assert results[0] == results[1] == results[2]


@pytest.fixture
def in_parts_and_whole(
    version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[pd.DataFrame], Iterator[tuple[OrderStore, ScoredPartition]]]:
    """Scores a day that is looked at in parts, and as a whole."""

    def scored(frame: pd.DataFrame) -> Iterator[tuple[OrderStore, ScoredPartition]]:
        for most in (40, 1_000):
            monkeypatch.setattr(among, "_WHOLE", most)
            place = OrderStore(Store(tmp_path / str(most)), version)
            yield place, place.score(frame)

    return scored


def test_a_day_that_is_looked_at_in_parts_breaks_what_it_breaks_whole(in_parts_and_whole) -> None:
    found = in_parts_and_whole(swapped_key(0))
    parted, whole = (each.results["constraints"] for _, each in found)
    assert (parted.result, whole.result) == ("failed", "failed")
    assert (parted.column, parted.keys) == (whole.column, whole.keys)
    assert ": 1 of 120 rows " in parted.summary
    assert "1 day has too many to be looked at side by side" in parted.summary


def test_days_in_parts_are_looked_back_at_as_whole_ones(in_parts_and_whole, version) -> None:
    parted, whole = (
        earlier_batches(place.work().records, str(day(1)), version.digest, 1).batches
        for place, _ in in_parts_and_whole(orders_of(FIRST))
    )
    for name in ("things", "keys", "contents", "rows", "low", "high", "counts"):
        assert [getattr(day, name) for day in parted] == [getattr(day, name) for day in whole], name
    assert len(whole) == 1


def test_a_day_that_is_held_back_is_none_that_later_ones_look_back_at(place) -> None:
    found = place.score(three_days(), FILE, "inbox").results["sudden_shift"]
    assert {row["day"] for row in found.table if row["is"]} == {"2020-03-02"}
    again = place.score(three_days(heavy=()), FILE, "inbox")
    assert again.published is not None
    assert again.published.counts == {"published": 360}


def test_a_file_each_day_of_which_has_an_error_blocks_whole(place) -> None:
    found = place.score(three_days(heavy=(0, 1, 2)), FILE, "inbox")
    assert (found.published, found.results["sudden_shift"].result) == (None, "failed")


def test_a_day_without_rows_is_an_error_where_training_had_rows_on_every_day(scored) -> None:
    result = scored(0, orders_of(day(0)).head(0)).results["constraints"]
    assert result.is_error
    assert result.summary == "There are no rows, and training had some on every day."


def test_that_it_was_closed_on_a_day_is_accepted_by_name_and_for_this_day_alone(scored) -> None:
    nothing = orders_of(day(1)).head(0)
    found = scored(1, nothing).results["constraints"]
    message = Message.of("constraints", found, Place("orders/daily/batch", str(day(1))))
    names = names_in(message.todo)
    assert [row["finding"] for row in found.table if row["is"]] == names
    closed = scored(1, nothing, accept=names)
    assert closed.results["constraints"].summary.startswith("Accepted: There are no rows, and")
    assert closed.published is not None, (closed.scored or closed.batch).blocked_by
    assert not [name for name, result in closed.results.items() if result.is_error]
    assert scored(1, nothing).published is not None
    assert scored(2, nothing, accept=names).published is None


def test_a_version_without_days_in_between_does_not_judge_a_day_without_rows(
    scored, version
) -> None:
    columns = decode(ASSETS.history.read(), ASSETS.pipeline.joint_schema).columns
    days = columns["sent_at"].astype("datetime64[D]").astype(np.int64)
    held = {name: array[days % 7 != 0] for name, array in columns.items()}
    gappy = replace(version, constraints=discover(held, ASSETS.pipeline.record_schema, "UTC"))
    gappy = replace(gappy, counts=count(gappy))
    result = scored(0, orders_of(day(0)).head(0), by=gappy).results["constraints"]
    assert (result.result, result.summary) == (
        "not_judged",
        "There are no rows: training had days without rows.",
    )


@pytest.mark.parametrize(("rows", "result", "told"), [(60, "failed", "60"), (119, "passed", "")])
def test_a_day_cut_to_half_of_the_rows_of_every_training_day_is_an_error_from_the_first_batch_on(
    scored, rows: int, result: str, told: str
) -> None:
    found = scored(0, orders_of(day(0)).head(rows), policy=Constraints()).results["constraints"]
    assert found.result == result, found.summary
    assert told in found.summary


def test_a_small_day_of_a_table_whose_days_are_small_is_no_error() -> None:
    rows = pd.concat([orders_of(date(2020, 1, 1) + timedelta(days=at)).head(6) for at in range(40)])
    columns = decode(rows, ASSETS.pipeline.record_schema).columns
    constraints = discover(columns, ASSETS.pipeline.record_schema)
    assert constraints.fewest == 6
    small = decode(orders_of(day(0)).head(3), ASSETS.pipeline.record_schema).columns
    days = np.full(3, (day(0) - date(1970, 1, 1)).days)
    ((measured,), shown) = constraints.measure(constraints.view(small, days, ()))
    assert not constraints.judge(measured, (), shown).is_cut


def test_a_lost_row_is_named_and_one_that_was_set_aside_is_not_lost(scored) -> None:
    refused = orders_of(day(0)).astype({"weight": object})
    refused.loc[[17, 119], "weight"] = "heavy"  # in the middle, and the last one
    found = scored(0, refused)
    assert found.published is not None, found.batch.blocked_by
    assert "lost" not in found.results["constraints"].summary
    assert "lost" not in scored(1).results["constraints"].summary
    lost = scored(2, orders_of(day(2)).drop(index=[17]))
    assert lost.published is None
    told = "1 row is lost, by the gaps in the numbers of order_id: 2020-03-03-0017"
    assert told in lost.batch.blocked_by["constraints"]


def test_a_file_without_event_times_is_a_day_of_its_own_after_those_of_training(place) -> None:
    pipeline = copy(place.version.pipeline)
    schema = pipeline.record_schema
    untimed = tuple(field for field in schema if field.name != schema.event_time)
    pipeline.record_schema = replace(schema, fields=untimed)
    version = replace(place.version, pipeline=pipeline)
    days = []
    for number in range(3):
        work = place.work(f"{number}.csv", "inbox")
        days.append(among.day_of(work, version) - version.constraints.days)
        place.score(orders_of(day(number)), f"{number}.csv", "inbox")

    assert days == [0, 1, 2]
