"""The command line: what each command prints, and the exit status that says how it went."""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from functools import partial
from operator import contains, eq
from pathlib import Path

import pyarrow as pa
import pytest

from assets.orders import ASSETS
from lockstep.artifacts.live_pointer import read_live
from lockstep.artifacts.lock import locked
from lockstep.cli.main import app
from lockstep.project.home import Addresses, write_addresses
from lockstep.registry.version_tags import EVIDENCE, read_evidence, write_evidence
from lockstep.scoring import unit
from lockstep.store.streams import outcome_records
from tests.fixtures.commands import Answer, Lockstep
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import EDITED, SECOND, Checkout, Workplace
from tests.fixtures.writes import carried_out

DAY = "2020-03-01"
GROUPS = {"log": ["forget"], "quarantine": ["list", "show", "retry"]}
RESULTS = [
    *("train", "promote", "challenge", "rollback", "versions"),
    *("score", "outcomes", "replay", "status", "checks", "audit", "trace", "constraints"),
]
DAILY = ("score", "outcomes", "trace")
COMMANDS = [*RESULTS, "serve", "demo", "new", "list", "up"]


# Help


def test_help_lists_every_command_and_each_explains_itself(lockstep: Lockstep) -> None:
    every = lockstep("--help")
    assert every.status == 0
    assert set(COMMANDS) <= {one.name or one.callback.__name__ for one in app.registered_commands}
    for command in COMMANDS:
        assert f" {command} " in every.out
        told = lockstep(command, "--help").out
        assert f" {command} [OPTIONS]" in told
        assert "--json" in told or command not in [*RESULTS, "list"]
    for group, commands in GROUPS.items():
        assert all(f" {name} " in lockstep(group, "--help").out for name in commands)
        for name in commands:
            assert f" {group} {name} [OPTIONS]" in lockstep(group, name, "--help").out


@pytest.mark.parametrize(
    "command",
    [
        ("list",),
        ("status",),
        ("checks", "orders"),
        ("checks", "orders", "--all"),
        ("trace", "orders", "--day", DAY, "--key", "x"),
        ("outcomes", "orders", "--day", DAY),
        ("promote", "orders"),
        ("challenge", "orders"),
        ("replay", "orders"),
        ("rollback", "orders"),
        ("versions", "orders"),
        ("audit", "orders"),
        ("audit",),
    ],
    ids=" ".join,
)
def test_a_command_that_finds_nothing_makes_nothing(
    lockstep: Lockstep, home_path: Path, command: tuple[str, ...]
) -> None:
    lockstep(*command)
    assert not home_path.exists()


# Wrong use


@pytest.mark.parametrize(
    "command",
    [
        *((name, "nothing") for name in [*RESULTS, "serve"] if name not in DAILY),
        *((name, "nothing", "--day", DAY) for name in ("score", "outcomes")),
        ("trace", "nothing", "--day", DAY, "--key", "x"),
    ],
    ids=lambda command: command[0],
)
def test_an_unknown_pipeline_is_named_beside_those_that_there_are(
    lockstep: Lockstep, home_path: Path, command: tuple[str, ...]
) -> None:
    error = lockstep(*command).error
    assert error.startswith("There is no pipeline 'nothing'; there are: orders.")


def test_outside_of_any_project_a_command_says_what_to_do(
    lockstep: Lockstep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = lockstep("train", "orders").error
    assert error.startswith(f"There is no Lockstep project in {tmp_path} or above")
    assert "lockstep new NAME" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--day", "March 1"), "'March 1' is not a day such as 2013-04-01."),
        (("--day", "2019-03-01"), "orders has no day 2019-03-01; it has 2020-03-01 to 2020-03-31."),
        (("--from", "2020-03-05", "--to", DAY), "--from 2020-03-05 lies after --to 2020-03-01."),
        (("--from", DAY), f"--from {DAY} lacks --to DAY, the last day. That day alone is --day"),
        (("--to", DAY), f"--to {DAY} lacks --from DAY, the first day. That day alone is --day"),
        (("--day", DAY, "--from", DAY, "--to", DAY), "Say either one day, --day DAY, or several"),
        ((), "Say what to score"),
        (("--file", "nowhere.csv"), "nowhere.csv: no such file."),
        (("--file", __file__), "its kind is not known; use .csv, .parquet, .jsonl."),
        (
            ("--file", "/"),
            "/ is a folder without _SUCCESS. Name a file (.csv, .parquet, .jsonl); it holds none.",
        ),
    ],
    ids=[
        *("no day", "outside", "backwards", "no end", "no beginning", "both", "nothing"),
        *("no file", "odd", "folder"),
    ],
)
def test_scoring_with_wrong_options_is_one_clear_line(
    lockstep: Lockstep, home_path: Path, options: tuple[str, ...], said: str
) -> None:
    assert said in lockstep("score", "orders", *options).error


