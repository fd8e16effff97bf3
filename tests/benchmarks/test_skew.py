"""The skew benchmark: what it does to deliveries, and how it judges what the checks say."""

import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.skew import wholesaler
from benchmarks.skew.clean import heard
from benchmarks.skew.compared import Task, ask, judge, spread, write_rows
from benchmarks.skew.data import Task as DayTask
from benchmarks.skew.data import same_rows, try_faults
from benchmarks.skew.deliveries import DATA_FAULTS, DataFault, Delivery
from benchmarks.skew.faults import HALVES, Fault, Outcome, Trial, half_of_day, half_of_name
from benchmarks.skew.garages import CAR_FAULTS
from benchmarks.skew.held_out import HELD_OUT_FAULTS
from benchmarks.skew.judged import Judged, compare, judged
from benchmarks.skew.later import LATER_FAULTS
from benchmarks.skew.lookups import LOOKUP_FAULTS
from benchmarks.skew.once_held_out import ONCE_HELD_OUT_FAULTS
from benchmarks.skew.outages import OUTAGE_FAULTS
from benchmarks.skew.patrols import STOP_FAULTS
from benchmarks.skew.peers.batches import Batches
from benchmarks.skew.report import document, markdown
from benchmarks.skew.scenes import SCENES
from benchmarks.skew.shops import BAKERY_FAULTS
from benchmarks.skew.tables import FLIGHTS, OTHERS, TABLES
from benchmarks.skew.tools import Tool
from benchmarks.skew.wholesaler import ORDER_FAULTS
from lockstep.checks.results import CheckResult

FAULT = Fault("temp_in_celsius", "data", "temp comes in Celsius", ("temp",))
PASSED = CheckResult(True, "All is well.")
FOUND = CheckResult(False, "temp jumped.", column="temp")
CLEAN = Judged({"sudden_shift": PASSED}, {"a": (1,), "b": (2,)})


@pytest.fixture(scope="module")
def delivery() -> Delivery:
    from assets.flight_delay import departures

    days = (departures(date(2013, 7, day)).to_pandas() for day in (10, 9, 11))
    return Delivery(*days)


def test_halves_are_told_by_parity_and_digest() -> None:
    assert half_of_day(date(2013, 4, 1)) == "unseen"
    assert half_of_day(date(2013, 4, 2)) == "tuning"
    assert {half_of_name(name) for name in "abcdefgh"} == {"tuning", "unseen"}


def test_days_of_a_half_are_of_that_half() -> None:
    for table in TABLES.values():
        days = table.days("unseen", 10)
        assert len({*days}) == 10
        assert {half_of_day(day) for day in days} == {"unseen"}


def test_days_to_spare_are_others_and_of_the_same_half() -> None:
    for table in TABLES.values():
        days, spare = table.days("tuning", 10), table.spare("tuning", 10)
        assert len({*days, *spare}) == 20
        assert {half_of_day(day) for day in spare} == {"tuning"}
        assert len({*table.days("fresh", 10), *table.spare("fresh", 10)}) == 20


def test_a_fault_is_tried_on_days_to_spare_in_the_place_of_those_on_which_it_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    always, seldom = DATA_FAULTS[:2]
    asked: list[tuple[date, tuple[str, ...]]] = []

    def tried(_: object, tasks: list[DayTask], title: str) -> list[dict[str, Trial]]:
        asked.extend((task.day, task.faults) for task in tasks)
        changed = {always.fault.name}, {always.fault.name, seldom.fault.name}
        return [
            {
                name: Trial(True, True, True)
                for name in changed[task.day != DAYS[0]] & {*task.faults}
            }
            for task in tasks
        ]

    monkeypatch.setattr("benchmarks.skew.data.carry_out", tried)
    outcomes = try_faults("flights", tmp_path, tmp_path, [always, seldom], DAYS[:2], DAYS[4:6])
    assert [[*one.trials] for one in outcomes] == [
        [DAYS[0].isoformat(), DAYS[1].isoformat()],
        [DAYS[1].isoformat(), DAYS[4].isoformat()],
    ]
    assert {faults for day, faults in asked if day in DAYS[4:6]} == {(seldom.fault.name,)}


