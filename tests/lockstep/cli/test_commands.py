"""The command line: what each command prints, and the exit status that says how it went."""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from operator import contains, eq
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer

from assets.orders import ASSETS
from lockstep.artifacts.pointers import read_live
from lockstep.checks.streams import outcome_records
from lockstep.cli.main import app
from lockstep.project.home import Addresses, write_addresses
from lockstep.registry.version_tags import EVIDENCE, read_evidence, write_evidence
from lockstep.store.lock import locked
from tests.fixtures.commands import Answer, Lockstep
from tests.fixtures.order_store import orders_of
from tests.fixtures.orders import EDITED, SECOND, Checkout, Workplace
from tests.fixtures.writes import carried_out

ROOT = Path(__file__).parents[3]
DAY, NEXT = "2020-03-01", "2020-03-02"
KEY = f"{DAY}-0007"
RESULTS = [
    *("train", "promote", "challenge", "rollback", "versions"),
    *("score", "outcomes", "replay", "status", "checks", "audit", "trace", "constraints"),
]
"""Commands that print what they found, or did."""
DAILY = {"score": "--day", "outcomes": "--day", "trace": "--key x --day"}


# Help


def test_help_lists_every_command_and_each_explains_itself(lockstep: Lockstep) -> None:
    def explain(command: Any, *words: str) -> None:
        told = lockstep.out(*words, "--help")
        for name, inner in getattr(command, "commands", {}).items():
            assert f" {name} " in told
            explain(inner, *words, name)
        assert f" lockstep {' '.join([*words, '[OPTIONS]'])}" in told
        assert "--json" in told or words[:1] not in [(name,) for name in [*RESULTS, "list"]]

    explain(typer.main.get_command(app))


@pytest.mark.parametrize(
    "command",
    [
        *("list", "status", "audit", "checks orders --all", f"trace orders --day {DAY} --key x"),
        f"outcomes orders --day {DAY}",
        *(
            f"{name} orders"
            for name in (
                "checks",
                "promote",
                "challenge",
                "replay",
                "rollback",
                "versions",
                "audit",
            )
        ),
    ],
)
def test_a_command_that_finds_nothing_makes_nothing(
    lockstep: Lockstep, home_path: Path, command: str
) -> None:
    lockstep(*command.split())
    assert not home_path.exists()


# Wrong use


@pytest.mark.parametrize("command", [*RESULTS, "serve"])
@pytest.mark.usefixtures("home_path")
def test_an_unknown_pipeline_is_named_beside_those_that_there_are(
    lockstep: Lockstep, command: str
) -> None:
    options = [*DAILY[command].split(), DAY] if command in DAILY else []
    error = lockstep(command, "nothing", *options).error
    assert error.startswith("There is no pipeline 'nothing'; there are: orders.")


