"""The gate: what keeps a version that people want from serving, and what does not."""

import errno
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.orders import ASSETS
from lockstep.artifacts.pointers import open_live, read_live
from lockstep.columns.tables import take_rows
from lockstep.errors import ArtifactError, UnavailableFilesError
from lockstep.parity.golden import GoldenRecords
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.live import Live
from lockstep.registry.surroundings import SURROUNDINGS
from lockstep.registry.version_tags import (
    EVIDENCE,
    PROVEN,
    is_proven,
    proofs,
    read_evidence,
    write_evidence,
)
from lockstep.registry.versions import MANIFEST_TAG, Version
from lockstep.store.parquet import Store
from lockstep.training.gate import Gate, check_evidence, go_back, pass_challenger, pass_gate
from tests.fixtures.commands import Lockstep
from tests.fixtures.orders import SECOND, Checkout, Workplace, copy_home, home_after

HEAVY = ("return weight > 5", "return weight > 6")


def gate_of(workplace, declared: PipelineAssets = ASSETS, version: int = 1) -> Gate:
    workplace.registry.set_alias("orders", "champion", version)
    return pass_gate(declared, workplace.registry, workplace.store, workplace.home.live("orders"))


def live_version(workplace) -> int | None:
    found = workplace.registry.alias("orders", "live")
    return None if found is None else found.version


def version_of(workplace, number: int) -> Version:
    (found,) = (one for one in workplace.registry.versions("orders") if one.version == number)
    return found


def test_how_old_a_version_is_its_files_tell_and_no_tag(workplace) -> None:
    before = gate_of(workplace).results["staleness"]
    for until in ("2099-01-01T00:00:00+00:00", "yesterday"):
        workplace.registry.tag(version_of(workplace, 1), "trained_until", until)
        assert gate_of(workplace).results["staleness"] == before


def test_the_gate_and_a_batch_count_the_same_age(scored) -> None:
    batch = scored.attempt("2020-03-02").record.steps["batch"]
    age = gate_of(scored).results["staleness"].numbers["age_days"]
    assert age == batch.results["live_age"].numbers["age_days"] > 0


def test_code_that_changed_since_the_fit_is_an_error_that_names_the_column(
    workplace, edited_orders
) -> None:
    gate = gate_of(workplace, edited_orders(HEAVY))
    found = gate.results["code_parity"]
    assert (found.is_error, found.column) == (True, "is_heavy")
    assert "train a new version" in found.summary
    assert (gate.is_open, live_version(workplace)) == (False, None)


def test_a_changed_estimator_is_told_to_show_in_the_next_fit(workplace, edited_orders) -> None:
    found = gate_of(workplace, edited_orders(("C=10.0", "C=1.0"))).results["code_parity"]
    assert "what was changed of return_probability shows in the next fit" in found.summary


def test_a_change_of_docstrings_is_none(workplace, edited_orders) -> None:
    declared = edited_orders(("More than five kilograms;", "Heavier than 5 kilograms;"))
    assert gate_of(workplace, declared).results["code_parity"].passed


def test_a_file_tells_which_version_is_live_to_those_who_do_not_ask_the_registry(
    workplace,
) -> None:
    gate = gate_of(workplace)
    assert gate.is_open
    assert gate.results["code_parity"].passed
    version = open_live(workplace.home.live("orders"))
    assert (version.name, version.version) == ("orders", 1)


def test_a_version_that_does_not_pass_leaves_the_file_where_it_was(
    two_versions, edited_orders
) -> None:
    assert not gate_of(two_versions, edited_orders(HEAVY), version=SECOND).is_open
    assert read_live(two_versions.home.live("orders")).version == 1


def test_a_version_that_was_proven_before_goes_on_with_its_own_code(live, edited_orders) -> None:
    gate = gate_of(live, edited_orders(HEAVY))
    found = gate.results["code_parity"]
    assert (found.passed, found.is_error, found.column) == (False, False, "is_heavy")
    assert (gate.is_open, live_version(live)) == (True, 1)


def test_rolling_back_to_a_proven_version_works_with_newer_code(
    two_versions, edited_orders
) -> None:
    newer = edited_orders(HEAVY)
    assert live_version(two_versions) == 1
    assert gate_of(two_versions, version=SECOND).is_open
    assert live_version(two_versions) == SECOND
    assert gate_of(two_versions, newer, version=1).is_open
    assert live_version(two_versions) == 1