def test_days_of_the_third_part_are_of_all_months_and_of_both_halves() -> None:
    days = FLIGHTS.days("fresh")
    assert {day.month for day in days} == {*range(4, 13)}
    assert {half_of_day(day) for day in days} == {"tuning", "unseen"}
    assert days == FLIGHTS.days("fresh")


def test_what_has_been_looked_at_is_tuned_on_and_what_was_written_last_is_of_neither_half() -> None:
    looked_at = (*LATER_FAULTS, *ONCE_HELD_OUT_FAULTS, *LOOKUP_FAULTS, *OUTAGE_FAULTS)
    assert {*looked_at} <= {*FLIGHTS.of("tuning")}
    assert FLIGHTS.of("fresh") == [*HELD_OUT_FAULTS]
    assert {one.fault.half for one in DATA_FAULTS} == {*HALVES}


def test_faults_of_a_table_are_tuned_on_once_it_has_been_looked_at() -> None:
    for table in OTHERS.values():
        assert table.of("tuning" if table.seen else "fresh") == [*table.faults]


def test_faults_have_names_of_their_own_and_there_are_enough_of_each_class() -> None:
    faults = [*(one.fault for table in TABLES.values() for one in table.faults)]
    faults += [*(one.fault for one in SCENES)]
    assert len({one.name for one in faults}) == len(faults)
    counts = {kind: sum(one.kind == kind for one in faults) for kind in {f.kind for f in faults}}
    assert counts["data"] >= 50
    assert len(counts) == 6
    assert min(counts.values()) >= 10


@pytest.mark.parametrize("one", FLIGHTS.faults, ids=lambda one: one.fault.name)
def test_a_fault_changes_the_delivery_and_leaves_what_upstream_has(
    one: DataFault, delivery: Delivery
) -> None:
    before = delivery.rows.copy()
    changed = one.change(delivery)
    assert list(changed.columns) == list(before.columns)
    if one.fault.name != "pressure_filled_with_norm":  # on this day all pressures are known
        assert not same_rows(changed, before)
    pd.testing.assert_frame_equal(delivery.rows, before)


def sales(day: int) -> pd.DataFrame:
    """What some shops of a bakery sold on a day of March: no number is another one's."""
    shops = [2, 17, 19, 20, 24, 27, 33, 36, 38, 40, 46]
    pairs = [(shop, product) for shop in shops for product in (101, 109, 110)]
    rows = pd.DataFrame(pairs, columns=["shop", "product"])
    begun = pd.Timestamp(f"2018-03-{day:02}", tz="UTC")
    keys = rows["shop"].astype(str) + "-" + rows["product"].astype(str)
    number = np.arange(len(rows))[::-1] * 7.0
    flags = ("is_holiday", "is_holiday_soon", "is_school_holiday", "is_promoted", "was_promoted")
    return rows.assign(
        sale_id=f"{begun:%Y-%m-%d} " + keys,
        sold_on=begun,
        weekday=f"{begun:%a}".upper(),
        **dict.fromkeys(flags, False),
        rain=np.where(rows["shop"] < 20, 0.5, 2.0),
        temp=np.where(rows["shop"] < 20, 8.0, 11.0),
        sold=number + day % 7,
        sold_day_before=number + (day - 1) % 7,
        sold_week_before=number + 3.0 * day,
        sold_on_average=number + 0.5 * day,
    )


@pytest.mark.parametrize("one", BAKERY_FAULTS, ids=lambda one: one.fault.name)
def test_a_fault_of_sales_changes_the_delivery_and_leaves_what_upstream_has(one: DataFault) -> None:
    delivery = Delivery(*(sales(day) for day in (14, 13, 15)))
    changed = one.change(delivery)
    assert list(changed.columns) == list(delivery.rows.columns)
    assert not same_rows(changed, delivery.rows)
    pd.testing.assert_frame_equal(delivery.rows, sales(14))