@pytest.mark.parametrize(
    ("home", "command", "tells", "said"),
    [
        ("home_path", "train ordres", contains, "Did you mean 'orders'?"),
        (
            *("home_path", "trian orders", eq),
            "No such command 'trian'. Did you mean 'train', 'trace'? See lockstep --help.",
        ),
        (
            *("home_path", "train", eq),
            "Missing argument 'PIPELINE'. There are: orders. See lockstep train --help.",
        ),
        ("home_path", "train orders --loud", contains, "No such option"),
        (
            *("home_path", "promote orders", eq),
            "orders has no version yet; train one: lockstep train orders",
        ),
        ("home_path", "trace orders --key x", contains, "--day DAY, or --file NAME"),
        (
            *("live", "rollback orders --to 7", eq),
            "Version 7 of orders was never live; those that were: 1.",
        ),
        ("live", "rollback orders", eq, "orders has no earlier version that was live."),
        ("live", f"trace orders --day {DAY} --key x", eq, f"orders has not scored {DAY}."),
        ("scored", f"trace orders --day {DAY} --key x", contains, f"scored no row 'x' in {DAY}"),
        ("scored", f"trace orders --day {DAY} --key x", contains, f"{DAY}-0000"),
        (
            *("scored", "outcomes orders --from 2020-03-02 --to 2020-03-03", str.startswith),
            "2020-03-03: ",
        ),
        ("scored", "checks orders --docs", str.startswith, "Say of which partition"),
        (
            *("scored", "checks orders --docs --day 2020-03-05", str.startswith),
            "orders has made no attempt at",
        ),
        ("scored", f"checks orders --docs --day {DAY} --attempt 7", contains, "No attempt 7"),
        ("scored", f"checks orders --day {DAY} --attempt 7", contains, "No attempt 7"),
        ("scored", f"checks orders out --day {DAY}", contains, "goes with --docs"),
        (
            *("scored", f"checks orders --docs /proc/nowhere --day {DAY}", str.startswith),
            "/proc/nowhere cannot be made (",
        ),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    lockstep: Lockstep,
    request: pytest.FixtureRequest,
    home: str,
    command: str,
    tells: Callable[[str, str], bool],
    said: str,
) -> None:
    request.getfixturevalue(home)
    assert tells(lockstep(*command.split()).error, said)


def test_a_home_or_a_registry_that_cannot_be_used_is_named(
    lockstep: Lockstep, home_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home_path.mkdir()
    (home_path / "dagster").touch()
    assert lockstep("train", "orders").error == (
        f"{home_path}/dagster cannot be written to (File exists); "
        "set LOCKSTEP_HOME to a folder that can be."
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "http://127.0.0.1:9 does not answer" in lockstep("promote", "orders").error


@pytest.mark.parametrize("day", ["1900-01-01", "9999-12-31"])
def test_a_day_on_which_no_table_is_delivered_is_refused(
    lockstep: Lockstep, tmp_path: Path, day: str
) -> None:
    lockstep.go_to(Path(__file__).parents[3], tmp_path)
    answer = lockstep("tables", "flight_delay", "--deliver", "--day", day)
    assert answer.error.startswith(f"No table of flight_delay is delivered on {day}: they")


@pytest.mark.parametrize("time", ["noon", "2013-02-30", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_is_none_withdraws_no_row(
    lockstep: Lockstep, tmp_path: Path, time: str
) -> None:
    lockstep.go_to(Path(__file__).parents[3], tmp_path)
    command = ("withdraw", "flight_delay", "weather", "EWR", "--reason", "twice", "--at", time)
    assert f"--at '{time}' is not a time such as 2013-04-01T12:30" in lockstep(*command).error


def test_days_beyond_the_calendar_are_refused_before_anything_is_scored(
    lockstep: Lockstep, live
) -> None:
    answer = lockstep("score", "orders", "--from", "2020-03-31", "--to", "2020-04-01")
    assert "has no day 2020-04-01" in answer.error
    assert live.records().attempted() == []


def test_accepting_a_column_that_does_not_exist_is_one_clear_line(lockstep: Lockstep, live) -> None:
    error = lockstep("score", "orders", "--day", DAY, "--accept", "colour").error
    assert "'colour'" in error
    assert live.records().attempted() == []


def test_promoting_a_version_that_does_not_exist_is_one_clear_line(
    lockstep: Lockstep, workplace
) -> None:
    error = lockstep("promote", "orders", "7").error
    assert "7" in error
    assert workplace.registry.alias("orders", "champion") is None


def failed_in_training(place: Workplace, *checks: str) -> None:
    """Have the training of the newest version have failed these checks."""
    version = max(place.registry.versions("orders"), key=lambda each: each.version)
    found = read_evidence(version)
    failed = replace(found, results={**found.results, **dict.fromkeys(checks, "failed")})
    write_evidence(place.registry, version, failed)


def test_a_version_that_failed_a_check_of_quality_is_promoted_with_a_reason_that_is_shown(
    lockstep: Lockstep, workplace
) -> None:
    failed_in_training(workplace, "quality", "slices")
    error = lockstep("promote", "orders").error
    assert error.startswith(
        "Version 1 of orders failed quality, slices when it was trained (risk auc 0."
    )
    assert error.endswith('say why: lockstep promote orders 1 --anyway "REASON"')
    assert workplace.registry.alias("orders", "champion") is None
    assert lockstep("promote", "orders", "--anyway", "The old one is worse.").status == 0
    assert workplace.registry.alias("orders", "live").version == 1
    said = "A check of its quality failed, and a person overruled it: The old one is worse."
    assert said in lockstep("versions", "orders").out
    assert lockstep("promote", "orders", "1").status == 0  # what was decided stays so
    assert said in lockstep("versions", "orders").out


def test_a_version_that_failed_a_check_of_parity_is_not_promoted_whatever_is_said(
    lockstep: Lockstep, workplace
) -> None:
    failed_in_training(workplace, "quality", "round_trip")
    for words in ((), ("--anyway", "I want it")):
        error = lockstep("promote", "orders", *words).error
        assert error == (
            "Version 1 of orders may not serve: round_trip failed when it was trained, which "
            "nobody can overrule. Mend what it named, and train anew: lockstep train orders"
        )
    assert workplace.registry.alias("orders", "champion") is None
    assert lockstep("train", "orders").status == 0  # what was proposed


def test_a_version_that_the_gate_refuses_is_not_the_champion(
    lockstep: Lockstep, two_versions
) -> None:
    version = two_versions.registry.find("orders", 2)
    two_versions.registry.tag(version, EVIDENCE, "edited")
    refused = lockstep("promote", "orders", "2")
    assert refused.status == 1
    assert refused.out.startswith("@champion: version 1. @live: version 1.")
    assert two_versions.registry.alias("orders", "champion").version == 1


def test_constraints_are_listed_with_their_evidence_as_data_and_as_expectations(
    lockstep: Lockstep, live
) -> None:
    found = json.loads(lockstep("constraints", "orders", "--json").out)
    assert (found["rows"], found["days"], found["batch"]) == (7_200, 60, None)
    assert all(one["broken"] == 0 for one in found["strict"])
    lines = lockstep("constraints", "orders", "--expectations").out.splitlines()
    within = "column='country', value_set=['AT', 'DE', 'FR', 'US'], severity=\"warning\""
    assert f"gx.expectations.ExpectColumnValuesToBeInSet({within})," in lines
    assert any("ExpectColumnValuesToBeBetween(column='items', min_value=1" in one for one in lines)
    live.score(DAY)
    answer = lockstep("constraints", "orders")
    assert answer.status == 0
    strict, nearest = answer.out.split("the statistics nearest to their limits:")
    assert "Version 1 of orders found" in strict
    assert "in 7,200 rows of 60 days, " in strict
    assert "order_id holds its day" in strict
    assert "of its limit" in nearest


def test_scoring_without_a_live_version_is_one_clear_line(lockstep: Lockstep, workplace) -> None:
    answer = lockstep("score", "orders", "--day", DAY)
    assert answer.error == (
        "orders has no @live. Promote one of its versions (1): lockstep promote orders VERSION"
    )
    assert answer.out == ""  # nothing of the day was looked at


def test_a_training_that_breaks_off_tells_how_far_it_came(lockstep: Lockstep, workplace) -> None:
    with closing(sqlite3.connect(workplace.home.mlflow / "mlflow.db")) as database:
        database.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON model_versions "
            "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
        )
    answer = lockstep("train", "orders")
    assert "Model Version creation error" in answer.error
    assert answer.out.startswith(
        "Training of orders broke off after history, training_set; no version was registered."
    )


def test_with_json_messages_stay_out_of_it(lockstep: Lockstep, workplace) -> None:
    answer = lockstep("score", "orders", "--day", DAY, "--json")
    assert answer.status == 2
    assert json.loads(answer.out)["runs"][0]["error"] in answer.err


@pytest.mark.parametrize(
    ("file", "command", "said"),
    [
        ("mlflow/mlflow.db", "promote", "mlflow.db cannot be used (file is not a database)"),
        ("dagster/history/runs.db", "checks", "dagster cannot be used (file is not a database)"),
        ("dagster/dagster.yaml", "checks", "dagster.yaml cannot be used: while parsing"),
    ],
)
def test_a_file_of_the_home_that_is_damaged_is_one_clear_line(
    lockstep: Lockstep, home_path: Path, file: str, command: str, said: str
) -> None:
    damaged = home_path / file
    damaged.parent.mkdir(parents=True)
    damaged.write_text("no longer: [" * 100)
    assert said in lockstep(command, "orders").error


# The project


def test_a_project_without_pipelines_says_how_to_make_one(
    lockstep: Lockstep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.lockstep]\nassets = "no_assets_yet"\n')
    monkeypatch.chdir(tmp_path)
    answer = lockstep("list")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == (
        f"No pipeline yet in {tmp_path}/no_assets_yet. Make one: lockstep new --pipeline NAME\n"
    )


def test_pipelines_are_listed_and_broken_ones_say_why(
    lockstep: Lockstep, checkout: Checkout
) -> None:
    lockstep.go_to(checkout.folder, checkout.home)
    (checkout.folder / "assets" / "broken.py").write_text("raise ValueError('no such table')\n")
    answer = lockstep("list")
    assert (answer.status, answer.out) == (
        1,
        "orders  scored by day and by file; no version is live yet\n",
    )
    assert "broken.py:1" in answer.err
    assert "no such table" in answer.err
    listed = json.loads(lockstep("list", "--json").out)
    assert [one["pipeline"] for one in listed] == ["orders", "broken"]


# The main job


def test_the_main_job_by_commands(lockstep: Lockstep, live) -> None:
    trained = lockstep("train", "orders")
    assert trained.status == 0
    assert trained.out.startswith("Registered orders version 2 (risk auc ")
    assert trained.out.endswith("Promote it: lockstep promote orders 2\n")
    found = json.loads(lockstep("checks", "orders", "--json").out)
    (compared,) = (one for one in found if one["check"] == "champion_comparison")
    assert "against" in compared["summary"]
    promoted = lockstep("promote", "orders")
    assert promoted.status == 0
    assert "@champion: version 2. @live: version 2." in promoted.out
    scored = lockstep("score", "orders", "--from", DAY, "--to", "2020-03-02")
    assert scored.status == 0
    assert scored.out.splitlines() == [
        f"{DAY}: 120 rows scored, 0 quarantined, published: {published(live, DAY)}",
        f"2020-03-02: 120 rows scored, 0 quarantined, published: {published(live, '2020-03-02')}",
        "38 checks passed",
    ]
    rolled_back = lockstep("rollback", "orders")
    assert rolled_back.status == 0
    assert "@champion: version 1. @live: version 1." in rolled_back.out
    assert "; it went back from version 2." in lockstep("versions", "orders").out
    assert lockstep("rollback", "orders").error == (
        "orders has no earlier version to go back to: version 2 was gone back from. To have one "
        "serve again, name it: lockstep rollback orders --to 2"
    )
    named = lockstep("rollback", "orders", "--to", "2")
    assert "@champion: version 2. @live: version 2." in named.out


def test_a_challenger_that_passes_the_gate_leaves_what_is_live_and_is_no_earlier_version(
    lockstep: Lockstep, two_versions
) -> None:
    challenged = lockstep("challenge", "orders")
    assert challenged.status == 0
    assert "@challenger: version 2. It may answer." in challenged.out
    assert two_versions.registry.alias("orders", "challenger").version == 2
    assert two_versions.registry.alias("orders", "live").version == 1
    error = lockstep("rollback", "orders").error
    assert error == "orders has no earlier version that was live."
    error = lockstep("rollback", "orders", "--to", "2").error
    assert error == "Version 2 of orders was never live; those that were: 1."


def test_versions_tell_which_is_live_since_when_and_which_others_there_are(
    lockstep: Lockstep, two_versions
) -> None:
    live = read_live(two_versions.home.live("orders"))
    assert live is not None
    since = f"{live.since:%Y-%m-%d %H:%M}"
    first, titles, *others = lockstep("versions", "orders").out.splitlines()
    decided = two_versions.serving.state().decided
    assert decided is not None
    assert first == (
        f"Version 1 of orders is live since {since} UTC, by the gate of {decided.site}."
    )
    assert titles.split()[:4] == ["version", "aliases", "trained", "rows"]
    assert [line.split()[0] for line in others] == ["2", "1"]
    assert "@champion @live" in others[1]
    assert f"version 1 is live since {since} UTC" in lockstep("list").out


@pytest.mark.usefixtures("three_versions")
def test_versions_tell_what_differs_between_two(lockstep: Lockstep) -> None:
    numbers = ("1", str(EDITED))
    out = lockstep("versions", "orders", "--diff", *numbers).out
    assert "-    return return_probability >= 0.5\n" in out
    assert "+    return return_probability >= 0.2\n" in out
    differences = json.loads(lockstep("versions", "orders", "--diff", *numbers, "--json").out)
    assert differences["columns"] == {"will_return": "changed"}
    assert lockstep("versions", "orders", "--diff", "1", "1").out == (
        "Versions 1 and 1 of orders are the same in code, rows and environment.\n"
    )


def test_versions_and_scoring_tell_of_a_champion_that_is_not_live(
    lockstep: Lockstep, two_versions
) -> None:
    assert "@champion" not in lockstep("score", "orders", "--day", DAY).out
    two_versions.registry.set_alias("orders", "champion", 2)
    waits = "@champion is version 2, which is not live"
    assert waits in lockstep("versions", "orders").out
    *_, last = lockstep("score", "orders", "--day", DAY).out.splitlines()
    assert last == f"{waits}; what the gate says of it: lockstep promote orders 2"
    rolled_back = lockstep("rollback", "orders")
    assert "@champion: version 1. @live: version 1." in rolled_back.out


def test_versions_propose_what_succeeds_with_a_champion_that_is_not_live(
    lockstep: Lockstep, two_versions
) -> None:
    two_versions.registry.set_alias("orders", "champion", 2)
    failed_in_training(two_versions, "quality")
    waits = "@champion is version 2, which is not live"
    by = 'lockstep promote orders 2 --anyway "REASON"'
    assert f"{waits}; what the gate says of it: {by}" in lockstep("versions", "orders").out
    failed_in_training(two_versions, "wire_formats")
    assert (
        f"{waits}, and may not be: wire_formats failed when it was trained. Point it back to the "
        "live one: lockstep rollback orders"
    ) in lockstep("versions", "orders").out
    assert lockstep("rollback", "orders").status == 0
    assert two_versions.registry.alias("orders", "champion").version == 1


def test_versions_of_a_registry_that_was_lost_tell_which_one_served(
    lockstep: Lockstep, live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/empty.db")
    assert lockstep("versions", "orders").out == (
        "orders has no version. The gate let version 1 serve, which the registry has no more: "
        "restore the registry from a copy, or train anew. Train one: lockstep train orders\n"
    )


def test_a_disk_that_is_full_is_one_line_with_the_path_and_what_to_do(
    lockstep: Lockstep, live, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, name: str, *_: object) -> None:
        path = str(folder / f"{name}.parquet")
        raise OSError(errno.ENOSPC, "No space left on device", path)

    monkeypatch.setattr(unit, "write_part", fail)
    error = lockstep("score", "orders", "--day", DAY).error
    assert "batch.parquet cannot be written, since its disk is full" in error
    assert "Make room there, or set LOCKSTEP_HOME" in error


def test_a_home_that_may_only_be_read_is_one_line_with_the_path_and_what_to_do(
    lockstep: Lockstep, two_versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, *_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("lockstep.artifacts.state_files.replace_text", fail)
    two_versions.registry.set_alias("orders", "champion", SECOND)
    error = lockstep("promote", "orders").error
    assert "live/orders.json is closed to this user (Read-only file system). Have it" in error


def test_a_version_whose_files_are_damaged_is_told_to_be(lockstep: Lockstep, two_versions) -> None:
    (two_versions.registry.load("orders", 2).directory / "profile.json").write_text("{}")
    answer = lockstep("versions", "orders")
    assert answer.status == 0
    assert "Version 2 cannot be used: " in answer.out


def test_a_pipeline_without_a_live_version_says_how_to_have_one(
    lockstep: Lockstep, workplace
) -> None:
    said = lockstep("versions", "orders").out
    assert said.startswith("No version of orders is live. Promote one: lockstep promote orders")


def test_outcomes_are_compared_and_told_by_the_checks_until_they_are_edited(
    lockstep: Lockstep, scored
) -> None:
    answer = lockstep("outcomes", "orders", "--from", DAY, "--to", "2020-03-02")
    assert answer.status == 0
    path = outcome_records(ASSETS, scored.store).demand(DAY).path("outcomes.parquet")
    first, second = answer.out.splitlines()[:2]
    assert first == f"{DAY}: 120 of 120 outcomes known: {path}"
    assert second.startswith("2020-03-02: ")
    told = lockstep("checks", "orders", "--day", DAY, "--passed").out
    assert "orders/outcomes 2020-03-01  arrival" in told
    assert "120 of 120 outcomes are known (100%)" in told
    path.write_bytes(path.read_bytes() + b"x")
    edited = lockstep("checks", "orders", "--day", DAY)
    assert edited.status == 1
    assert "lockstep outcomes orders --day 2020-03-01" in edited.out
    shutil.rmtree(scored.home.dagster)  # no run of Dagster's is needed
    again = lockstep("outcomes", "orders", "--day", DAY)
    assert (again.status, "outcomes known" in again.out) == (0, True)


def test_outcomes_of_a_day_that_was_published_again_are_told_to_be_of_the_day_before_that(
    lockstep: Lockstep, scored
) -> None:
    lockstep("outcomes", "orders", "--day", DAY)
    lockstep("score", "orders", "--day", DAY)
    (found,) = [
        one
        for one in json.loads(lockstep("checks", "orders", "--day", DAY, "--json").out)
        if (one["asset"], one["check"]) == ("orders/outcomes", "record")
    ]
    assert found["result"] == "warned"
    assert "it was published again since" in found["summary"]
    lockstep("outcomes", "orders", "--day", DAY)
    assert "published again" not in lockstep("checks", "orders", "--day", DAY).out


def test_a_file_whose_name_is_no_utf8_is_scored_and_named_as_it_is_shown(
    lockstep: Lockstep, live, tmp_path: Path
) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.csv")
    rows = orders_of(date(2020, 4, 1))
    rows.to_csv(file, index=False)
    answer = lockstep("score", "orders", "--file", str(file))
    assert answer.status == 0, answer.out
    assert "caf%E9-" in answer.out
    shown = str(tmp_path / "caf%E9.csv")
    assert lockstep("checks", "orders", "--file", shown).status == 0
    assert lockstep("score", "orders", "--file", shown).status == 0


def test_the_audit_says_how_long_it_takes_and_tells_each_damage_in_a_line(
    lockstep: Lockstep, scored
) -> None:
    sound = lockstep("audit", "orders")
    assert sound.status == 0
    first, last = sound.out.splitlines()
    assert " MB: about " in first
    assert last.startswith("orders: all digests agree: ")
    for day in (DAY, "2020-03-02"):
        path = scored.records().export_path(day)
        path.write_bytes(path.read_bytes() + b"x")
    damaged = lockstep("audit")
    assert damaged.status == 1
    told = [line for line in damaged.out.splitlines() if line.startswith("damaged: orders daily")]
    assert len(told) == 2
    parts = json.loads(lockstep("audit", "--json").out)["orders"]
    assert set(parts["damage"]) == {f"daily {DAY}", "daily 2020-03-02"}


def test_a_damaged_record_of_an_earlier_day_is_one_line_among_the_checks(
    lockstep: Lockstep, scored
) -> None:
    (scored.attempt(DAY).folder / "record.json").write_text("{")
    answer = lockstep("checks", "orders")
    assert answer.status == 1
    assert "checks passed" in answer.out
    assert answer.out.count("record.json") == 1


def test_a_day_and_a_file_at_once_are_refused(lockstep: Lockstep, live, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    orders_of(DAY).to_csv(file, index=False)
    error = lockstep("score", "orders", "--day", DAY, "--file", str(file)).error
    assert "not both" in error


def test_promotion_as_json(lockstep: Lockstep, two_versions) -> None:
    promoted = json.loads(lockstep("promote", "orders", "2", "--json").out)
    assert (promoted["champion"], promoted["live"]) == (2, 2)


def test_a_blocked_day_that_was_published_before_tells_what_stays_published(
    lockstep: Lockstep, scored
) -> None:
    scored.deliver(DAY, orders_of(DAY).head(0))
    said = lockstep("score", "orders", "--day", DAY).out.splitlines()[0]
    assert ", NOT published; attempt 1 of " in said
    assert said.endswith(f" stays published: {scored.records().export_path(DAY)}")


def test_a_blocked_day_keeps_no_later_one_and_stays_in_sight_until_it_is_published(
    lockstep: Lockstep, live
) -> None:
    sound = orders_of(DAY)
    live.deliver(DAY, sound.head(0))
    scored = lockstep("score", "orders", "--from", DAY, "--to", "2020-03-02")
    assert scored.status == 1
    assert f"{DAY}: no rows scored, 0 quarantined, NOT published" in scored.out
    assert "FAILED" in scored.out
    assert "2020-03-02: 120 rows scored, 0 quarantined, published" in scored.out
    blocked = lockstep("checks", "orders")
    live.deliver(DAY, sound)
    again = lockstep("score", "orders", "--day", DAY)
    mended = lockstep("checks", "orders")
    assert blocked.status == 1
    assert DAY in blocked.out
    assert (again.status, mended.status) == (0, 0), again.out + mended.out


def test_a_file_is_scored_where_it_lies(lockstep: Lockstep, live, tmp_path: Path) -> None:
    file = tmp_path / "some orders.csv"
    orders_of(DAY).to_csv(file, index=False)
    answer = lockstep("score", "orders", "--file", str(file), "--json")
    assert answer.status == 0
    (run,) = json.loads(answer.out)["runs"]
    assert run["published"]
    assert run["partition"].startswith("some orders-")
    assert file.exists()


def test_a_file_that_cannot_be_read_is_a_failed_check_that_is_told_again(
    lockstep: Lockstep, live, tmp_path: Path
) -> None:
    file = tmp_path / "half.parquet"
    file.write_bytes(b"PAR1 and no more")
    answer = lockstep("score", "orders", "--file", str(file))
    assert (answer.status, answer.err) == (1, "")
    assert str(live.home.inbox("orders") / "rejected") in answer.out
    again = lockstep("checks", "orders", "--file", "half.parquet")
    assert again.status == 1
    assert answer.out.count("half-written") == again.out.count("half-written") == 1


def test_advice_about_a_file_names_it_as_it_was_named(lockstep: Lockstep, live, tmp_path) -> None:
    file = tmp_path / "orders.csv"
    orders_of(DAY).to_csv(file, index=False, sep=";")
    answer = lockstep("score", "orders", "--file", str(file))
    (todo,) = (line for line in answer.out.splitlines() if "What to do" in line)
    assert f'read_csv("{file}"' in todo
    assert todo.endswith(f"Then: `lockstep score orders --file {tmp_path / 'orders-new.csv'}`")


def test_a_content_that_came_under_another_name_is_told(
    lockstep: Lockstep, file_scored: Path
) -> None:
    other = file_scored.rename(file_scored.with_name("others.csv"))
    said = lockstep("score", "orders", "--file", str(other)).out.splitlines()[0]
    assert said.startswith(f"{other} has the content of some orders-")


def test_a_live_version_that_is_damaged_is_a_failed_check(lockstep: Lockstep, live) -> None:
    (live.registry.load("orders", "live").directory / "profile.json").write_text("{}")
    answer = lockstep("score", "orders", "--day", DAY)
    assert (answer.status, answer.err) == (1, "")
    assert "The live version cannot be loaded, and nothing is scored" in answer.out
    assert "profile.json is not what was logged" in answer.out
    assert lockstep("checks", "orders").status == 1


def test_checks_before_any_run_say_that_there_are_none(lockstep: Lockstep, home_path: Path) -> None:
    answer = lockstep("checks", "orders")
    assert (answer.status, answer.out) == (0, f"No check of orders has run in {home_path}.\n")


def test_checks_show_what_each_found_last_and_of_all_days(lockstep: Lockstep, scored) -> None:
    answer = lockstep("checks", "orders", "--day", DAY, "--passed")
    assert answer.status == 0
    line = next(line for line in answer.out.splitlines() if "row_conservation" in line)
    assert line.split()[:3] == ["passed", "orders/daily/scored", DAY]
    found = json.loads(lockstep("checks", "orders", "--all", "--json").out)
    days = [one["partition"] for one in found if one["check"] == "row_conservation"]
    assert days == [DAY, "2020-03-02"]
    found = json.loads(lockstep("checks", "orders", "--json").out)
    (told,) = (one for one in found if one["check"] == "champion_comparison")
    assert (told["result"], told["summary"]) == (
        "not_judged",
        "There is no champion yet to compare with.",
    )


def test_checks_of_a_day_tell_of_each_suite_what_great_expectations_found(
    lockstep: Lockstep, live
) -> None:
    frame = orders_of(DAY)
    frame.loc[0, "items"] = 0
    live.deliver(DAY, frame)
    lockstep("score", "orders", "--day", DAY)
    said = lockstep("checks", "orders", "--day", DAY).out
    suites = [line.split() for line in said.splitlines() if "evaluated," in line]
    assert [line[0] for line in suites] == ["input_suite", "feature_suite", "output_suite"]
    evaluated, met = (int(suites[0][at]) for at in (1, 4))
    assert (met, suites[0][-1]) == (evaluated - 1, "met")
    (unmet,) = (line for line in said.splitlines() if "expect_column_values_to_be_between" in line)
    assert unmet.split()[1] == "items"
    assert f"1 of 120 rows (0.8 %) fails; e.g. {DAY}-0000 (0)" in unmet


def test_data_docs_of_a_day_are_pages_whose_first_one_is_printed(
    lockstep: Lockstep, scored, tmp_path: Path
) -> None:
    chosen = tmp_path / "pages"
    said = lockstep("checks", "orders", "--day", DAY, "--docs", str(chosen))
    assert (said.status, said.out) == (0, f"{chosen / 'index.html'}\n")
    pages = {path.stem: path.read_text() for path in (chosen / "validations").rglob("*.html")}
    assert set(pages) == {"input_suite", "feature_suite", "output_suite"}
    assert "values must be greater than or equal to" in pages["input_suite"]
    again = lockstep("checks", "orders", "--docs", "--day", DAY).out.strip()
    assert again.startswith(str(scored.home.cache))
    assert Path(again).is_file()


def test_data_docs_are_not_written_over_something_else(
    lockstep: Lockstep, scored, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    for place in (tmp_path, tmp_path / "mine.txt"):
        refused = lockstep("checks", "orders", "--docs", str(place), "--day", DAY)
        assert "holds something else" in refused.error


@pytest.fixture
def file_scored(lockstep: Lockstep, live, tmp_path: Path) -> Path:
    """A file that was scored."""
    file = tmp_path / "some orders.csv"
    orders_of(DAY).to_csv(file, index=False)
    assert lockstep("score", "orders", "--file", str(file)).status == 0
    return file


def test_a_file_is_found_again_by_its_name(lockstep: Lockstep, file_scored: Path) -> None:
    found = json.loads(lockstep("checks", "orders", "--file", file_scored.name, "--json").out)
    assert {one["asset"] for one in found} == {"orders/inbox/batch", "orders/inbox/scored"}
    answer = lockstep("trace", "orders", "--file", file_scored.name, "--key", f"{DAY}-0007")
    assert answer.status == 0
    assert answer.out.startswith(f"{DAY}-0007, scored by version 1")


KEY = f"{DAY}-0007"


def test_a_trace_holds_every_column_stored_and_computed(lockstep: Lockstep, scored) -> None:
    answer = lockstep("trace", "orders", "--day", DAY, "--key", KEY)
    assert answer.status == 0
    assert set(served(scored)) <= {line.split()[0] for line in answer.out.splitlines() if line}
    answer = lockstep("trace", "orders", "--day", DAY, "--key", KEY, "--json")
    assert answer.status == 0
    traced = json.loads(answer.out)
    assert (traced["key"], traced["version"], traced["agrees"]) == (KEY, 1, True)
    assert [one["column"] for one in traced["columns"]] == served(scored)
    price = next(one for one in traced["columns"] if one["column"] == "price_per_item")
    assert price["stored"] == price["computed"]


def test_a_trace_of_a_value_that_is_not_what_was_computed_is_status_1(
    lockstep: Lockstep, scored
) -> None:
    records, before = scored.records(), scored.attempt(DAY)
    table = before.read("scored")
    index = table.column_names.index("price_per_item")
    prices = pa.array([1.0] * len(table))
    with records.step(DAY, "scored", "another", after=["batch"]) as attempt:
        attempt.write("scored", table.set_column(index, "price_per_item", prices))
        attempt.keep("scored", before.record.steps["scored"])
        attempt.write("published", before.read("published"))
        attempt.keep("published", before.record.steps["published"])
        records.commit(attempt)
    answer = lockstep("trace", "orders", "--day", DAY, "--key", KEY, "--json")
    assert answer.status == 1
    assert "price_per_item" in json.loads(answer.out)["finding"]
    for_people = lockstep("trace", "orders", "--day", DAY, "--key", KEY).out
    assert (
        "A test that fails while price_per_item of this checkout differs; to run it" in for_people
    )


def test_a_trace_of_a_row_that_was_set_aside_says_why_and_is_status_1(
    lockstep: Lockstep, live
) -> None:
    frame = orders_of(DAY)
    frame.loc[7, "items"] = 0
    live.deliver(DAY, frame)
    answer = lockstep("score", "orders", "--day", DAY)
    assert f"{DAY}: 119 rows scored, 1 quarantined, published" in answer.out
    answer = lockstep("trace", "orders", "--day", DAY, "--key", KEY)
    assert answer.status == 1
    assert answer.out.splitlines()[-1] == (
        "It was set aside before it was computed, as quarantined: items: 0 is not between 1 and 100"
    )


def test_a_trace_of_a_row_that_was_edited_names_the_file_and_what_to_do(
    lockstep: Lockstep, scored
) -> None:
    path = scored.attempt(DAY).path("scored.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    error = lockstep("trace", "orders", "--day", DAY, "--key", KEY).error
    assert error.startswith(f"{path} is not what attempt 1 at {DAY} wrote")
    assert error.endswith(f"make it anew: lockstep score orders --day {DAY}")


def test_an_earlier_attempt_can_be_looked_into(lockstep: Lockstep, scored) -> None:
    frame = orders_of(DAY)
    scored.deliver(DAY, frame.head(0))
    assert lockstep("score", "orders", "--day", DAY).status == 1
    assert lockstep("checks", "orders", "--day", DAY).status == 1
    assert lockstep("checks", "orders", "--day", DAY, "--attempt", "1").status == 0
    traced = lockstep("trace", "orders", "--day", DAY, "--key", KEY, "--attempt", "1", "--json")
    assert json.loads(traced.out)["attempt"] == 1


def test_a_run_that_broke_off_is_told_by_the_checks_and_status_1(
    lockstep: Lockstep, scored
) -> None:
    carried_out(partial(scored.records().begin, DAY, "killed"))
    answer = lockstep("checks", "orders", "--json")
    assert answer.status == 1
    (record,) = [one for one in json.loads(answer.out) if one["check"] == "record"]
    assert record["asset"] == "orders/daily/batch"
    assert record["summary"].startswith("Attempt 2 of ")
    assert (
        "broke off before batch was recorded. What consumers read is attempt 1 of"
        in (record["summary"])
    )


def served(workplace) -> list[str]:
    """The columns of version 1, in graph order."""
    return list(workplace.registry.load("orders", 1).pipeline.graph.served)


def published(workplace, day: str) -> str:
    """Where consumers read a day."""
    return str(workplace.store.path("daily/published", day))


# While `lockstep up` runs


PAGE = f"http://127.0.0.1:3999/assets/orders/daily/batch?view=events&partitions%5B0%5D={DAY}"


@pytest.fixture
def blocked_while_up(lockstep: Lockstep, two_versions) -> Iterator[Answer]:
    """A day that a check blocked while the home is served."""
    two_versions.registry.set_alias("orders", "live", SECOND)
    write_addresses(two_versions.home.path, Addresses.local(3999, 5999))
    with locked(two_versions.home.served, "the home"):
        yield lockstep("score", "orders", "--day", DAY)


def test_a_day_that_is_blocked_is_told_with_the_page_of_the_check(
    blocked_while_up: Answer,
) -> None:
    assert blocked_while_up.status == 1
    told = blocked_while_up.out.partition("live_version\n")[2]
    what, where, todo, page = (line.strip() for line in told.splitlines()[:4])
    assert what.startswith("@live is version")
    assert where.startswith("Where: the alias @live of orders and the tags")
    assert todo.endswith(f"Then: `lockstep score orders --day {DAY}`")
    assert page == PAGE


def test_checks_tell_the_page_of_one_that_failed(
    lockstep: Lockstep, blocked_while_up: Answer
) -> None:
    (failed,) = (
        one
        for one in json.loads(lockstep("checks", "orders", "--day", DAY, "--json").out)
        if one["check"] == "live_version"
    )
    assert failed["page"] == PAGE
    assert failed["where"].startswith("the alias @live of orders and the tags")


def test_up_tells_the_page_for_all_pipelines_first(
    lockstep: Lockstep, blocked_while_up: Answer
) -> None:
    shown = lockstep("up").out.splitlines()
    assert shown[1].startswith("Overview: http://127.0.0.1:4000 ")


# What was found of a pipeline that cannot be imported


def test_what_was_found_is_read_while_the_pipeline_cannot_be_imported(
    lockstep: Lockstep, scored, tmp_path: Path
) -> None:
    asked = ("checks", "orders", "--day", "2020-03-02", "--json")
    whole = lockstep(*asked)
    checkout = Checkout(tmp_path / "checkout", scored.home.path)
    checkout.edit("assets/orders.py", "FIRST, LAST =", "FIRST, LAST, MORE =")
    lockstep.go_to(checkout.folder, checkout.home)
    broken = lockstep(*asked)
    assert "Pipeline orders cannot be imported" in broken.error
    known = {(one["asset"], one["check"]): one["summary"] for one in json.loads(broken.out)}
    assert ("orders/daily/scored", "golden_replay") in known
    before = {(one["asset"], one["check"]): one["summary"] for one in json.loads(whole.out)}
    assert known == {key: before[key] for key in known}