# What is known of its training


def files_of(workplace, number: int) -> Path:
    return workplace.registry.load("orders", number).directory


def evidence_of(workplace, **changes: object) -> None:
    """Write other evidence of version 1, as if its training had found that."""
    version = version_of(workplace, 1)
    write_evidence(workplace.registry, version, replace(read_evidence(version), **changes))


@pytest.mark.parametrize("tag", [EVIDENCE, SURROUNDINGS])
def test_a_version_that_lost_a_tag_is_refused(workplace, tag: str) -> None:
    """Such as one whose training broke off before its evidence was written."""
    workplace.registry._connection.client.delete_model_version_tag("orders", "1", tag)
    gate = gate_of(workplace)
    found = gate.results["evidence"]
    assert (found.is_error, gate.is_open, live_version(workplace)) == (True, False, None)
    assert f"version 1 of orders has no tag {tag}" in found.summary


def test_a_version_that_failed_blocking_checks_is_refused_with_their_names(workplace) -> None:
    results = read_evidence(version_of(workplace, 1)).results
    blocking = ("row_locality", "training_parity", "round_trip", "input_suite")
    evidence_of(workplace, results={**results, **dict.fromkeys(blocking, "failed")})
    gate = gate_of(workplace)
    assert (gate.is_open, live_version(workplace)) == (False, None)
    told = gate.results["evidence"].summary
    assert [name for name in blocking if f"{name} failed when it was trained" not in told] == []


@pytest.mark.parametrize("result", ["not_judged", None])
def test_a_version_whose_parity_was_not_judged_is_refused(workplace, result: str | None) -> None:
    results = dict(read_evidence(version_of(workplace, 1)).results)
    del results["round_trip"]
    evidence_of(workplace, results={**results, **({"round_trip": result} if result else {})})
    gate = gate_of(workplace)
    assert not gate.is_open
    assert "round_trip was not carried out" in gate.results["evidence"].summary


def test_a_failure_that_does_not_block_is_left_to_the_person_who_promotes(workplace) -> None:
    results = read_evidence(version_of(workplace, 1)).results
    evidence_of(workplace, results={**results, "quality": "failed"})
    assert gate_of(workplace).is_open


def test_a_disk_that_fails_is_raised_and_no_finding_about_the_version(
    workplace, monkeypatch
) -> None:
    directory, read_bytes = version_of(workplace, 1).location, Path.read_bytes

    def fail(path: Path) -> bytes:
        if str(path).startswith(directory):
            raise OSError(errno.EIO, "Input/output error")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(UnavailableFilesError, match="Input/output error"):
        gate_of(workplace)


def test_golden_records_that_were_cut_down_after_the_registration_are_missed(workplace) -> None:
    files = files_of(workplace, 1)
    golden = GoldenRecords.from_directory(files / "golden")
    few = GoldenRecords.of(take_rows(golden.records, slice(3)), golden.trace.take([0, 1, 2]))
    few.to_directory(files / "golden")
    gate = gate_of(workplace, version=1)
    assert (gate.is_open, live_version(workplace)) == (False, None)
    assert "is not what was logged" in gate.results["evidence"].summary
    assert gate.results["golden_replay"].result == "not_judged"


def test_files_that_were_rewritten_with_their_manifest_are_not_those_that_were_checked(
    workplace,
) -> None:
    manifest = files_of(workplace, 1) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": ', '"rows": 1', 1))
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    workplace.registry.tag(version_of(workplace, 1), MANIFEST_TAG, digest)
    gate = gate_of(workplace, version=1)
    assert not gate.is_open
    assert (
        "has other files in the registry than this home knows" in gate.results["evidence"].summary
    )


def test_a_version_that_mlflow_would_serve_by_another_file_is_refused(workplace) -> None:
    (files_of(workplace, 1).parent / "python_function.py").write_text("")
    gate = gate_of(workplace)
    assert (gate.is_open, live_version(workplace)) == (False, None)
    assert "python_function.py is not what was logged" in gate.results["evidence"].summary


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("expectations", lambda count: count + 2),
        ("thousandths of all limits of outputs", lambda count: count // 2),
    ],
    ids=["fewer expectations", "wider limits of outputs"],
)
def test_a_version_that_holds_other_than_was_counted_is_refused(
    workplace, name: str, change: Callable[[int], int]
) -> None:
    counts = read_evidence(version_of(workplace, 1)).counts
    counted = change(counts[name])
    evidence_of(workplace, counts={**counts, name: counted})
    found = gate_of(workplace).results["evidence"]
    assert found.is_error
    assert f"holds {counts[name]} {name}, and {counted} were counted" in found.summary