def stops(day: int) -> pd.DataFrame:
    """Stops of a day of September, one each quarter of an hour: no place is another one's."""
    begun = pd.Timestamp(f"2017-09-{day:02} 05:00", tz="UTC")
    number = pd.Series(np.arange(96))
    names = ["Downtown West", "Holland", "Corcoran", "Jordan", "Near - North", "Whittier"]
    is_told, is_odd = number % 7 != 0, number // 2 % 2 == 1
    searched = pd.Series(np.where(number % 4 == 3, "YES", "NO")).where(is_told, None)
    population = number.mod(6).map({0: 7141.0, 1: 5016.0, 2: 3968.0, 3: 9149.0, 5: 13689.0})
    times = begun + pd.to_timedelta(number * 15, unit="min")
    return pd.DataFrame().assign(
        stop_id=[f"17-{400 * day + 3 * one:06}" for one in number],
        stopped_at=times.dt.as_unit("us"),
        clock=times.dt.tz_convert("America/Chicago").dt.strftime("%H:%M"),
        problem=np.where(is_odd, "traffic", "suspicious"),
        device=np.where(is_told, "MDC", "other"),
        person_search=searched,
        vehicle_search=searched.where(number % 8 != 3, "NO"),
        gender=pd.Series(np.where(number % 3 == 1, "Female", "Male")).where(is_told, None),
        latitude=44.9 + number * 0.001,
        longitude=-93.3 + number * 0.001,
        precinct=number.mod(6).map(dict(enumerate((1, 2, 3, 4, 4, 5)))),
        neighborhood=number.mod(6).map(dict(enumerate(names))),
        population=population,
        income=population * 4.0,
        poverty=population / 1e5,
        foreign_born=population / 2e4,
        college=population / 3e4,
        stops_of_week=number % 6 * 7 + day,
        minutes_since=75.0 - number % 7,
    )


@pytest.mark.parametrize("one", STOP_FAULTS, ids=lambda one: one.fault.name)
def test_a_fault_of_stops_changes_the_delivery_and_leaves_what_upstream_has(one: DataFault) -> None:
    delivery = Delivery(*(stops(day) for day in (14, 13, 15)))
    changed = one.change(delivery)
    assert list(changed.columns) == list(delivery.rows.columns)
    assert not same_rows(changed, delivery.rows)
    pd.testing.assert_frame_equal(delivery.rows, stops(14))


def sessions(day: int) -> pd.DataFrame:
    """Sessions of a day of October, one each ten minutes from six on: no two tell the same."""
    begun = pd.Timestamp(f"2019-10-{day:02} 06:00", tz="America/Los_Angeles").tz_convert("UTC")
    number = pd.Series(np.arange(96))
    is_claimed, place = number % 9 != 4, number % 6
    times = (begun + pd.to_timedelta(number * 10, unit="min")).dt.as_unit("us")
    minutes = (30.0 + number * 11 % 480).where(is_claimed)
    chargers = ["2_39_78_361", "2_39_124_22", "1_1_178_817", "1_1_178_828", "1_1_193_819"]
    spaces = ["CA-489", "CA-303", "AG-1F09", "AG-1F10", "AG-1F06", "AG-1F13"]
    charger = place.map(dict(enumerate([*chargers, "1_1_194_821"])))
    local = times.dt.tz_convert("America/Los_Angeles")
    return pd.DataFrame().assign(
        session_id=charger + "_" + times.dt.strftime("%Y-%m-%d %H:%M:%S.314159"),
        begun_at=times + pd.Timedelta(seconds=1),
        site=pd.Series(np.where(place < 2, "caltech", "jpl")),
        pod=charger.str.split("_").str[2].astype(int),
        space=place.map(dict(enumerate(spaces))),
        is_claimed=is_claimed,
        requested=(6.66 + number * 0.74).where(is_claimed),
        minutes_available=minutes,
        leaves_at=times + pd.to_timedelta(60.0 * minutes, unit="s").dt.as_unit("us"),
        plugged_in=2 + number % 7,
        free_minutes=1500.0 - number * 8.5,
        kwh_before=5.0 + number * 0.1 + day,
        hours_before=1.0 + number * 0.05 + day,
        kwh_on_average=9.0 + number * 0.02,
        sessions_of_week=4 + place,
        price=np.where(local.dt.hour < 12, 0.07492, 0.0869),
        emissions=0.2 + number * 0.001,
        emissions_next_hour=0.3 + number * 0.001,
        emissions_third_hour=0.4 + number * 0.001,
    )