def test_outside_of_any_project_a_command_says_what_to_do(
    lockstep: Lockstep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = lockstep("train", "orders").error
    assert error.startswith(f"There is no Lockstep project in {tmp_path} or above")
    assert "lockstep new NAME" in error
    assert list(tmp_path.iterdir()) == []


UNSCORED = [
    ("", "Say what to score"),
    ("--day March-1", "'March-1' is not a day such as 2013-04-01."),
    ("--day 2019-03-01", "orders has no day 2019-03-01; it has 2020-03-01 to 2020-03-31."),
    (f"--from 2020-03-05 --to {DAY}", "--from 2020-03-05 lies after --to 2020-03-01."),
    (f"--from {DAY}", f"--from {DAY} lacks --to DAY, the last day. That day alone is --day"),
    (f"--to {DAY}", f"--to {DAY} lacks --from DAY, the first day. That day alone is --day"),
    (f"--day {DAY} --from {DAY} --to {DAY}", "Say either one day, --day DAY, or several"),
    (f"--day {DAY} --file orders.csv", "not both"),
    ("--file nowhere.csv", "nowhere.csv: no such file."),
    (f"--file {__file__}", "its kind is not known; use .csv, .parquet, .jsonl."),
    (
        "--file /",
        "/ is a folder without _SUCCESS. Name a file (.csv, .parquet, .jsonl); it holds none.",
    ),
]
"""What is no scoring, and what is said of it."""


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
        *(("home_path", f"score orders {options}", contains, told) for options, told in UNSCORED),
        (
            *("live", "rollback orders --to 7", eq),
            "Version 7 of orders was never live; those that were: 1.",
        ),
        ("live", "rollback orders", eq, "orders has no earlier version that was live."),
        ("live", f"trace orders --day {DAY} --key x", eq, f"orders has not scored {DAY}."),
        ("scored", f"trace orders --day {DAY} --key x", contains, f"scored no row 'x' in {DAY}"),
        ("scored", f"trace orders --day {DAY} --key x", contains, f"{DAY}-0000"),
        (
            *("scored", f"outcomes orders --from {NEXT} --to 2020-03-03", str.startswith),
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
    lockstep.go_to(ROOT, tmp_path)
    answer = lockstep("tables", "flight_delay", "--deliver", "--day", day)
    assert answer.error.startswith(f"No table of flight_delay is delivered on {day}: they")


@pytest.mark.parametrize("time", ["noon", "2013-02-30", "9999-12-31T23:59:59-12:00"])
def test_a_time_that_is_none_withdraws_no_row(
    lockstep: Lockstep, tmp_path: Path, time: str
) -> None:
    lockstep.go_to(ROOT, tmp_path)
    command = ("withdraw", "flight_delay", "weather", "EWR", "--reason", "twice", "--at", time)
    assert f"--at '{time}' is not a time such as 2013-04-01T12:30" in lockstep(*command).error


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--from 2020-03-31 --to 2020-04-01", "has no day 2020-04-01"),
        (f"--day {DAY} --accept colour", "'colour'"),
    ],
)
def test_what_is_refused_in_part_is_refused_before_anything_is_scored(
    lockstep: Lockstep, live: Workplace, options: str, said: str
) -> None:
    assert said in lockstep("score", "orders", *options.split()).error
    assert live.records().attempted() == []


@pytest.mark.parametrize(
    ("file", "command", "said"),
    [
        ("mlflow/mlflow.db", "promote", "mlflow.db cannot be used (file is not a database)"),
        ("dagster/history/runs.db", "train", "dagster cannot be used (file is not a database)"),
        ("dagster/dagster.yaml", "train", "dagster.yaml cannot be used: while parsing"),
    ],
)
def test_a_file_of_the_home_that_is_damaged_is_one_clear_line(
    lockstep: Lockstep, home_path: Path, file: str, command: str, said: str
) -> None:
    damaged = home_path / file
    damaged.parent.mkdir(parents=True)
    damaged.write_text("no longer: [" * 100)
    assert said in lockstep(command, "orders").error


@pytest.mark.parametrize(
    ("writes", "number", "command", "said"),
    [
        (
            *("lockstep.scoring.unit.write_part", errno.ENOSPC, f"score orders --day {DAY}"),
            (
                "batch.parquet cannot be written, since its disk is full",
                "Make room there, or set LOCKSTEP_HOME",
            ),
        ),
        (
            *("lockstep.store.state_files.replace_text", errno.EROFS, "promote orders"),
            ("live/orders.json is closed to this user (Read-only file system). Have it",),
        ),
    ],
    ids=["full", "closed"],
)
def test_a_disk_that_cannot_be_written_to_is_one_line_with_the_path_and_what_to_do(
    lockstep: Lockstep,
    two_versions: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    writes: str,
    number: int,
    command: str,
    said: tuple[str, ...],
) -> None:
    def fail(path: Path, name: object, *_: object) -> None:
        whole = path if path.suffix else path / f"{name}.parquet"
        raise OSError(number, os.strerror(number), str(whole))

    monkeypatch.setattr(writes, fail)
    error = lockstep(*command.split()).error
    assert all(each in error for each in said), error


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
    assert [one["pipeline"] for one in lockstep.json("list")] == ["orders", "broken"]


# Versions