def test_a_version_whose_profile_lacks_a_column_is_refused(workplace) -> None:
    loaded = workplace.registry.load("orders", 1)
    columns = {name: each for name, each in loaded.profile.columns.items() if name != "region"}
    lacking = replace(loaded, profile=replace(loaded.profile, columns=columns))
    found = check_evidence(version_of(workplace, 1), lacking)
    assert found.is_error
    assert "its profile lacks region" in found.summary


def test_that_another_version_is_proven_does_not_prove_this_one(
    two_versions, edited_orders
) -> None:
    first = version_of(two_versions, 1)
    (proof,) = proofs(first)
    tag = PROVEN + proof.environment[:16]
    two_versions.registry.tag(version_of(two_versions, SECOND), tag, first.tags[tag])
    gate = gate_of(two_versions, edited_orders(HEAVY), version=SECOND)
    assert gate.results["code_parity"].is_error
    assert live_version(two_versions) == 1


# On a copy of the project, by the command line


def test_a_promotion_with_changed_code_fails_and_leaves_live_where_it_was(
    trained_checkout, lockstep
) -> None:
    trained_checkout.edit("transforms/orders.py", *HEAVY)
    lockstep.go_to(trained_checkout.folder, trained_checkout.home)
    found = lockstep("promote", "orders")
    assert found.status == 1
    assert "@champion: no version yet. @live: no version yet." in found.out
    assert "code_parity" in found.out
    assert "is_heavy" in found.out


FROM_OUTSIDE = (
    "return weight > 5",
    "return weight > (5 if sys.get_int_max_str_digits() == 4300 else 3)",
)


@pytest.fixture(scope="module")
def follows_the_interpreter(
    live_home: Path, tmp_path_factory: pytest.TempPathFactory, checkouts, edited_orders
) -> Checkout:
    """A checkout in which a feature follows a setting of the interpreter, as the live version.

    No version carries that, and nothing tells of it while it is asked.
    """
    checkout = checkouts(tmp_path_factory.mktemp("outside"))
    edits = FROM_OUTSIDE, ("from typing import Any", "import sys\nfrom typing import Any")
    for edit in edits:
        checkout.edit("transforms/orders.py", *edit)

    def go_live(place: Workplace) -> None:
        version = place.fit(edited_orders(*edits))
        place.registry.set_alias("orders", "champion", version)
        place.let_serve(version)

    copy_home(home_after(go_live, live_home, "outside", tmp_path_factory), checkout.home)
    return checkout


@pytest.fixture
def elsewhere(follows_the_interpreter: Checkout, lockstep: Lockstep) -> Iterator[Lockstep]:
    """Runs commands in that checkout, by an interpreter that is set otherwise."""
    usual = sys.get_int_max_str_digits()
    lockstep.go_to(follows_the_interpreter.folder, follows_the_interpreter.home)
    sys.set_int_max_str_digits(5000)
    yield lockstep
    sys.set_int_max_str_digits(usual)


def test_what_decides_from_outside_is_caught_by_the_golden_replay_and_nothing_is_published(
    elsewhere: Lockstep, follows_the_interpreter: Checkout
) -> None:
    found = elsewhere("score", "orders", "--day", "2020-03-01")
    assert found.status == 1
    line = next(line for line in found.out.splitlines() if "golden_replay" in line)
    assert line.startswith("FAILED")
    assert "is_heavy" in found.out
    data = follows_the_interpreter.home / "data" / "orders" / "daily"
    assert not (data / "published" / "2020-03-01.parquet").exists()


def test_a_promotion_where_something_outside_decides_fails_by_the_columns_name(
    elsewhere: Lockstep,
) -> None:
    found = elsewhere("promote", "orders", "--json")
    assert found.status == 1
    (run,) = json.loads(found.out)["runs"]
    replay = next(check for check in run["checks"] if check["check"] == "golden_replay")
    assert (replay["result"], replay["column"]) == ("failed", "is_heavy")


