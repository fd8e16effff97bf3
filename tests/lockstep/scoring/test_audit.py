"""The audit, and the look at published partitions: what was tampered with is told, all of it."""

import os
import shutil
from pathlib import Path

import pytest

from assets.orders import ASSETS
from lockstep.cli.recorded_checks import recorded_checks
from lockstep.dagster.jobs import job_name
from lockstep.dagster.runs import run_job
from lockstep.scoring.audit import Audited, audit, expected_seconds, home_parts
from lockstep.store.status import RECORD
from tests.fixtures.orders import PROJECT, Workplace, home_after

DAYS = ("2020-03-01", "2020-03-02", "2020-03-03")


@pytest.fixture(scope="session")
def scored_home(scored_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of `scored` with a third day; to be copied, not to be written to."""

    def score(place: Workplace) -> None:
        assert place.score(DAYS[2]).ok

    return home_after(score, scored_home, "audited", tmp_path_factory)


def audited(workplace: Workplace) -> Audited:
    return audit(home_parts(ASSETS, workplace.home, workplace.registry))


def told(workplace: Workplace) -> dict[str, str]:
    """What `lockstep checks` tells of records, by partition."""
    reports = recorded_checks(ASSETS, workplace.store)
    return {str(report.partition): report.summary for report in reports if report.check == RECORD}


def edit(path: Path) -> None:
    """Change a byte of a file, and leave its size and its time of change as they were."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_sound_home_passes_and_says_how_long_it_took(scored: Workplace) -> None:
    parts = home_parts(ASSETS, scored.home, scored.registry)
    result = audit(parts)
    assert result.damage == {}
    assert result.files > 20
    assert result.bytes / 1e8 == pytest.approx(expected_seconds(parts))
    assert result.verdict.startswith("all digests agree: ")
    assert told(scored) == {}
    assert run_job(PROJECT, job_name("orders", "audit"), scored.instance).ok


def test_an_edited_published_file_is_told_also_of_an_earlier_day(scored: Workplace) -> None:
    assert told(scored) == {}
    edit(scored.records().export_path(DAYS[0]))
    assert list(told(scored)) == [DAYS[0]]
    what = f"is not what attempt 1 at {DAYS[0]} made for consumers"
    assert what in told(scored)[DAYS[0]]
    assert list(audited(scored).damage) == [f"daily {DAYS[0]}"]
    (failed,) = run_job(PROJECT, job_name("orders", "audit"), scored.instance).failed
    assert failed.check == "digests"
    assert "made for consumers" in failed.summary
    assert failed.todo.endswith("`lockstep audit orders`")


def test_a_removed_folder_of_attempts_is_told_for_each_day(scored: Workplace) -> None:
    shutil.rmtree(scored.store.root / "daily" / "attempts")
    assert list(told(scored)) == list(DAYS)
    assert set(audited(scored).damage) == {f"daily {day}" for day in DAYS}


def test_what_consumers_read_of_no_record_is_told(scored: Workplace) -> None:
    exported = scored.records().export_path(DAYS[0])
    shutil.copyfile(exported, exported.with_name("2020-02-01.parquet"))
    assert list(told(scored)) == ["2020-02-01"]
    assert list(audited(scored).damage) == ["daily 2020-02-01.parquet"]


def test_one_damaged_record_is_one_line_among_the_checks_of_the_last_day(
    scored: Workplace,
) -> None:
    (scored.attempt(DAYS[1]).folder / "record.json").write_text("{")
    reports = recorded_checks(ASSETS, scored.store)
    assert [report.partition for report in reports if report.check == RECORD] == [DAYS[1]]
    of_batch = {report.partition for report in reports if report.asset == "orders/daily/batch"}
    assert of_batch == {DAYS[2]}


def test_a_look_reads_only_what_was_touched_since_the_audit_and_writes_nothing(
    scored: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited(scored)
    before = {path: path.stat().st_mtime_ns for path in scored.store.root.rglob("*")}
    read: list[str] = []
    verify = type(scored.records()).committed

    def counted(records, partition):
        read.append(partition)
        return verify(records, partition)

    monkeypatch.setattr(type(scored.records()), "committed", counted)
    told(scored)
    shown = {"champion", "candidate", DAYS[2]}  # the last ones, whose findings are shown
    assert set(read) == shown
    assert {path: path.stat().st_mtime_ns for path in scored.store.root.rglob("*")} == before
    read.clear()
    os.utime(scored.records().export_path(DAYS[0]))
    told(scored)
    assert set(read) == {DAYS[0], *shown}


def test_every_file_of_a_home_that_is_changed_is_found_by_the_audit(scored: Workplace) -> None:
    attempt = scored.store.root / "daily" / "attempts" / DAYS[0] / "1"
    (version,) = scored.registry.versions("orders")
    changed = [
        *attempt.glob("*.parquet"),
        scored.registry.files(version) / "profile.json",
        next((scored.store.root / "training").rglob("*.parquet")),
    ]
    assert len(changed) > 3
    for path in changed:
        before = path.read_bytes()
        edit(path)
        assert len(audited(scored).damage) >= 1, path
        path.write_bytes(before)
    assert audited(scored).damage == {}


def test_a_day_that_cannot_be_read_broke_off_for_a_reason_that_is_told(scored: Workplace) -> None:
    delivered = scored.home.path / "upstream" / "2020-03-04.pickle"
    delivered.parent.mkdir(exist_ok=True)
    delivered.write_bytes(b"half")
    scored.score("2020-03-04")
    ((_, reason),) = told(scored).items()
    why = "broke off before batch was recorded: Python function assets.orders.orders, for "
    assert why in reason
    assert "raised UnpicklingError" in reason
