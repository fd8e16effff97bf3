"""Which check results block what comes after, and which partitions come before."""

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.checks.specs import INPUT_DRIFT, INPUT_SUITE, SUDDEN_SHIFT, blocking
from lockstep.columns.plain import file_name
from lockstep.store.partition_records import Commit, Records
from lockstep.store.results import CheckResult


def test_only_errors_of_blocking_checks_block() -> None:
    check_results = {
        "input_suite": CheckResult(False, "no rows"),
        "sudden_shift": CheckResult(False, "accepted", "WARN"),
        "input_drift": CheckResult(False, "drifted"),
    }
    found = blocking((INPUT_SUITE, SUDDEN_SHIFT, INPUT_DRIFT), check_results)
    assert found == {"input_suite": "no rows"}


MOMENTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moments=MOMENTS, most=st.integers(1, 13), own=st.booleans())
def test_the_last_files_before_one_are_those_that_first_counted_last(tmp_path, moments, most, own):
    with TemporaryDirectory(dir=tmp_path) as folder:
        records = Records(Path(folder) / "inbox", again=str)
        (records.root / "records").mkdir(parents=True)
        came = {}
        for number, (at, later) in enumerate(moments):
            name = f"file {number}"
            came[name] = datetime.fromtimestamp(at, UTC).isoformat()
            path = records.root / "records" / f"{file_name(name)}.json"
            path.write_text(json.dumps(asdict(Commit(name, 1, came[name], "digest", came[name]))))
            os.utime(path, (at + later, at + later))
        wanted = "file 0" if own else "another"
        before = sorted((at, name) for name, at in came.items() if not own or at < came[wanted])
        assert records.before(wanted, most) == [name for _, name in before][-most:]
        assert records.count_before(wanted) == len(before)


def test_files_attempted_before_one_go_by_time_and_not_by_name(tmp_path) -> None:
    records = Records(tmp_path / "inbox", again=str)
    for name in ("b", "d", "a", "c"):  # of which `d` is never committed
        records.begin(name, "a run")
        if name != "d":
            records.commit(next(records.newest_first(name)))
    assert records.attempted_before("c", 9) == ["b", "d", "a"]
    assert records.attempted_before("c", 2) == ["d", "a"]
    assert records.attempted_before("a", 9) == ["b", "d"]
    (records.root / "records" / "b.json").write_text("{")
    assert records.attempted_before("a", 9) == ["d"]