@pytest.mark.parametrize("one", CAR_FAULTS, ids=lambda one: one.fault.name)
def test_a_fault_of_cars_changes_the_delivery_and_leaves_what_upstream_has(one: DataFault) -> None:
    delivery = Delivery(*(sessions(day) for day in (16, 15, 17)))
    changed = one.change(delivery)
    assert list(changed.columns) == list(delivery.rows.columns)
    assert not same_rows(changed, delivery.rows)
    pd.testing.assert_frame_equal(delivery.rows, sessions(16))


def taken(day: int) -> pd.DataFrame:
    """Orders of a day of September, one each five minutes, each of another customer."""
    begun = pd.Timestamp(f"2011-09-{day:02} 08:05", tz="Europe/London").tz_convert("UTC")
    number = pd.Series(np.arange(96))
    is_credit, has_account = number % 8 == 5, number % 11 != 7
    times = (begun + pd.to_timedelta(number * 5, unit="min")).dt.as_unit("us")
    number_of = number.astype(str).radd(f"{500 + day}").where(~is_credit, "C" + number.astype(str))
    days, codes_of = 1.0 + number * 0.75, (number + 20_000).astype(str)
    countries = {0: "EIRE", 1: "Germany", 2: "Netherlands"}
    country = (number % 12).map(countries).fillna("United Kingdom")
    codes = {"EIRE": "IE", "Germany": "DE", "Netherlands": "NL", "United Kingdom": "GB"}
    return pd.DataFrame().assign(
        invoice=number_of,
        placed_at=times,
        is_credit=is_credit,
        customer=(12_346.0 + number * 7 + day).where(has_account),
        country=country,
        country_code=country.map(codes),
        lines=1 + number,
        items=(10 + number * 3).where(~is_credit, -2 - number),
        carriage=number % 12 < 2,
        product=codes_of.where(number % 5 > 0, codes_of + "B"),
        description="LANTERN OF GLASS, NUMBER " + number.astype(str),
        list_price=0.85 + number * 0.1,
        listed_value=20.0 + number * 5.3,
        sold_of_week=number * 2 + day,
        orders_before=(1.0 + number).where(has_account),
        days_since=days.where(has_account),
        value_before=(50.0 + number).where(has_account),
        spent=(100.0 + number * 2).where(has_account),
        customer_since=(times - pd.to_timedelta(days * 3, unit="D")).where(has_account),
        orders_of_country=number % 12 * 10 + day,
    )


def counted_otherwise() -> pd.DataFrame:
    """All that is joined to the orders of that day, but counted in another way."""
    rows = taken(14)
    return pd.DataFrame(
        {
            "last_product": rows["product"].iloc[::-1].to_numpy(),
            "last_description": rows["description"].iloc[::-1].to_numpy(),
            "last_list_price": rows["list_price"].to_numpy() + 1.0,
            "last_sold_of_week": rows["sold_of_week"].to_numpy() + 1,
            "old_list_price": rows["list_price"].to_numpy() + 0.4,
            "old_listed_value": rows["listed_value"].to_numpy() + 4.0,
            "listed_value_once": rows["list_price"].to_numpy(),
            "sold_with_today": rows["sold_of_week"].to_numpy() + 5,
            "orders_of_country_in_week": rows["orders_of_country"].to_numpy() // 4,
            "orders_and_credits_before": rows["orders_before"].to_numpy() + 1.0,
            "value_of_last_note": -rows["value_before"].to_numpy(),
            "spent_gross": rows["spent"].to_numpy() + 9.0,
            "spent_a_week_ago": rows["spent"].to_numpy() - 9.0,
        },
        index=rows["invoice"],
    )


@pytest.mark.parametrize("one", ORDER_FAULTS, ids=lambda one: one.fault.name)
def test_a_fault_of_orders_changes_the_delivery_and_leaves_what_upstream_has(
    one: DataFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wholesaler, "otherwise", counted_otherwise)
    delivery = Delivery(*(taken(day) for day in (14, 13, 15)))
    changed = one.change(delivery)
    assert list(changed.columns) == list(delivery.rows.columns)
    assert not same_rows(changed, delivery.rows)
    pd.testing.assert_frame_equal(delivery.rows, taken(14))


@pytest.mark.parametrize("one", ORDER_FAULTS, ids=lambda one: one.fault.name)
def test_a_fault_of_orders_leaves_a_day_without_orders_as_it_is(
    one: DataFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wholesaler, "otherwise", counted_otherwise)
    closed = taken(10).iloc[:0]
    assert same_rows(one.change(Delivery(closed, closed, taken(11))), closed)


