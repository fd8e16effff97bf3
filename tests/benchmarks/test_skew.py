"""The skew benchmark: what it does to deliveries, and how it judges what the checks say."""

import argparse
import json
import time
from datetime import date
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pytest

from benchmarks.skew.__main__ import _asked, _write
from benchmarks.skew.data import same_rows, try_faults
from benchmarks.skew.deliveries import Case, Delivery
from benchmarks.skew.faults import Fault, Judged, Outcome, Trial, compare, judged
from benchmarks.skew.legitimate import LEGITIMATE
from benchmarks.skew.report import document, heard, markdown, tell
from benchmarks.skew.scenes import SCENES
from benchmarks.skew.tables import CATALOGUE, MOST, SETS, TABLES, Table
from benchmarks.tables.roles import Roles
from lockstep.store.results import CheckResult

pytestmark = pytest.mark.long

FAULT = Fault("temp_in_celsius", "data", "temp comes in Celsius", ("temp",))
PASSED = CheckResult(True, "All is well.")
FOUND = CheckResult(False, "temp jumped.", column="temp")
CLEAN = Judged({"sudden_shift": PASSED}, {"a": (1,), "b": (2,)})
DAYS = [date(2013, 7, day) for day in range(1, 8)]


def salt(name: str) -> int:
    """A small number that is a name's own."""
    return crc32(name.encode()) % 5


def named(name: str) -> np.ndarray:
    """Which of a few names a column holds in each row."""
    return (np.arange(96) + salt(name)) % (7 + salt(name))


def values_of(roles: Roles, name: str, kind: str, day: int) -> np.ndarray:
    """Whole numbers for a column: its row's own, or those of a key, a place, an hour."""
    number = np.arange(96)
    places = {column: one.place for one in roles.joined for column in one.columns}
    keys = {column: key for key, columns in roles.lookups.items() for column in columns}
    if name in places:
        place = places[name]
        hour = number // 4 // (3 if kind == "text" else 1)
        return hour * 5 % 24 + (3 * named(place) if place else 0) + salt(name) + day
    if name in keys:
        return named(keys[name]) // 2 if kind == "text" else named(keys[name]) * 3 + salt(name)
    if name in (*roles.codes, *roles.categories, roles.reporter):
        return named(name)
    own = number * 7 % 13 + crc32(name.encode()) % 29
    return own + (day if name in roles.sums else 0)


def rows_of(table: Table, day: int) -> pd.DataFrame:
    """Rows of a day of June, one each quarter of an hour: a column of each is as its role says."""
    roles, number = table.roles, np.arange(96)
    begun = pd.Timestamp(f"2013-06-{day:02}", tz=roles.zone)
    times = pd.Series(begun + pd.to_timedelta(number * 15, unit="min")).dt.tz_convert("UTC")
    local = times.dt.tz_convert(roles.zone).dt.tz_localize(None)
    columns: dict[str, pd.Series] = {}
    for name, kind in table.declared.pipeline.record_schema.kinds.items():
        index = values_of(roles, name, kind.name.lower(), day)
        columns[name] = {
            "text": pd.Series([f"{name}-{one:03}" for one in index], dtype=object),
            "time": times - pd.to_timedelta(index, unit="h"),
            "bool": pd.Series(index % 2 == 1),
            "int": pd.Series(index * 11 + 1),
            "float": pd.Series(index * 0.37 + 1.003),
        }[kind.name.lower()]
    rows = pd.DataFrame(columns).assign(**{roles.time: times} if roles.time else {})
    rows[roles.key] = [f"{day:02}-{one:04}" for one in number]
    for name, derive in {**roles.clocks, **roles.calendar}.items():
        rows[name] = derive(local)
    for place, name in enumerate(roles.dates):
        rows[name] = (local + pd.Timedelta(days=place - 10)).dt.strftime("%Y-%m-%d")
    for place, name in enumerate(roles.flags):
        if rows[name].dtype == object:
            rows[name] = np.where((number + place) % 3 == 0, "YES", "NO")
    for name in roles.sparse:
        rows[name] = rows[name].where(number % 9 != 4, None)
    return rows


@pytest.fixture(params=TABLES.values(), ids=TABLES)
def table(request: pytest.FixtureRequest) -> Table:
    found: Table = request.param
    return found


def test_each_fault_changes_a_delivery_in_the_same_way_again_and_leaves_what_upstream_has(
    table: Table,
) -> None:
    delivery = Delivery(rows_of(table, 14), rows_of(table, 13).head(5), rows_of(table, 15))
    unchanged = []
    for one in table.faults:
        changed = one.change(delivery)
        assert list(changed.columns) == list(delivery.rows.columns), one.fault.name
        pd.testing.assert_frame_equal(changed, one.change(delivery))
        unchanged += [one.fault.name] if same_rows(changed, delivery.rows) else []
    pd.testing.assert_frame_equal(delivery.rows, rows_of(table, 14))
    assert unchanged == []


