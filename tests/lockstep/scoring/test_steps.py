"""Steps that have nothing to work on: a failed check is recorded, and nothing else is judged."""

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from assets.orders import ASSETS
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import Decoded, decode
from lockstep.columns.schema import Schema
from lockstep.errors import BlockedError, UnavailableError, UnavailableFilesError
from lockstep.registry.live import Live, LiveState
from lockstep.scoring.partition import publish
from lockstep.scoring.steps import batch_step, scored_step
from lockstep.scoring.trace import trace_row
from lockstep.scoring.work import Stage, Work
from lockstep.store.status import findings
from tests.fixtures.order_store import DAY, orders_of
from tests.fixtures.orders import SECOND, Workplace

WHOLE = orders_of(DAY)


def reading(frame: pd.DataFrame) -> Callable[[Schema], Decoded]:
    return lambda schema: decode(frame, schema, source="orders of the day")


class Steps:
    """The steps of one run at a day, each of which asks which version is live."""

    def __init__(self, live: Workplace) -> None:
        self.work = Work(ASSETS, live.store, "daily", DAY)
        self.serving = live.serving

    def batch(self, frame: pd.DataFrame = WHOLE) -> Stage:
        return batch_step(self.work, self.serving, reading(frame))

    def scored(self) -> Stage:
        return scored_step(self.work, self.serving)


@pytest.fixture
def steps(live: Workplace) -> Steps:
    return Steps(live)


def damage(live: Workplace) -> Path:
    """Change a file of the live version."""
    path = live.registry.load("orders", "live").directory / "environment.json"
    path.write_text("{}")
    return path


def results(stage: Stage) -> dict[str, str]:
    return {name: found.result for name, found in stage.results.items()}


def test_rows_that_lack_a_column_fail_decoding_and_only_the_version_is_judged(steps) -> None:
    found = steps.batch(WHOLE.drop(columns="price"))
    assert results(found) == {
        "live_version": "passed",
        "live_age": "passed",
        "decoding": "failed",
        "input_suite": "not_judged",
        "input_drift": "not_judged",
        "sudden_shift": "not_judged",
        "constraints": "not_judged",
        "restated": "not_judged",
    }
    assert found.results["decoding"].column == "price"
    assert found.blocked_by == {"decoding": "orders of the day lacks the column price of Order."}
    assert "Add what is lacking" in found.results["decoding"].todo
    assert (found.path, found.counts) == (None, {})


def test_rows_that_cannot_be_decoded_are_recorded_as_what_the_version_could_not_use(
    live, steps
) -> None:
    found = steps.batch(WHOLE.drop(columns="price"))
    record = live.attempt(DAY).record.steps["batch"]
    assert record.results["decoding"].summary == found.blocked_by["decoding"]
    assert record.blocked_by == found.blocked_by
    assert (record.version, record.files) == (1, {})


def test_scores_of_rows_that_could_not_be_decoded_are_refused(steps) -> None:
    steps.batch(WHOLE.drop(columns="price"))
    with pytest.raises(BlockedError, match="batch of 2020-03-01 is blocked by decoding"):
        steps.scored()


def test_a_damaged_version_fails_live_version_and_nothing_is_judged(live, steps) -> None:
    path = damage(live)
    found = steps.batch()
    assert {name for name, one in results(found).items() if one != "not_judged"} == {"live_version"}
    assert found.blocked_by["live_version"].startswith(
        f"The live version cannot be loaded, and nothing is scored: {path} is not what was logged"
    )
    assert live.attempt(DAY).record.steps["batch"].version is None


def test_a_lost_file_by_which_mlflow_serves_a_version_fails_live_version(live, steps) -> None:
    path = live.registry.load("orders", 1).directory.parent / "requirements.txt"
    path.unlink()
    found = steps.batch().blocked_by["live_version"]
    assert f"nothing is scored: {path} cannot be read" in found


class Exchanged(Live):
    """What is live, with a suite of another pipeline in a version whose digests all agree."""

    def load(self, state: LiveState) -> LoadedVersion:
        loaded = super().load(state)
        alien = {"type": "expect_column_to_exist", "kwargs": {"column": "alcohol"}}
        return replace(loaded, suites={**loaded.suites, "input": {"expectations": [alien]}})


def test_a_suite_of_another_pipeline_fails_live_version_and_nothing_is_judged(live, steps) -> None:
    steps.serving = Exchanged(live.registry, "orders", live.home.live("orders"))
    found = steps.batch()
    assert {name for name, one in results(found).items() if one != "not_judged"} == {"live_version"}
    assert "expectations, and" in found.blocked_by["live_version"]


def test_a_version_that_is_damaged_after_the_batch_fails_golden_replay(live, steps) -> None:
    assert not steps.batch().blocked_by
    damage(live)
    found = steps.scored()
    assert set(found.blocked_by) == {"golden_replay"}
    assert (found.path, set(live.attempt(DAY).record.steps["scored"].files)) == (None, set())
    with pytest.raises(BlockedError, match="scored of 2020-03-01 is blocked by golden_replay"):
        publish(steps.work)


def test_an_alias_that_is_moved_by_hand_after_the_batch_changes_nothing_of_its_scores(
    two_versions,
) -> None:
    steps = Steps(two_versions)
    steps.batch()
    two_versions.registry.set_alias("orders", "live", SECOND)
    found = steps.scored()
    assert (found.version, found.blocked_by) == (1, {})
    assert publish(steps.work).counts == {"published": 120}


def test_a_row_is_traced_in_the_attempt_that_scored_it(live, steps) -> None:
    steps.batch()
    steps.scored()
    later = Steps(live)
    later.batch()
    path = live.registry.load("orders", "live").directory / "environment.json"
    kept = path.read_bytes()
    damage(live)
    assert later.scored().blocked_by
    path.write_bytes(kept)
    assert trace_row(ASSETS, live.home, live.registry, DAY, f"{DAY}-0007").attempt == 1


def test_rows_that_are_not_delivered_yet_are_no_finding_about_them(live, steps) -> None:
    def read(schema: Schema) -> Decoded:
        raise UnavailableError("there is no file")

    with pytest.raises(UnavailableError):
        batch_step(steps.work, steps.serving, read)
    (finding,) = findings(live.records(), DAY)
    assert "broke off before batch was recorded" in finding.result.summary


def test_a_disk_that_fails_is_no_finding_about_the_version(live, steps, monkeypatch) -> None:
    directory = live.registry.load("orders", "live").directory
    read_bytes = Path.read_bytes

    def fail(path: Path) -> bytes:
        if path.is_relative_to(directory):
            raise OSError(errno.EIO, "Input/output error")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(UnavailableFilesError, match="Input/output error"):
        steps.batch()
