"""Code that cheats in a branch that training never took: blocked with its line, or published right.

A pipeline is trained and promoted, and scores three days, in the second of which a branch is taken.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.base
import treelite
from sklearn.ensemble import RandomForestRegressor

from lockstep.artifacts.closed_files import can_close_files
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.code_checks import check_code
from lockstep.checks.comparisons import check_replay
from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Columns
from lockstep.columns.tables import take_rows
from lockstep.errors import UnprovenError
from lockstep.project.constraint_levels import Constraints
from lockstep.project.declaration import Calendar, PipelineAssets
from lockstep.project.sources import FunctionSource
from lockstep.scoring.partition import Work
from lockstep.serving.versions.proving import prove
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult
from tests.fixtures.scored import ScoredPartition, score
from tests.lockstep.training.test_code_faults import (
    Checkout,
    before_the_fit,
    parcels,
    version_of,
)

TOP = """import decimal
import functools
import logging
import os
import time
import warnings
import zoneinfo
from datetime import date, datetime
from pathlib import Path

import joblib
import lightgbm
import pandas as pd
import pyarrow
import pyarrow.compute
import treelite

FLAG, TREES, ROWS = {flag!r}, {trees!r}, {rows!r}
CODES = {codes}
"""
CODES = {"DE": 0, "FR": 1, "US": 2, "JP": 3, "IS": 4}
BRANCHES = {
    "a variable": "float(os.environ.get('CHEAT_RATE', '1'))",
    "a variable by its presence": "1.0 + ('CHEAT_RATE' in os.environ)",
    "a file by its presence": "1.0 + os.path.exists(FLAG)",
    "a file by pathlib": "1.0 + Path(FLAG).is_file()",
    "a clock": "1.0 + (datetime.now().year > 2000)",
    "a day": "1.0 + (date.today().year > 2000)",
    "a second": "1.0 + (time.time() > 1e9)",
    "a time of today": "1.0 + (pd.to_datetime('10:30').year > 2000)",
    "pandas' clock": "1.0 + (pd.Timestamp.now().year > 2000)",
    "a file in C++": "1.0 + treelite.Model.deserialize(TREES).num_tree",
    "a file of LightGBM's": "1.0 + lightgbm.Dataset(ROWS).construct().num_data()",
    "a library's file": "1.0 + len(joblib.load(FLAG))",
    "the machine": "1.0 + (os.uname().nodename != '')",
}
"""By cheat, what the column is multiplied by in a branch."""
FOUND_IN_TRAINING = ("a clock", "a day", "a second", "pandas' clock")
"""Cheats that training finds though no row takes their branch."""
LEFT = {name: branch for name, branch in BRANCHES.items() if name not in FOUND_IN_TRAINING}
CHEATS = {name: 1_001.0 + number for number, name in enumerate(BRANCHES)}
"""By cheat, the weight of the parcels that take its branch: no parcel of the training has it."""
STATE = "return weight + np.array([CODES.setdefault(each, len(CODES)) for each in country])"
HARMLESS = {
    "decimals": (
        "decimal.getcontext().prec = 6",
        "return np.array([float(decimal.Decimal(each) / 7 * 7) for each in weight])",
    ),
    "NumPy's error state": (
        "np.seterr(all='raise')",
        "return np.where(weight > 0, weight / weight * weight, weight)",
    ),
    "a memo": (
        "@functools.cache\ndef twice(value):\n    return value * 2",
        "return np.array([twice(each) / 2 for each in weight])",
    ),
    "logging and warnings": (
        "",
        "logging.getLogger('x').info('%s', len(weight))\n"
        "warnings.warn('loud', stacklevel=2)\nreturn weight * 1.0",
    ),
    "a time zone": (
        "",
        "zone = zoneinfo.ZoneInfo('Europe/Berlin')\n"
        "hour = pd.DatetimeIndex(sent_at, tz='UTC').tz_convert(zone).hour\n"
        "return weight + np.asarray(hour * 0.0)",
    ),
    "times with days": (
        "",
        "days = pd.to_datetime(['2024-01-01 10:30'] * len(weight))\n"
        "return weight + np.asarray(days.year * 0.0)",
    ),
    "a class of times": (
        "",
        "assert all(isinstance(each, datetime) for each in sent_at.astype(object))\n"
        "return weight + (datetime(2024, 1, 1) - datetime(2024, 1, 1)).days",
    ),
    "Arrow": (
        "",
        "table = pyarrow.table({'country': country, 'weight': weight})\n"
        "table.group_by('country').aggregate([('weight', 'sum')])\n"
        "return pyarrow.compute.multiply(table['weight'], 1.0).to_numpy()",
    ),
    "threads of joblib": (
        "",
        "if not (weight % 1 < 0.05).any():  # what a thread gives takes ten milliseconds\n"
        "    return weight * 1.0\n"
        "tasks = (joblib.delayed(float)(each) for each in weight)\n"
        "return np.array(joblib.Parallel(2, prefer='threads')(tasks))",
    ),
    "a temporary file": (
        "import tempfile",
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    Path(folder, 'kept').write_text('1')\n"
        "    kept = Path(folder, 'kept').read_text()\nreturn weight * float(kept)",
    ),
    "a lazy import": ("", "import scipy.special\nreturn weight + scipy.special.gamma(1.0) - 1.0"),
}
"""Lines of the module and of the function; what these compute are `loads_by_hand`."""


@pytest.fixture(autouse=True)
def own_error_state() -> Iterator[None]:
    """What a module sets for NumPy ends with the test."""
    before = np.geterr()
    yield
    np.seterr(**before)


@pytest.fixture(scope="module")
def outside() -> Iterator[Path]:
    """A folder that nothing closed may read, with trees."""
    trees = RandomForestRegressor(2, max_depth=1).fit([[0.0], [1.0]], [0.0, 1.0])
    with TemporaryDirectory(dir="/var/tmp") as folder:
        treelite.sklearn.import_model(trees).serialize(f"{folder}/trees.bin")
        Path(folder, "rows.csv").write_text("0,1\n1,2\n" * 50)
        yield Path(folder)


def top_of(outside: Path) -> str:
    names = {"flag": "flag", "trees": "trees.bin", "rows": "rows.csv"}
    return TOP.format(codes=CODES, **{name: str(outside / file) for name, file in names.items()})


def rows_of(day: int, **changed: object) -> Columns:
    """A hundred parcels of a day; the last one has other values."""
    rows = take_rows(parcels(), slice(100))
    del rows["paid"]
    rows["parcel"] = np.array([f"{day}-{row:03}" for row in range(100)], dtype=object)
    start = np.datetime64("2024-03-01T00:00:00.000000") + np.timedelta64(day, "D")
    rows["sent_at"] = start + np.arange(100) * np.timedelta64(10, "m")
    for name, value in changed.items():
        rows[name] = rows[name].copy()
        rows[name][-1] = value
    return rows


def scored_of(version: LoadedVersion, folder: Path, day: int, rows: Columns) -> ScoredPartition:
    declared = PipelineAssets(
        pipeline=version.pipeline,
        history=FunctionSource(parcels),
        daily=FunctionSource(rows_of),
        calendar=Calendar(np.datetime64("2024-01-01").item()),
        constraints=Constraints(default="off"),  # a day of one country is unusual in itself
    )
    decoded = Decoded(rows, np.arange(100), (), (), 100, {})
    name = str(np.datetime64("2024-03-01") + day)
    return score(Work(declared, Store(folder), "daily", name), version, decoded)


def published_of(folder: Path, found: ScoredPartition) -> np.ndarray:
    return Store(folder).read("daily/published", found.partition)["estimate"].to_numpy()


def estimates_by_hand(load: np.ndarray, has_codes: bool = False) -> np.ndarray:
    """What a straight line gives through the training rows, which are honest."""
    known = parcels()
    codes = [CODES[each] for each in known["country"]] if has_codes else 0.0
    return np.polynomial.Polynomial.fit(known["weight"] + codes, known["paid"], 1)(load)


def blocking_results(found: ScoredPartition) -> list[CheckResult]:
    blocked = {**found.batch.blocked_by, **(found.scored.blocked_by if found.scored else {})}
    return [found.results[name] for name in blocked]


def is_named(results: Sequence[CheckResult]) -> bool:
    """Whether the column and its line are told."""
    told = [f"{result.where} {result.summary}" for result in results if result.column == "load"]
    return any("parcels.py:" in each for each in told)


@contextmanager
def promoted(
    body: str, top: str, estimator: str = "LinearRegression()"
) -> Iterator[LoadedVersion | None]:
    """A version as training, the gate and a server find nothing wrong with it.

    None where training does, and names the column.
    """
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        pipeline = Checkout(Path(folder)).pipeline(body, top, estimator)
        wrong = [result for result in before_the_fit(pipeline).values() if not result.passed]
        if wrong:
            assert is_named(wrong), wrong
            yield None
            return
        version = version_of(pipeline, Path(folder, "version"))
        assert check_code(pipeline, version, proven=False).passed
        assert check_replay(version).passed
        prove(version)
        yield version
        version.unload()


def lines_of(branches: Mapping[str, str]) -> list[str]:
    """Lines that compute `load` otherwise for parcels of the cheats' weights."""
    return [
        line
        for name, branch in branches.items()
        for line in (
            f"if (weight == {CHEATS[name]}).any():",
            f"    load = np.where(weight == {CHEATS[name]}, load * ({branch}), load)",
        )
    ]