def test_each_fault_leaves_a_day_without_rows_as_it_is(table: Table) -> None:
    closed = rows_of(table, 14).iloc[:0]
    delivery = Delivery(closed, rows_of(table, 13), rows_of(table, 15))
    assert all(same_rows(one.change(delivery), closed) for one in table.faults)


def test_roles_are_of_columns_that_the_record_has(table: Table) -> None:
    roles, names = table.roles, {*table.declared.pipeline.record_schema.names}
    told = {roles.key, roles.time, roles.reporter, roles.parts, *roles.amounts, *roles.codes}
    told |= {*roles.categories, *roles.flags, *roles.texts, *roles.lookups, *roles.told_by_time}
    told |= {name for group in (*roles.lookups.values(), *roles.alike) for name in group}
    told |= {name for one in roles.joined for name in one.columns}
    told |= {*roles.words, *roles.zeroed, *roles.sparse, *roles.times, *roles.dates}
    assert told - {""} <= names


def test_a_table_has_some_forty_to_sixty_faults(table: Table) -> None:
    assert 40 <= len(table.faults) <= MOST


def test_days_are_drawn_and_those_to_spare_are_others(table: Table) -> None:
    days, spare = table.days(4), table.spare(4)
    assert days == table.days(4)
    assert len({*days, *spare}) == 8


def test_legitimate_changes_keep_the_columns(table: Table) -> None:
    if not table.roles.time:
        return  # they are lived through day by day, in the order of time
    today, yesterday, tomorrow = (rows_of(table, day) for day in (14, 13, 15))
    yesterday[table.roles.time] += pd.Timedelta(minutes=1)  # no row of it is one of today
    delivery = Delivery(today, yesterday, tomorrow)
    gone = str(delivery.rows[table.roles.reporter].iloc[0])
    for one in LEGITIMATE:
        if one.applies(table.roles):
            rows = one.change(Case(delivery, table.roles, (gone,), one.name))
            assert list(rows.columns) == list(delivery.rows.columns)
            assert same_rows(rows, delivery.rows) == (one.name == "as_it_is")


def test_each_transformation_is_tried_on_some_table() -> None:
    tried = {one.fault.name.partition("_")[2] for table in TABLES.values() for one in table.faults}
    assert {one.name for one in CATALOGUE} == tried
    assert len({one.name for one in CATALOGUE}) == len(CATALOGUE)


def test_no_transformation_is_about_a_column_that_a_table_lacks() -> None:
    bare = Roles(key="key", time="time", reporter="thing")
    names = {"key", "time", "thing", "rows"}
    found = [fault for one in CATALOGUE if (fault := one.fault("bare", bare))]
    assert all({*one.fault.where} <= names for one in found)


def test_faults_have_names_of_their_own_and_there_are_enough_of_each_class() -> None:
    faults = [*(one.fault for table in TABLES.values() for one in table.faults)]
    faults += [*(one.fault for one in SCENES)]
    assert len({one.name for one in faults}) == len(faults)
    counts = {kind: sum(one.kind == kind for one in faults) for kind in {f.kind for f in faults}}
    assert len(counts) == 6
    assert min(counts.values()) >= 10


def test_a_fault_is_tried_on_days_to_spare_in_the_place_of_those_on_which_it_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    always, seldom = TABLES["flights"].faults[:2]
    asked: list[tuple[date, tuple[str, ...]]] = []

    def tried(work: partial[object], days: list[date], title: str) -> list[dict[str, Trial]]:
        names = work.args[-1]
        asked.extend((day, names) for day in days)
        changed = {always.fault.name}, {always.fault.name, seldom.fault.name}
        return [
            {name: Trial(True, True, True) for name in changed[day != DAYS[0]] & {*names}}
            for day in days
        ]

    monkeypatch.setattr("benchmarks.skew.data.carry_out", tried)
    outcomes = try_faults("flights", tmp_path, tmp_path, [always, seldom], DAYS[:2], DAYS[4:6])
    assert [[*one.trials] for one in outcomes] == [
        [DAYS[0].isoformat(), DAYS[1].isoformat()],
        [DAYS[1].isoformat(), DAYS[4].isoformat()],
    ]
    assert {faults for day, faults in asked if day in DAYS[4:6]} == {(seldom.fault.name,)}


OTHER = CheckResult(False, "temp and dewp.", column="dewp_in_part")
BOTH = CheckResult(False, "Both differ.", column="temp", also=FAULT.where)
WRONG = {"a": (1,), "b": (3,)}