def test_a_fault_is_found_where_a_check_of_the_right_kind_fails_with_it_alone() -> None:
    trial = compare(FAULT, CLEAN, Judged({"sudden_shift": FOUND}))
    assert (trial.detected, trial.located, trial.contained) == (True, True, True)
    assert trial.by == "sudden_shift"


def test_what_fails_without_the_fault_too_does_not_find_it() -> None:
    clean = Judged({"sudden_shift": FOUND}, CLEAN.out)
    assert not compare(FAULT, clean, Judged({"sudden_shift": FOUND})).detected


def test_a_check_of_another_kind_does_not_find_a_fault() -> None:
    assert not compare(FAULT, CLEAN, Judged({"input_drift": FOUND})).detected


def test_a_finding_that_names_the_column_beside_another_locates_it() -> None:
    (column,) = FAULT.where
    both = CheckResult(False, "Both differ.", column="temp", also=(column,))
    assert compare(FAULT, CLEAN, Judged({"laws": both})).located


def test_a_finding_that_names_another_column_does_not_locate_it() -> None:
    other = CheckResult(False, "temp and dewp.", column="dewp_in_part")
    trial = compare(FAULT, CLEAN, Judged({"laws": other}))
    assert trial.detected
    assert not trial.located


def test_wrong_rows_that_are_published_are_not_contained() -> None:
    out = {"a": (1,), "b": (3,)}
    assert not compare(FAULT, CLEAN, Judged({"laws": FOUND}, out)).contained


def test_rows_that_are_set_aside_are_contained() -> None:
    out, aside = {"a": (1,)}, frozenset("b")
    assert compare(FAULT, CLEAN, Judged({"laws": FOUND}, out, aside)).contained


def test_rows_that_are_lost_are_not_contained() -> None:
    assert not compare(FAULT, CLEAN, Judged({"laws": FOUND}, {"a": (1,)})).contained


def test_a_fault_counts_as_found_where_most_days_find_it() -> None:
    found, missed = Trial(True, True, True, "laws"), Trial(False, False, True)
    outcome = Outcome(FAULT, {"1": found, "2": found, "3": missed})
    assert (outcome.detected, outcome.located, outcome.by) == (True, True, "laws")
    assert not Outcome(FAULT, {"1": found, "2": missed}).detected


def test_the_report_counts_faults_and_tells_what_was_not_found() -> None:
    found, missed = Trial(True, True, True, "laws", "temp jumped."), Trial(False, False, False)
    other = Fault("year_for_seats", "data", "swapped", ("plane_year",), unfound="No trace.")
    outcomes = [Outcome(FAULT, {"d": found}), Outcome(other, {"d": missed})]
    days = {date(2013, 4, 1): Judged({"laws": FOUND}), date(2013, 4, 2): CLEAN}
    report = document(outcomes, heard(days).to_json(), {}, {})
    assert (report["total"], report["detected"], report["contained"]) == (2, 1, 1)
    assert report["clean_days"]["errors"] == 1
    assert report["clean_days"]["incidents"][0]["said"] == "temp jumped."
    assert "No trace." in markdown(report)


def test_the_report_tells_other_tables_by_name() -> None:
    table = document(
        [Outcome(FAULT, {"d": Trial(True, True, True, "laws")})], heard({}).to_json(), {}, {}
    )
    text = markdown(
        document([], {}, {"tables": {"hours": {"table": "Hours", "seen": False, **table}}}, {})
    )
    assert "| Hours | no | 1 | 1 of 1 (100%) | 1 of 1 (100%) | 1 of 1 (100%) | 0 | 0 | 0 |" in text
    assert f"| `{FAULT.name}` |" in text


def test_a_try_is_timed_by_the_clock_whatever_carries_it_out() -> None:
    trial = compare(FAULT, CLEAN, judged(lambda: (time.sleep(0.01), Judged({}))[1]))
    assert trial.seconds >= 0.01


def test_an_error_that_nothing_caught_is_no_finding_and_is_told() -> None:
    def broken() -> Judged:
        raise KeyError("temp")

    trial = compare(FAULT, CLEAN, judged(broken))
    assert not trial.detected
    assert "KeyError" in trial.said