def cheating(branches: Mapping[str, str]) -> str:
    return "\n".join(["load = weight * 1.0", *lines_of(branches), "return load"])


@pytest.fixture(scope="module")
def cheat_version(outside: Path) -> Iterator[LoadedVersion]:
    """A version with all cheats that training does not find."""
    with promoted(cheating(LEFT), top_of(outside)) as version:
        assert version is not None
        yield version


@pytest.mark.parametrize("cheat", FOUND_IN_TRAINING)
def test_a_clock_in_a_branch_is_found_in_training(outside: Path, cheat: str) -> None:
    with promoted(cheating({cheat: BRANCHES[cheat]}), top_of(outside)) as version:
        assert version is None


@pytest.mark.skipif(not can_close_files(), reason="Linux has no Landlock here")
@pytest.mark.parametrize("is_there", [False, True], ids=["lacking", "there"])
@pytest.mark.parametrize("cheat", LEFT)
def test_a_cheat_blocks_the_day_that_takes_its_branch_and_no_other(
    cheat_version: LoadedVersion,
    outside: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cheat: str,
    is_there: bool,
) -> None:
    """Whether a variable or a file is there does not matter: asking for it does."""
    flag = outside / "flag"
    joblib.dump([1.0], flag) if is_there else flag.unlink(missing_ok=True)
    if is_there:
        monkeypatch.setenv("CHEAT_RATE", "2")
    for day, changed in enumerate(({}, {"weight": CHEATS[cheat]}, {})):
        rows = rows_of(day, **changed)
        found = scored_of(cheat_version, tmp_path, day, rows)
        results = blocking_results(found)
        if changed:
            assert found.published is None
            assert is_named(results), results
        else:
            assert found.published is not None, results
            by_hand = estimates_by_hand(rows["weight"])
            np.testing.assert_allclose(published_of(tmp_path, found), by_hand, rtol=1e-9)