def test_the_main_job_by_commands(lockstep: Lockstep, live: Workplace) -> None:
    trained = lockstep.out("train", "orders")
    assert trained.startswith("Registered orders version 2 (risk auc ")
    assert trained.endswith("Promote it: lockstep promote orders 2\n")
    assert "against" in found_by("champion_comparison", lockstep)["summary"]
    assert "@champion: version 2. @live: version 2." in lockstep.out("promote", "orders")
    assert lockstep.out("score", "orders", "--from", DAY, "--to", NEXT).splitlines() == [
        *(
            f"{day}: 120 rows scored, 0 quarantined, published: "
            f"{live.store.path('daily/published', day)}"
            for day in (DAY, NEXT)
        ),
        "38 checks passed",
    ]
    assert "@champion: version 1. @live: version 1." in lockstep.out("rollback", "orders")
    assert "; it went back from version 2." in lockstep.out("versions", "orders")
    assert lockstep("rollback", "orders").error == (
        "orders has no earlier version to go back to: version 2 was gone back from. To have one "
        "serve again, name it: lockstep rollback orders --to 2"
    )
    named = lockstep("rollback", "orders", "--to", "2")
    assert "@champion: version 2. @live: version 2." in named.out


def found_by(check: str, lockstep: Lockstep, *which: str) -> dict[str, Any]:
    """What a check of `orders` found, by the command `checks`."""
    (found,) = (
        each for each in lockstep.json("checks", "orders", *which) if each["check"] == check
    )
    return dict(found)


def test_a_training_tells_how_far_it_came(lockstep: Lockstep, workplace: Workplace) -> None:
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


def test_a_version_that_there_is_not_is_no_champion(
    lockstep: Lockstep, workplace: Workplace
) -> None:
    assert "7" in lockstep("promote", "orders", "7").error
    assert workplace.registry.alias("orders", "champion") is None


def failed_in_training(place: Workplace, *checks: str) -> None:
    """Have the training of the newest version have failed these checks."""
    version = max(place.registry.versions("orders"), key=lambda each: each.version)
    found = read_evidence(version)
    failed = replace(found, results={**found.results, **dict.fromkeys(checks, "failed")})
    write_evidence(place.registry, version, failed)


def test_a_failed_check_of_quality_is_overruled_with_a_reason_that_is_shown(
    lockstep: Lockstep, workplace: Workplace
) -> None:
    failed_in_training(workplace, "quality", "slices")
    error = lockstep("promote", "orders").error
    assert error.startswith(
        "Version 1 of orders failed quality, slices when it was trained (risk auc 0."
    )
    assert error.endswith('say why: lockstep promote orders 1 --anyway "REASON"')
    assert workplace.registry.alias("orders", "champion") is None
    lockstep.out("promote", "orders", "--anyway", "The old one is worse.")
    assert workplace.registry.alias("orders", "live").version == 1
    said = "A check of its quality failed, and a person overruled it: The old one is worse."
    assert said in lockstep("versions", "orders").out
    lockstep.out("promote", "orders", "1")  # what was decided stays so
    assert said in lockstep("versions", "orders").out


def test_a_failed_check_of_parity_is_overruled_by_nobody(
    lockstep: Lockstep, workplace: Workplace
) -> None:
    failed_in_training(workplace, "quality", "round_trip")
    for words in ((), ("--anyway", "I want it")):
        assert lockstep("promote", "orders", *words).error == (
            "Version 1 of orders may not serve: round_trip failed when it was trained, which "
            "nobody can overrule. Mend what it named, and train anew: lockstep train orders"
        )
    assert workplace.registry.alias("orders", "champion") is None
    lockstep.out("train", "orders")  # what was proposed


def test_what_the_gate_refuses_is_no_champion(lockstep: Lockstep, two_versions: Workplace) -> None:
    registry = two_versions.registry
    registry.tag(registry.find("orders", SECOND), EVIDENCE, "edited")
    refused = lockstep("promote", "orders", "2")
    assert refused.status == 1
    assert refused.out.startswith("@champion: version 1. @live: version 1.")
    assert "FAILED  orders/champion  evidence" in refused.out
    assert registry.alias("orders", "champion").version == 1