DAYS = [date(2013, 7, day) for day in range(1, 8)]


def said_of(days: dict[date, tuple[list[str], list[str]]]) -> dict[str, list[str]]:
    """What a tool alarms on: of days as they were, and with the fault."""
    clean = {f"clean/{day}": columns for day, (columns, _) in days.items()}
    return clean | {f"{FAULT.name}/{day}": columns for day, (_, columns) in days.items()}


def test_a_tool_that_alarms_without_the_fault_too_has_not_detected_it() -> None:
    alarms = said_of({day: (["dewp"], ["dewp", "temp"]) for day in DAYS[:3]})
    found = judge([(FAULT, day) for day in DAYS[:3]], alarms)
    assert (found["detected"], found["by_column"], found["located"]) == (0, 1, 1)
    assert (found["false_alarm_days"], found["of_days"]) == (3, 3)


def test_a_tool_has_detected_what_it_alarms_on_most_days_of_and_located_what_it_names() -> None:
    silent: list[str] = []
    alarms = said_of({DAYS[0]: (silent, ["dewp"]), DAYS[1]: (silent, ["temp"])})
    alarms |= said_of({DAYS[2]: (silent, silent)})
    tried = [(FAULT, day) for day in DAYS[:3]]
    found = judge(tried, alarms)
    assert (found["detected"], found["by_column"], found["located"]) == (1, 1, 0)
    assert found["false_alarm_days"] == 0
    assert judge(tried[1:], alarms)["detected"] == 0


def test_fewer_days_are_spread_and_are_among_those_of_more() -> None:
    assert spread(DAYS, 1) == [DAYS[3]]
    assert spread(DAYS, 9) == DAYS
    twelve = [date(2013, 7, day) for day in range(1, 13)]
    assert {*spread(twelve, 1)} <= {*spread(twelve, 3)}


def test_a_tool_that_cannot_be_run_is_told_of_instead_of_figures() -> None:
    failed = {"Other": {"failure": "No compiler.", "version": "1.0", "remark": "It is for types"}}
    text = markdown(document([], {}, {}, failed))
    assert "Other could not be run" in text
    assert "Other 1.0: It is for types" in text


def test_a_tool_that_cannot_be_installed_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks._environments.FOLDER", tmp_path / "environments")
    requirements = tmp_path / "nowhere.txt"
    requirements.write_text("--no-index\nnowhere==1.0\n")
    tool = Tool("Nowhere", "1.0", "mlflow_signature", requirements, 1, 1, "It is nowhere to be had")
    said = ask(Task(tool, tmp_path, 0, ()))
    assert said.failure.startswith("nowhere cannot be installed")
    assert "nowhere==1.0" in said.failure
    assert not said.alarms


@pytest.fixture
def batches(tmp_path: Path, delivery: Delivery) -> Batches:
    found = Batches(tmp_path)
    write_rows(delivery.rows, found.path("training"))
    return found


def test_tools_get_rows_as_parquet_whatever_a_fault_has_put_into_a_column(
    batches: Batches, delivery: Delivery
) -> None:
    rows = delivery.rows.head(3).assign(dest=[1.5, "1.5 F", None])
    write_rows(rows, batches.path("mixed/2013-07-10"))
    read = batches.rows("mixed/2013-07-10")["dest"]
    assert read.tolist()[:2] == ["1.5", "1.5 F"]
    assert read.isna().tolist() == [False, False, True]


def test_a_column_of_floats_is_one_for_tools_on_a_day_without_anything_missing(
    batches: Batches, delivery: Delivery
) -> None:
    for values in (180, None):
        write_rows(delivery.rows.assign(wind_dir=values), batches.path("clean/2013-07-10"))
        assert batches.rows("clean/2013-07-10")["wind_dir"].dtype == float


@pytest.mark.parametrize(
    "one", [one for half in HALVES for one in FLIGHTS.of(half)], ids=lambda one: one.fault.name
)
def test_a_faulty_delivery_reaches_tools_with_all_its_rows_and_columns(
    one: DataFault, batches: Batches, delivery: Delivery
) -> None:
    changed = one.change(delivery)
    write_rows(changed, batches.path("fault/2013-07-10"))
    read = batches.rows("fault/2013-07-10")
    assert read.shape == changed.shape
    assert list(read.columns) == list(changed.columns)