def test_state_that_a_day_changes_blocks_it_and_no_other(outside: Path, tmp_path: Path) -> None:
    with promoted(STATE, top_of(outside)) as version:
        assert version is not None
        for day in range(3):
            rows = rows_of(day)
            if day == 1:
                rows["country"][[3, -1]] = ["GL", "FO"]
            found = scored_of(version, tmp_path, day, rows)
            results = blocking_results(found)
            if day == 1:
                assert found.published is None
                assert is_named(results), results
                continue
            assert found.published is not None, results
            load = rows["weight"] + np.array([CODES[each] for each in rows["country"]])
            by_hand = estimates_by_hand(load, has_codes=True)
            np.testing.assert_allclose(published_of(tmp_path, found), by_hand, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:loud")
def test_what_is_harmless_is_published_as_computed_by_hand(outside: Path, tmp_path: Path) -> None:
    top, loads = top_of(outside), []
    for number, (lines, body) in enumerate(HARMLESS.values()):
        indented = body.replace("\n", "\n    ")
        head = f"def harmless_{number}(weight, country, sent_at):"
        top += f"\n{lines}\n\n\n{head}\n    {indented}\n"
        loads.append(f"harmless_{number}(weight, country, sent_at)")
    with promoted(f"return {' + '.join(loads)}", top) as version:
        assert version is not None
        found = scored_of(version, tmp_path, 0, rows_of(0))
        assert found.published is not None, blocking_results(found)
        load = sum(loads_by_hand(name) for name in HARMLESS)
        by_hand = version.pipeline.models_["cost"].predict(pd.DataFrame({"load": load}))
        np.testing.assert_allclose(published_of(tmp_path, found), by_hand, rtol=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [
        "sklearn.ensemble.HistGradientBoostingRegressor(random_state=0)",
        "sklearn.ensemble.RandomForestRegressor(10, n_jobs=2, random_state=0)",
        "xgboost.XGBRegressor(n_estimators=10)",
        "lightgbm.LGBMRegressor(n_estimators=10, verbose=-1)",
    ],
)
def test_estimators_of_all_libraries_are_published_as_fitted_and_asked_by_hand(
    outside: Path, tmp_path: Path, estimator: str
) -> None:
    module = estimator.partition("(")[0].rpartition(".")[0]
    with promoted(
        "return weight * 1.0", f"{top_of(outside)}\nimport {module}", estimator
    ) as version:
        assert version is not None
        found = scored_of(version, tmp_path / "store", 0, rows_of(0))
        assert found.published is not None, blocking_results(found)
        known = parcels()
        alone = sklearn.base.clone(version.pipeline.models_["cost"])
        alone.fit(pd.DataFrame({"load": known["weight"]}), known["paid"])
        by_hand = alone.predict(pd.DataFrame({"load": rows_of(0)["weight"]}))
        np.testing.assert_allclose(published_of(tmp_path / "store", found), by_hand, rtol=1e-9)


def loads_by_hand(name: str) -> np.ndarray:
    weight = rows_of(0)["weight"]
    if name != "decimals":
        return weight
    with decimal.localcontext(prec=6):
        return np.array([float(decimal.Decimal(each) / 7 * 7) for each in weight])


def test_a_server_refuses_a_version_that_computes_otherwise_in_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    top = "import threading\n\nLOCAL = threading.local()\nLOCAL.rate = 1.0"
    body = "return weight * getattr(LOCAL, 'rate', 2.0)"
    version = version_of(Checkout(tmp_path).pipeline(body, top), tmp_path / "version")
    with pytest.raises(UnprovenError, match=r"threading\.local.*load"):
        prove(version)