def test_promotion_as_json(lockstep: Lockstep, two_versions: Workplace) -> None:
    promoted = lockstep.json("promote", "orders", "2")
    assert (promoted["champion"], promoted["live"]) == (2, 2)


def test_a_challenger_is_no_earlier_version(lockstep: Lockstep, two_versions: Workplace) -> None:
    challenged = lockstep.out("challenge", "orders")
    assert "@challenger: version 2. It may answer." in challenged
    assert two_versions.registry.alias("orders", "challenger").version == 2
    assert two_versions.registry.alias("orders", "live").version == 1
    assert lockstep("rollback", "orders").error == "orders has no earlier version that was live."
    error = lockstep("rollback", "orders", "--to", "2").error
    assert error == "Version 2 of orders was never live; those that were: 1."


def test_versions_tell_which_is_live_and_since_when(
    lockstep: Lockstep, two_versions: Workplace
) -> None:
    live, decided = (
        read_live(two_versions.home.live("orders")),
        two_versions.serving.state().decided,
    )
    assert live is not None
    assert decided is not None
    since = f"{live.since:%Y-%m-%d %H:%M}"
    first, titles, *others = lockstep("versions", "orders").out.splitlines()
    assert first == (
        f"Version 1 of orders is live since {since} UTC, by the gate of {decided.site}."
    )
    assert titles.split()[:4] == ["version", "aliases", "trained", "rows"]
    assert [line.split()[0] for line in others] == ["2", "1"]
    assert "@champion @live" in others[1]
    assert f"version 1 is live since {since} UTC" in lockstep("list").out


@pytest.mark.usefixtures("three_versions")
def test_versions_tell_what_differs_between_two(lockstep: Lockstep) -> None:
    diff = ("versions", "orders", "--diff", "1")
    out = lockstep(*diff, str(EDITED)).out
    assert "-    return return_probability >= 0.5\n" in out
    assert "+    return return_probability >= 0.2\n" in out
    assert lockstep.json(*diff, str(EDITED))["columns"] == {"will_return": "changed"}
    assert lockstep(*diff, "1").out == (
        "Versions 1 and 1 of orders are the same in code, rows and environment.\n"
    )


def test_a_champion_that_is_not_live_is_told_of(
    lockstep: Lockstep, two_versions: Workplace
) -> None:
    assert "@champion" not in lockstep("score", "orders", "--day", DAY).out
    two_versions.registry.set_alias("orders", "champion", SECOND)
    waits = "@champion is version 2, which is not live"
    assert waits in lockstep("versions", "orders").out
    *_, last = lockstep("score", "orders", "--day", DAY).out.splitlines()
    assert last == f"{waits}; what the gate says of it: lockstep promote orders 2"
    assert "@champion: version 1. @live: version 1." in lockstep("rollback", "orders").out


def test_what_is_proposed_for_such_a_champion_succeeds(
    lockstep: Lockstep, two_versions: Workplace
) -> None:
    two_versions.registry.set_alias("orders", "champion", SECOND)
    failed_in_training(two_versions, "quality")
    waits = "@champion is version 2, which is not live"
    by = 'lockstep promote orders 2 --anyway "REASON"'
    assert f"{waits}; what the gate says of it: {by}" in lockstep("versions", "orders").out
    failed_in_training(two_versions, "wire_formats")
    assert (
        f"{waits}, and may not be: wire_formats failed when it was trained. Point it back to the "
        "live one: lockstep rollback orders"
    ) in lockstep("versions", "orders").out
    lockstep.out("rollback", "orders")
    assert two_versions.registry.alias("orders", "champion").version == 1


