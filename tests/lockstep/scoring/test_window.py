"""The window: which batches are in it, and what is said of a batch that departs from them."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.orders import ASSETS
from lockstep.columns.kinds import Columns
from lockstep.columns.records import EventTime, Key, Record
from lockstep.parity.profiles import Profile
from lockstep.parity.shift import MINIMUM_WINDOW, WINDOW, Jumps
from lockstep.scoring.attempts import DamagedError, StepRecord
from lockstep.scoring.history import profile_days
from lockstep.scoring.store import Store
from lockstep.scoring.streams import stream_records
from lockstep.scoring.window import (
    Gap,
    Window,
    check_shift,
    profiled,
    trailing_window,
)


class Reading(Record):
    name: Key[str]
    at: EventTime
    level: float
    speed: float


SCHEMA = Reading.schema()


def readings(seed: int, rows: int = 200, *, at: str = "2020-01-01", lift: float = 0.0) -> Columns:
    rng = np.random.default_rng(seed)
    return {
        "name": np.array([f"{seed}-{row}" for row in range(rows)], dtype=object),
        "at": np.full(rows, np.datetime64(at, "us")),
        "level": rng.normal(0, 1, rows) + lift,
        "speed": rng.normal(50, 5, rows),
    }


def both_in_another_unit() -> Profile:
    """Of a day on which both columns moved far."""
    columns = readings(99, lift=20.0)
    moved = {**columns, "speed": columns["speed"] * 1000.0}
    return Profile.of(moved, profiled(SCHEMA))


def profile(seed: int = 0, rows: int = 200, *, lift: float = 0.0) -> Profile:
    return Profile.of(readings(seed, rows, lift=lift), profiled(SCHEMA))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def keep(
    store: Store,
    partition: str,
    rows: int,
    *,
    stream: str = "daily",
    published: bool = True,
    accepted: tuple[str, ...] = (),
) -> None:
    """Leave behind what a run of a partition does, as far as windows read it."""
    records = stream_records(ASSETS, store, stream)
    with records.step(partition, "batch", "run") as attempt:
        attempt.write_json("profile", profile(rows=rows).to_json())
        attempt.keep("batch", StepRecord(facts={"accepted": list(accepted)}))
        attempt.write_columns("published", {"x": np.array([1])})
        attempt.keep("published", StepRecord())
        if published:
            records.commit(attempt)


def window_of(
    store: Store, partition: str, stream: str = "daily", history: Mapping[str, Any] | None = None
) -> Window:
    records = stream_records(ASSETS, store, stream)
    return trailing_window(records, lambda: history or {}, partition)


def sizes(window: Window) -> list[int]:
    return [one.rows for one in window.profiles]


def window(*profiles: Profile) -> Window:
    return Window(profiles or [profile(seed) for seed in range(MINIMUM_WINDOW)])


# The window


def test_the_window_is_the_last_days_before_in_order(store: Store) -> None:
    for day in range(1, 21):
        keep(store, f"2020-03-{day:02}", rows=day)
    window = window_of(store, "2020-03-18")
    assert sizes(window) == list(range(18 - WINDOW, 18))


def test_a_day_that_was_blocked_is_left_out(store: Store) -> None:
    keep(store, "2020-03-01", 1)
    keep(store, "2020-03-02", 2, published=False)
    keep(store, "2020-03-03", 3)
    assert sizes(window_of(store, "2020-03-04")) == [1, 3]


def test_the_day_itself_and_those_after_it_are_left_out(store: Store) -> None:
    for day in range(1, 6):
        keep(store, f"2020-03-{day:02}", rows=day)
    assert sizes(window_of(store, "2020-03-03")) == [1, 2]


def test_a_column_whose_shift_was_accepted_begins_anew_on_that_day(store: Store) -> None:
    keep(store, "2020-03-01", 1)
    keep(store, "2020-03-02", 2, accepted=("level",))
    keep(store, "2020-03-03", 3)
    window = window_of(store, "2020-03-04")
    assert [set(one.columns) for one in window.profiles] == [
        {"speed"},
        {"level", "speed"},
        {"level", "speed"},
    ]


def test_the_last_days_of_the_history_fill_the_window(store: Store) -> None:
    days = [f"2020-02-{day:02}" for day in range(10, 30)]
    parts = [readings(0, rows=number, at=day) for number, day in enumerate(days, start=1)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    history = profile_days(columns, SCHEMA, "UTC", before="2020-03-01")
    keep(store, "2020-03-01", 101)
    keep(store, "2020-03-02", 102)
    window = window_of(store, "2020-03-03", history=history)
    assert sizes(window) == [*range(9, 21), 101, 102]


def test_history_that_overlaps_the_days_to_score_is_left_out(store: Store) -> None:
    columns = readings(0, at="2020-03-01")
    history = profile_days(columns, SCHEMA, "UTC", before="2020-03-01")
    assert window_of(store, "2020-03-02", history=history) == Window([])


def test_days_of_the_history_that_the_calendar_has_by_now_are_taken_as_they_were_published(
    store: Store,
) -> None:
    days = [f"2020-02-{day:02}" for day in range(10, 30)]
    parts = [readings(0, rows=number, at=day) for number, day in enumerate(days, start=1)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    history = profile_days(columns, SCHEMA, "UTC", before="2020-03-01")
    keep(store, "2020-02-19", 101)
    assert sizes(window_of(store, "2020-02-20", history=history)) == [7, 8, 9, 101]


def test_rows_of_the_history_without_a_time_are_of_no_day(store: Store) -> None:
    columns = readings(0, rows=20, at="2020-02-20")
    columns["at"][:5] = np.datetime64("NaT")
    history = profile_days(columns, SCHEMA, "UTC", before="2020-03-01")
    assert sizes(window_of(store, "2020-03-02", history=history)) == [15]


def test_days_of_the_history_end_at_midnight_of_the_calendar(store: Store) -> None:
    columns = readings(0, at="2020-03-01T03:00")
    history = profile_days(columns, SCHEMA, "America/New_York", before="2020-03-01")
    assert sizes(window_of(store, "2020-03-02", history=history)) == [200]


def test_an_accepted_shift_begins_anew_after_the_history_too(store: Store) -> None:
    history = profile_days(readings(0, at="2020-02-20"), SCHEMA, "UTC", before="2020-03-01")
    keep(store, "2020-03-01", 1, accepted=("level",))
    window = window_of(store, "2020-03-02", history=history)
    assert [set(one.columns) for one in window.profiles] == [{"speed"}, {"level", "speed"}]


def test_files_are_compared_with_those_that_came_before(store: Store) -> None:
    for position, name in enumerate(["c.csv", "a.csv", "b.csv"]):
        keep(store, name, rows=position + 1, stream="inbox")
    assert sizes(window_of(store, "new.csv", "inbox")) == [1, 2, 3]


def test_a_file_that_is_scored_again_is_compared_with_the_same_files(store: Store) -> None:
    for position, name in enumerate(["c.csv", "a.csv", "b.csv"]):
        keep(store, name, rows=position + 1, stream="inbox")
    keep(store, "a.csv", rows=2, stream="inbox")
    assert sizes(window_of(store, "a.csv", "inbox")) == [1]
    assert sizes(window_of(store, "b.csv", "inbox")) == [1, 2]


def test_a_day_that_was_blocked_when_it_was_scored_again_stays_in_as_it_was_published(
    store: Store,
) -> None:
    keep(store, "2020-03-01", 1)
    keep(store, "2020-03-01", 7, published=False)
    assert sizes(window_of(store, "2020-03-02")) == [1]


def test_a_profile_that_was_edited_is_no_part_of_a_window(store: Store) -> None:
    keep(store, "2020-03-01", 1)
    attempt = stream_records(ASSETS, store, "daily").demand("2020-03-01")
    path = attempt.path("profile.json")
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(DamagedError, match="lockstep score orders --day 2020-03-01"):
        window_of(store, "2020-03-02")


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[1]",
        b"{}",
        b'{"partition": "2020-02-01", "rows": 1, "columns": {}}',
        b'{"rows": 1, "columns": {"level": {"holds": "numbers"}}}',
    ],
)
def test_a_profile_that_is_none_of_its_day_is_told_by_its_file_though_its_digest_agrees(
    store: Store, damaged: bytes
) -> None:
    keep(store, "2020-03-01", 1)
    records = stream_records(ASSETS, store, "daily")
    attempt = records.demand("2020-03-01")
    path = attempt.path("profile.json")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(damaged)
    record = attempt.path("record.json")
    record.write_text(record.read_text().replace(before, hashlib.sha256(damaged).hexdigest()))
    commit = store.root / "daily" / "records" / "2020-03-01.json"
    stored = json.loads(commit.read_bytes())
    stored["record"] = hashlib.sha256(record.read_bytes()).hexdigest()
    commit.write_text(json.dumps(stored))
    with pytest.raises(DamagedError, match=r"profile\.json does not hold what attempt 1 at 2020"):
        window_of(store, "2020-03-02")


# Gaps


def test_days_before_a_gap_are_left_out(store: Store) -> None:
    for day in range(1, 21):
        keep(store, f"2020-03-{day:02}", rows=day)
    window = window_of(store, "2020-07-01")
    assert (sizes(window), window.gap) == ([], Gap(date(2020, 3, 20), date(2020, 7, 1), 7))


def test_a_window_that_begins_after_a_gap_is_rebuilt_day_by_day(store: Store) -> None:
    for day in range(1, 21):
        keep(store, f"2020-03-{day:02}", rows=day)
    for day in range(1, 4):
        keep(store, f"2020-07-{day:02}", rows=100 + day)
    assert sizes(window_of(store, "2020-07-04")) == [101, 102, 103]


def test_the_history_before_a_gap_is_left_out(store: Store) -> None:
    days = [f"2020-02-{day:02}" for day in range(1, 21)]
    parts = [readings(0, rows=5, at=day) for day in days]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    history = profile_days(columns, SCHEMA, "UTC", before="2020-03-01")
    assert len(sizes(window_of(store, "2020-02-27", history=history))) == WINDOW
    assert sizes(window_of(store, "2020-02-28", history=history)) == []


def test_days_that_are_usually_weeks_apart_are_compared(store: Store) -> None:
    for week in range(14):
        keep(store, f"{date(2020, 3, 2) + timedelta(weeks=week)}", rows=week + 1)
    assert len(sizes(window_of(store, f"{date(2020, 3, 2) + timedelta(weeks=16)}"))) == WINDOW


def test_a_day_in_the_middle_of_what_is_scored_backwards_sees_the_days_before_it_only(
    store: Store,
) -> None:
    keep(store, "2020-07-01", rows=99)
    for day in range(1, 15):
        keep(store, f"2020-03-{day:02}", rows=day)
    assert sizes(window_of(store, "2020-03-15")) == list(range(1, 15))


def test_the_day_after_a_gap_is_not_judged_and_says_how_long_the_gap_is() -> None:
    gap = Gap(date(2013, 4, 14), date(2013, 7, 1), most=7)
    found = check_shift(Window([], gap), profile(99, lift=20.0), accepted=[])
    assert found.result == "not_judged"
    assert "the newest day before it, 2013-04-14, is 78 days older (at most 7)" in found.summary


def test_the_days_after_a_gap_are_not_judged_until_there_are_enough_of_them() -> None:
    gap = Gap(date(2013, 4, 14), date(2013, 7, 1), most=7)
    after = [profile(seed) for seed in range(MINIMUM_WINDOW)]
    few = check_shift(Window(after[1:], gap), profile(99, lift=20.0), accepted=[])
    assert few.result == "not_judged"
    assert "11 earlier batches since a gap of 78 days, from 2013-04-14 to 2013-07-01" in few.summary
    assert check_shift(Window(after, gap), profile(99, lift=20.0), accepted=[]).is_error


# What the comparisons say


def test_a_jump_is_an_error_that_names_the_column() -> None:
    found = check_shift(window(), profile(99, lift=20.0), accepted=[])
    assert found.is_error
    assert found.column == "level"


def test_each_column_is_shown_in_training_in_the_batch_before_and_now() -> None:
    training = Profile.of(readings(0, lift=-20.0), profiled(SCHEMA))
    found = check_shift(window(), profile(99, lift=20.0), accepted=[], training=training)
    (level,) = [row for row in found.table if row["by"] == "level" and row["column"] == "level"]
    places = [level[name].index("█") for name in ("training", "before", "now")]
    assert places == sorted(places)
    assert len(set(places)) == 3


def test_several_jumps_are_all_named_and_accepted_by_one_command() -> None:
    found = check_shift(window(), both_in_another_unit(), accepted=[])
    assert (found.column, found.also) == ("speed", ("level",))
    assert "level has" in found.summary
    assert "speed has" in found.summary
    assert "--accept speed --accept level`" in found.todo


def test_a_jump_that_was_accepted_is_accepted_again_with_the_next() -> None:
    found = check_shift(window(), both_in_another_unit(), accepted=["level"])
    assert (found.column, found.also) == ("speed", ())
    assert "--accept speed --accept level`" in found.todo


def test_an_accepted_jump_is_a_warning_that_says_so() -> None:
    found = check_shift(window(), profile(99, lift=20.0), accepted=["level"])
    assert (found.passed, found.is_error) == (False, False)
    assert found.summary.startswith("Accepted by a person: ")
    assert found.todo.startswith("Nothing, if the change is meant to stay.")


def test_a_day_like_the_others_passes() -> None:
    found = check_shift(window(), profile(99), accepted=[])
    assert found.passed
    assert f"compared with {MINIMUM_WINDOW} batches" in found.summary


def test_a_window_too_short_is_not_judged_and_says_so() -> None:
    short = window(*(profile(seed) for seed in range(MINIMUM_WINDOW - 1)))
    found = check_shift(short, profile(99, lift=20.0), accepted=[])
    assert found.result == "not_judged"
    assert found.summary.startswith(f"There are {MINIMUM_WINDOW - 1} earlier batches")


def test_a_window_of_one_batch_is_told_as_one() -> None:
    found = check_shift(window(profile()), profile(99), accepted=[])
    assert found.summary.startswith("There is 1 earlier batch, and it takes")


def test_a_batch_without_rows_is_not_judged() -> None:
    found = check_shift(window(), profile(rows=0), accepted=[])
    assert found.result == "not_judged"


def test_a_column_that_begins_anew_is_named_as_not_judged() -> None:
    days = window().profiles
    anew = [replace(one, columns={"speed": one.columns["speed"]}) for one in days[:3]]
    found = check_shift(window(*anew, *days[3:]), profile(99), accepted=[])
    assert found.passed
    assert list(found.unjudged) == ["level"]
    assert "Not judged: level (there are 9 batches before it, and it takes 12)." in found.summary


def test_a_batch_of_which_no_column_can_be_judged_is_not_judged() -> None:
    single = window(*(profile(seed, rows=1) for seed in range(MINIMUM_WINDOW)))
    found = check_shift(single, profile(99, rows=1, lift=20.0), accepted=[])
    assert (found.result, set(found.unjudged)) == ("not_judged", {"level", "speed"})


def test_what_is_unusual_after_the_days_before_warns_and_holds_nothing_back() -> None:
    jumps = Jumps.of([profile(seed) for seed in range(200, 260)])
    days = window(*(profile(seed) for seed in range(14)))
    found = [check_shift(days, profile(50, lift=lift), (), jumps) for lift in np.arange(0, 3, 0.1)]
    results = [one.result for one in found]
    assert set(results) == {"passed", "warned", "failed"}
    assert results == sorted(results, key=["passed", "warned", "failed"].index)
    unusual = found[results.index("warned")]
    assert unusual.column == "level"
    assert "Unusual after the batches before" in unusual.summary
    assert "--accept" not in unusual.todo