def test_nothing_is_fitted_where_a_column_reads_an_environment_variable(checkout, lockstep) -> None:
    reads = 'return weight > float(os.environ.get("HEAVY", "5"))'
    checkout.edit("transforms/orders.py", FROM_OUTSIDE[0], reads)
    checkout.edit(
        "transforms/orders.py", "from typing import Any", "import os\nfrom typing import Any"
    )
    lockstep.go_to(checkout.folder, checkout.home)
    found = lockstep("train", "orders")
    assert found.status == 1
    assert "training_parity" in found.out
    assert "is_heavy" in found.out
    assert "reads the environment variable HEAVY" in found.out
    assert "Write what it decides as a constant into the module" in found.out


def challenged(workplace, declared: PipelineAssets = ASSETS) -> Gate:
    workplace.registry.set_alias("orders", "challenger", SECOND)
    pointer = workplace.home.live("orders")
    return pass_challenger(declared, workplace.registry, workplace.store, pointer)


def test_a_challenger_that_passes_is_proven_and_does_not_go_live(two_versions) -> None:
    gate = challenged(two_versions)
    assert (gate.is_open, gate.live, live_version(two_versions)) == (True, 1, 1)
    found = version_of(two_versions, SECOND)
    assert is_proven(found)
    assert versions_that_were_live(two_versions) == {1}
    gate_of(two_versions, version=SECOND)
    assert versions_that_were_live(two_versions) == {1, SECOND}


def test_a_challenger_that_fails_is_not_proven(two_versions, edited_orders) -> None:
    gate = challenged(two_versions, edited_orders(HEAVY))
    assert gate.results["code_parity"].is_error
    assert not is_proven(version_of(two_versions, SECOND))


# In another home of the registry


def test_the_gate_of_another_home_takes_over_what_was_decided(
    two_versions, tmp_path: Path, edited_orders
) -> None:
    """Though its checkout is another one; and nothing is decided anew."""
    gate_of(two_versions, version=SECOND)
    registry, pointer = two_versions.home.registry(), tmp_path / "beside" / "live" / "orders.json"
    store = Store(tmp_path / "beside" / "data" / "orders")
    decided = Live(registry, "orders", pointer).state().decided
    gate = pass_gate(edited_orders(HEAVY), registry, store, pointer)
    state = Live(registry, "orders", pointer).state()
    assert (gate.is_open, gate.live, state.agrees) == (True, SECOND, True)
    assert state.decided == decided
    assert gate.results["golden_replay"].passed


def test_a_version_that_is_promoted_twice_was_not_live_before_itself(two_versions) -> None:
    two_versions.promote(SECOND)
    two_versions.promote(SECOND)
    decisions = two_versions.serving.state().decisions
    assert (decisions.log[-1].version, decisions.before) == (SECOND, 1)
    assert decisions.since == decisions.log[-2].since


# Going back


def test_going_back_to_a_version_that_is_proven_here_asks_no_gate(
    two_versions, edited_orders
) -> None:
    gate_of(two_versions, version=SECOND)
    gate = back(two_versions, 1, edited_orders(HEAVY))
    assert {result.result for result in gate.results.values()} == {"not_judged"}
    assert "was proven in this very environment on" in gate.results["golden_replay"].summary
    assert (gate.live, live_version(two_versions)) == (1, 1)
    assert two_versions.registry.alias("orders", "champion").version == 1


def test_going_back_to_a_version_that_is_proven_elsewhere_asks_the_gate(
    two_versions, monkeypatch
) -> None:
    gate_of(two_versions, version=SECOND)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        gate = back(two_versions, 1)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert gate.results["golden_replay"].passed
    assert (gate.live, live_version(two_versions)) == (1, 1)


def test_going_back_to_a_version_whose_files_were_changed_is_refused(two_versions) -> None:
    gate_of(two_versions, version=SECOND)
    (files_of(two_versions, 1) / "profile.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"profile\.json"):
        back(two_versions, 1)
    assert live_version(two_versions) == SECOND


def back(workplace, version: int, declared: PipelineAssets = ASSETS) -> Gate:
    pointer = workplace.home.live("orders")
    return go_back(declared, workplace.registry, workplace.store, pointer, version)


def versions_that_were_live(workplace) -> frozenset[int]:
    return workplace.serving.state().decisions.versions