@pytest.mark.usefixtures("live")
def test_versions_of_a_registry_that_was_lost_tell_which_one_served(
    lockstep: Lockstep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/empty.db")
    assert lockstep("versions", "orders").out == (
        "orders has no version. The gate let version 1 serve, which the registry has no more: "
        "restore the registry from a copy, or train anew. Train one: lockstep train orders\n"
    )


def test_a_damaged_version_is_told_to_be(lockstep: Lockstep, two_versions: Workplace) -> None:
    (two_versions.registry.load("orders", 2).directory / "profile.json").write_text("{}")
    assert "Version 2 cannot be used: " in lockstep.out("versions", "orders")


@pytest.mark.usefixtures("workplace")
def test_without_a_live_version_each_command_says_how_to_have_one(lockstep: Lockstep) -> None:
    said = lockstep("versions", "orders").out
    assert said.startswith("No version of orders is live. Promote one: lockstep promote orders")
    scored = lockstep("score", "orders", "--day", DAY)
    assert scored.error == (
        "orders has no @live. Promote one of its versions (1): lockstep promote orders VERSION"
    )
    assert scored.out == ""  # nothing of the day was looked at
    as_json = lockstep("score", "orders", "--day", DAY, "--json")
    assert as_json.status == 2
    assert json.loads(as_json.out)["runs"][0]["error"] in as_json.err


def test_constraints_are_listed_in_three_forms(lockstep: Lockstep, live: Workplace) -> None:
    found = lockstep.json("constraints", "orders")
    assert (found["rows"], found["days"], found["batch"]) == (7_200, 60, None)
    assert all(one["broken"] == 0 for one in found["strict"])
    lines = lockstep("constraints", "orders", "--expectations").out.splitlines()
    within = "column='country', value_set=['AT', 'DE', 'FR', 'US'], severity=\"warning\""
    assert f"gx.expectations.ExpectColumnValuesToBeInSet({within})," in lines
    assert any("ExpectColumnValuesToBeBetween(column='items', min_value=1" in one for one in lines)
    live.work_off(DAY)
    strict, nearest = lockstep.out("constraints", "orders").split(
        "the statistics nearest to their limits:"
    )
    assert "Version 1 of orders found" in strict
    assert "in 7,200 rows of 60 days, " in strict
    assert "order_id holds its day" in strict
    assert "of its limit" in nearest


# Days and files


def test_a_blocked_day_tells_what_stays_published(lockstep: Lockstep, scored: Workplace) -> None:
    scored.deliver(DAY, orders_of(DAY).head(0))
    said = lockstep("score", "orders", "--day", DAY).out.splitlines()[0]
    assert ", NOT published; attempt 1 of " in said
    assert said.endswith(f" stays published: {scored.records().export_path(DAY)}")


def test_a_blocked_day_stays_in_sight_until_it_is_out(lockstep: Lockstep, live: Workplace) -> None:
    live.deliver(DAY, orders_of(DAY).head(0))
    scored = lockstep("score", "orders", "--from", DAY, "--to", NEXT)
    assert scored.status == 1
    assert f"{DAY}: no rows scored, 0 quarantined, NOT published" in scored.out
    assert "FAILED" in scored.out
    assert f"{NEXT}: 120 rows scored, 0 quarantined, published" in scored.out
    blocked = lockstep("checks", "orders")
    assert blocked.status == 1
    assert DAY in blocked.out
    live.deliver(DAY, orders_of(DAY))
    lockstep.out("score", "orders", "--day", DAY)
    lockstep.out("checks", "orders")


def test_outcomes_are_told_until_they_are_edited(lockstep: Lockstep, scored: Workplace) -> None:
    compared = lockstep.out("outcomes", "orders", "--from", DAY, "--to", NEXT)
    path = outcome_records(ASSETS, scored.store).demand(DAY).path("outcomes.parquet")
    first, second = compared.splitlines()[:2]
    assert first == f"{DAY}: 120 of 120 outcomes known: {path}"
    assert second.startswith(f"{NEXT}: ")
    told = lockstep("checks", "orders", "--day", DAY, "--passed").out
    assert f"orders/outcomes {DAY}  arrival" in told
    assert "120 of 120 outcomes are known (100%)" in told
    path.write_bytes(path.read_bytes() + b"x")
    edited = lockstep("checks", "orders", "--day", DAY)
    assert edited.status == 1
    assert f"lockstep outcomes orders --day {DAY}" in edited.out
    shutil.rmtree(scored.home.dagster)  # no run of Dagster's is needed
    assert "outcomes known" in lockstep.out("outcomes", "orders", "--day", DAY)


def test_outcomes_of_what_was_replaced_are_told(lockstep: Lockstep, scored: Workplace) -> None:
    lockstep("outcomes", "orders", "--day", DAY)
    scored.work_off(DAY)
    found = found_by("record", lockstep, "--day", DAY)
    assert (found["asset"], found["result"]) == ("orders/outcomes", "warned")
    assert "it was published again since" in found["summary"]
    lockstep("outcomes", "orders", "--day", DAY)
    assert "published again" not in lockstep("checks", "orders", "--day", DAY).out


def test_the_audit_tells_each_damage_in_a_line(lockstep: Lockstep, scored: Workplace) -> None:
    first, last = lockstep.out("audit", "orders").splitlines()
    assert " MB: about " in first
    assert last.startswith("orders: all digests agree: ")
    for day in (DAY, NEXT):
        path = scored.records().export_path(day)
        path.write_bytes(path.read_bytes() + b"x")
    damaged = lockstep("audit")
    assert damaged.status == 1
    told = [line for line in damaged.out.splitlines() if line.startswith("damaged: orders daily")]
    assert len(told) == 2
    parts = lockstep.json("audit")["orders"]
    assert set(parts["damage"]) == {f"daily {DAY}", f"daily {NEXT}"}


@pytest.fixture
def file(live: Workplace, tmp_path: Path) -> Path:
    """A file of orders, where a version is live."""
    path = tmp_path / "some orders.csv"
    orders_of(DAY).to_csv(path, index=False)
    return path


def test_a_file_is_scored_where_it_lies_and_found_again_by_its_name(
    lockstep: Lockstep, file: Path
) -> None:
    (run,) = lockstep.json("score", "orders", "--file", str(file))["runs"]
    assert run["published"]
    assert run["partition"].startswith("some orders-")
    found = lockstep.json("checks", "orders", "--file", file.name)
    assert {one["asset"] for one in found} == {"orders/inbox/batch", "orders/inbox/scored"}
    traced = lockstep.out("trace", "orders", "--file", file.name, "--key", KEY)
    assert traced.startswith(f"{KEY}, scored by version 1")
    other = file.rename(file.with_name("others.csv"))
    said = lockstep("score", "orders", "--file", str(other)).out.splitlines()[0]
    assert said.startswith(f"{other} has the content of some orders-")


def test_a_name_that_is_no_utf8_is_taken_as_it_is_shown(lockstep: Lockstep, file: Path) -> None:
    odd = file.rename(file.with_name(os.fsdecode(b"caf\xe9.csv")))
    assert "caf%E9-" in lockstep.out("score", "orders", "--file", str(odd))
    shown = str(file.with_name("caf%E9.csv"))
    lockstep.out("checks", "orders", "--file", shown)
    lockstep.out("score", "orders", "--file", shown)


def test_a_file_that_cannot_be_read_is_a_failed_check_that_is_told_again(
    lockstep: Lockstep, live: Workplace, tmp_path: Path
) -> None:
    half = tmp_path / "half.parquet"
    half.write_bytes(b"PAR1 and no more")
    answer = lockstep("score", "orders", "--file", str(half))
    assert (answer.status, answer.err) == (1, "")
    assert str(live.home.inbox("orders") / "rejected") in answer.out
    again = lockstep("checks", "orders", "--file", half.name)
    assert again.status == 1
    assert answer.out.count("half-written") == again.out.count("half-written") == 1


def test_advice_about_a_file_names_it_as_it_was_named(lockstep: Lockstep, file: Path) -> None:
    file.write_text(file.read_text().replace(",", ";"))
    answer = lockstep("score", "orders", "--file", str(file))
    (todo,) = (line for line in answer.out.splitlines() if "What to do" in line)
    assert f'read_csv("{file}"' in todo
    assert todo.endswith(
        f"Then: `lockstep score orders --file '{file.with_name('some orders-new.csv')}'`"
    )


# What checks found


def test_checks_before_any_run_say_that_there_are_none(lockstep: Lockstep, home_path: Path) -> None:
    assert lockstep.out("checks", "orders") == f"No check of orders has run in {home_path}.\n"


@pytest.mark.usefixtures("scored")
def test_checks_show_what_each_found_last_and_of_all_days(lockstep: Lockstep) -> None:
    shown = lockstep.out("checks", "orders", "--day", DAY, "--passed")
    line = next(line for line in shown.splitlines() if "row_conservation" in line)
    assert line.split()[:3] == ["passed", "orders/daily/scored", DAY]
    found = lockstep.json("checks", "orders", "--all")
    days = [one["partition"] for one in found if one["check"] == "row_conservation"]
    assert days == [DAY, NEXT]
    compared = found_by("champion_comparison", lockstep)
    assert compared["result"] == "not_judged"
    assert compared["summary"] == "There is no champion yet to compare with."


def test_checks_of_a_day_tell_of_each_suite_what_great_expectations_found(
    lockstep: Lockstep, live: Workplace
) -> None:
    frame = orders_of(DAY)
    frame.loc[0, "items"] = 0
    live.deliver(DAY, frame)
    live.work_off(DAY)
    said = lockstep("checks", "orders", "--day", DAY).out
    suites = [line.split() for line in said.splitlines() if "evaluated," in line]
    assert [line[0] for line in suites] == ["input_suite", "feature_suite", "output_suite"]
    evaluated, met = (int(suites[0][at]) for at in (1, 4))
    assert (met, suites[0][-1]) == (evaluated - 1, "met")
    (unmet,) = (line for line in said.splitlines() if "expect_column_values_to_be_between" in line)
    assert unmet.split()[1] == "items"
    assert f"1 of 120 rows (0.8 %) fails; e.g. {DAY}-0000 (0)" in unmet


def test_data_docs_of_a_day_are_pages_whose_first_one_is_printed(
    lockstep: Lockstep, scored: Workplace, tmp_path: Path
) -> None:
    chosen = tmp_path / "pages"
    said = lockstep.out("checks", "orders", "--day", DAY, "--docs", str(chosen))
    assert said == f"{chosen / 'index.html'}\n"
    pages = {path.stem: path.read_text() for path in (chosen / "validations").rglob("*.html")}
    assert set(pages) == {"input_suite", "feature_suite", "output_suite"}
    assert "values must be greater than or equal to" in pages["input_suite"]
    again = lockstep("checks", "orders", "--docs", "--day", DAY).out.strip()
    assert again.startswith(str(scored.home.cache))
    assert Path(again).is_file()
    (tmp_path / "mine.txt").write_text("precious")
    for place in (tmp_path, tmp_path / "mine.txt"):
        refused = lockstep("checks", "orders", "--docs", str(place), "--day", DAY)
        assert "holds something else" in refused.error


def test_an_earlier_attempt_can_be_looked_into(lockstep: Lockstep, scored: Workplace) -> None:
    scored.deliver(DAY, orders_of(DAY).head(0))
    assert not scored.publishes(DAY)
    assert lockstep("checks", "orders", "--day", DAY).status == 1
    lockstep.out("checks", "orders", "--day", DAY, "--attempt", "1")
    traced = lockstep.json("trace", "orders", "--day", DAY, "--key", KEY, "--attempt", "1")
    assert traced["attempt"] == 1


def test_a_run_that_broke_off_is_told_by_the_checks(lockstep: Lockstep, scored: Workplace) -> None:
    carried_out(partial(scored.records().begin, DAY, "killed"))
    assert lockstep("checks", "orders").status == 1
    record = found_by("record", lockstep)
    assert record["asset"] == "orders/daily/batch"
    assert record["summary"].startswith("Attempt 2 of ")
    broken = "broke off before batch was recorded. What consumers read is attempt 1 of"
    assert broken in record["summary"]


def test_what_was_found_is_read_while_the_pipeline_cannot_be_imported(
    lockstep: Lockstep, scored: Workplace, tmp_path: Path
) -> None:
    asked = ("checks", "orders", "--day", NEXT, "--json")
    whole = lockstep(*asked)
    checkout = Checkout(tmp_path / "checkout", scored.home.path)
    checkout.edit("assets/orders.py", "FIRST, LAST =", "FIRST, LAST, MORE =")
    lockstep.go_to(checkout.folder, checkout.home)
    broken = lockstep(*asked)
    assert "Pipeline orders cannot be imported" in broken.error
    known, before = (
        {(one["asset"], one["check"]): one["summary"] for one in json.loads(answer.out)}
        for answer in (broken, whole)
    )
    assert ("orders/daily/scored", "golden_replay") in known
    assert known == {key: before[key] for key in known}


# Traces


def test_a_trace_holds_every_column_stored_and_computed(
    lockstep: Lockstep, scored: Workplace
) -> None:
    served = [*scored.registry.load("orders", 1).pipeline.graph.served]
    shown = lockstep.out("trace", "orders", "--day", DAY, "--key", KEY)
    assert set(served) <= {line.split()[0] for line in shown.splitlines() if line}
    traced = json.loads(lockstep.out("trace", "orders", "--day", DAY, "--key", KEY, "--json"))
    assert (traced["key"], traced["version"], traced["agrees"]) == (KEY, 1, True)
    assert [one["column"] for one in traced["columns"]] == served
    price = next(one for one in traced["columns"] if one["column"] == "price_per_item")
    assert price["stored"] == price["computed"]


def test_a_trace_of_another_value_is_status_1(lockstep: Lockstep, scored: Workplace) -> None:
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
    asked = ("trace", "orders", "--day", DAY, "--key", KEY)
    assert "price_per_item" in lockstep.json(*asked)["finding"]
    for_people = lockstep(*asked)
    assert for_people.status == 1
    test = "A test that fails while price_per_item of this checkout differs; to run it"
    assert test in for_people.out


def test_a_trace_of_a_row_that_was_set_aside_says_why_and_is_status_1(
    lockstep: Lockstep, live: Workplace
) -> None:
    frame = orders_of(DAY)
    frame.loc[7, "items"] = 0
    live.deliver(DAY, frame)
    scored = lockstep("score", "orders", "--day", DAY)
    assert f"{DAY}: 119 rows scored, 1 quarantined, published" in scored.out
    answer = lockstep("trace", "orders", "--day", DAY, "--key", KEY)
    assert answer.status == 1
    assert answer.out.splitlines()[-1] == (
        "It was set aside before it was computed, as quarantined: items: 0 is not between 1 and 100"
    )


def test_a_trace_of_an_edited_row_names_the_file(lockstep: Lockstep, scored: Workplace) -> None:
    path = scored.attempt(DAY).path("scored.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    error = lockstep("trace", "orders", "--day", DAY, "--key", KEY).error
    assert error.startswith(f"{path} is not what attempt 1 at {DAY} wrote")
    assert error.endswith(f"make it anew: lockstep score orders --day {DAY}")


# While `lockstep up` runs


PAGE = f"http://127.0.0.1:3999/assets/orders/daily/batch?view=events&partitions%5B0%5D={DAY}"


@pytest.fixture
def blocked_while_up(lockstep: Lockstep, two_versions: Workplace) -> Iterator[Answer]:
    """A day that a check blocked while the home is served."""
    two_versions.registry.set_alias("orders", "live", SECOND)
    write_addresses(two_versions.home.path, Addresses.local(3999, 5999))
    with locked(two_versions.home.served, "the home"):
        yield lockstep("score", "orders", "--day", DAY)


def test_while_up_runs_a_failed_check_is_told_with_its_page(
    lockstep: Lockstep, blocked_while_up: Answer
) -> None:
    assert blocked_while_up.status == 1
    told = blocked_while_up.out.partition("live_version\n")[2]
    what, where, todo, page = (line.strip() for line in told.splitlines()[:4])
    assert what.startswith("@live is version")
    assert where.startswith("Where: the alias @live of orders and the tags")
    assert todo.endswith(f"Then: `lockstep score orders --day {DAY}`")
    assert page == PAGE
    failed = found_by("live_version", lockstep, "--day", DAY)
    assert failed["page"] == PAGE
    assert failed["where"].startswith("the alias @live of orders and the tags")
    assert lockstep("up").out.splitlines()[1].startswith("Overview: http://127.0.0.1:4000 ")