@pytest.mark.parametrize(
    ("clean", "faulty", "expected"),
    [
        (CLEAN, Judged({"sudden_shift": FOUND}), (True, True, True)),
        (Judged({"sudden_shift": FOUND}, CLEAN.out), Judged({"sudden_shift": FOUND}), (False,)),
        (CLEAN, Judged({"input_drift": FOUND}), (False,)),
        (CLEAN, Judged({"constraints": BOTH}), (True, True)),
        (CLEAN, Judged({"constraints": OTHER}), (True, False)),
        (CLEAN, Judged({"constraints": FOUND}, WRONG), (True, True, False)),
        (CLEAN, Judged({"constraints": FOUND}, {"a": (1,)}, frozenset("b")), (True, True, True)),
        (CLEAN, Judged({"constraints": FOUND}, {"a": (1,)}), (True, True, False)),
    ],
    ids=[
        *("found by a check of its kind", "fails without it too", "check of another kind"),
        *("column beside another", "another column", "published wrong", "set aside", "lost"),
    ],
)
def test_a_fault_is_detected_located_and_contained(
    clean: Judged, faulty: Judged, expected: tuple[bool, ...]
) -> None:
    trial = compare(FAULT, clean, faulty)
    found = (trial.detected, trial.located, trial.contained)
    assert found[: len(expected)] == expected
    assert not trial.detected or [trial.by] == [*faulty.results]


def test_a_fault_counts_as_found_where_most_days_find_it() -> None:
    found, missed = Trial(True, True, True, "constraints"), Trial(False, False, True)
    outcome = Outcome(FAULT, {"1": found, "2": found, "3": missed})
    assert (outcome.detected, outcome.located, outcome.by) == (True, True, "constraints")
    assert not Outcome(FAULT, {"1": found, "2": missed}).detected


FOUND_HERE = {
    "table": "Hours",
    "seen": True,
    **document(
        [
            Outcome(FAULT, {"d": Trial(True, True, True, "constraints", "temp jumped.")}),
            Outcome(
                Fault("year_for_seats", "data", "swapped", ("plane_year",)),
                {"d": Trial(False, False, False)},
            ),
        ]
    ),
    "clean_days": heard({DAYS[0]: Judged({"constraints": FOUND}), DAYS[1]: CLEAN}),
    "changes": [
        {
            **{"name": "growth", "story": "30 % more rows come", "days": 5, "accepts": 3},
            **{"days_with_accepts": 2, "blocked_days": 1, "warned_days": 4, "by_day": []},
        }
    ],
}
ALL = {"tables": {"hours": FOUND_HERE}, "seconds": 90, "machine": "a machine"}


def test_the_report_counts_faults_and_tells_what_was_not_found() -> None:
    assert (FOUND_HERE["total"], FOUND_HERE["detected"], FOUND_HERE["contained"]) == (2, 1, 1)
    text = markdown(ALL)
    assert "| Hours | 2 | 1 of 2 (50%) | 1 of 1 (100%) | 1 of 2 (50%) | 2 | 1 | 0 |" in text
    assert "| Hours | 30 % more rows come | 5 | 3 | 2 | 1 | 4 |" in text
    assert "nothing found it" in text
    assert "(failed, temp): temp jumped." in text
    assert "year_for_seats" in tell(FOUND_HERE)


def test_the_report_of_a_set_is_written_among_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.skew.__main__.RESULTS", tmp_path)
    asked = argparse.Namespace(out=None, set="second", like="", only=["clean", "faults", "changes"])
    _write(ALL, asked)
    assert json.loads((tmp_path / "skew_second.json").read_text()) == ALL
    assert (tmp_path / "skew_second.md").read_text() == markdown(ALL)


def test_tables_are_asked_for_by_name_or_by_set() -> None:
    assert _asked(["bikes", "cars"]).tables == ["bikes", "cars"]
    assert _asked(["--set", "second"]).tables == SETS["second"]
    assert _asked(["--only", "clean"]).tables == SETS["develop"]
    assert _asked(["--only", "code"]).tables == []
    with pytest.raises(SystemExit):
        _asked(["nowhere"])


def test_a_try_is_timed_by_the_clock_whatever_carries_it_out() -> None:
    trial = compare(FAULT, CLEAN, judged(lambda: (time.sleep(0.01), Judged({}))[1]))
    assert trial.seconds >= 0.01


def test_an_error_that_nothing_caught_is_no_finding_and_is_told() -> None:
    def broken() -> Judged:
        raise KeyError("temp")

    trial = compare(FAULT, CLEAN, judged(broken))
    assert not trial.detected
    assert "KeyError" in trial.said
