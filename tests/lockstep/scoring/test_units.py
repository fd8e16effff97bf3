"""A file that is scored in units is scored as if it were read at once, wherever they are worked on.

Published rows are alike to the bit, and so is every check result, rows that are set aside or repeat
a key of another unit included.
"""

import importlib
import json
import pickle
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS, history, orders_with_fates
from lockstep import Suites
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.columns.units import read_files
from lockstep.errors import LostWorkerError, UnavailableError, UnreadableError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.project import Project
from lockstep.project.sources import FunctionSource
from lockstep.scoring import executors, reduction
from lockstep.scoring.executors import IN_PROCESS, Executor, Pool, UnitTask
from lockstep.scoring.work import Work
from lockstep.stats.sampling import Sampling
from lockstep.store.parquet import Store
from lockstep.store.results import CheckResult
from tests.fixtures.pool import Forking, Numbered, always_ending, ending_once, raise_alike, waiting
from tests.fixtures.recorded import Recorded, results_of
from tests.fixtures.scored import score
from tests.fixtures.versions import version_with_trees, version_without_registry
from tests.fixtures.waiting import wait_until
from tests.fixtures.writes import start

FILE = "orders.parquet"
DAYS = ("2020-03-01", "2020-03-02", "2020-03-03")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with closing(Pool(2)) as running:
        yield running


def rows_of_fit() -> Columns:
    return decode(history(), ASSETS.pipeline.joint_schema).columns


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    return version_with_trees(ASSETS, rows_of_fit(), tmp_path_factory.mktemp("version") / "files")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")


def orders() -> pd.DataFrame:
    """Three days of orders in order of time; some repeat a key, or break a rule."""
    days = [orders_with_fates(date.fromisoformat(day)) for day in DAYS]
    frame = pd.concat(days, ignore_index=True).drop(columns=["returned", "cost"])
    frame.loc[[5, 100], "items"] = 0
    frame["items"] = frame["items"].astype(object)
    frame.loc[150, "items"] = "many"
    copies = frame.iloc[[3, 7, 70, 130]]
    return pd.concat([frame.iloc[:60], copies.iloc[:2], frame.iloc[60:], copies], ignore_index=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The orders in a file, of which the texts alone tell the values."""
    file = tmp_path / "orders.csv"
    orders().to_csv(file, index=False)
    return file


Everything = tuple[Recorded, Mapping[str, CheckResult]]


@pytest.fixture
def everything(store: Store, version: LoadedVersion, path: Path) -> Callable[..., Everything]:
    """Scores the file as one that never came before; all that was recorded but for times."""

    def of(size: int, executor: Executor = IN_PROCESS, by: LoadedVersion = version) -> Everything:
        assets = replace(ASSETS, max_quarantined=0.5)
        rows = read_files([path], by.pipeline.record_schema, rows=size)
        work = Work(assets, store, "inbox", FILE, executor=executor)
        found = score(work, by, rows, accept=ASSETS.pipeline.record_schema.names)
        assert found.published is not None, found.results
        recorded, results = Recorded.of(work.records, FILE), results_of(work.records, FILE)
        work.records.forget(FILE)
        work.records.export_path(FILE).unlink()
        return recorded, results

    return of


def test_units_of_any_size_in_processes_too_give_what_the_whole_file_gives(
    everything, pool
) -> None:
    whole = everything(1_000)
    assert len(whole[0].tables["batch_quarantine"]["row"]) == 9
    assert len(whole[0].published["order_id"]) == 360 - 3
    for size in (40, 83, 200):
        assert everything(size) == whole, size
    assert everything(50, pool) == whole


DRAWN = 90
"""About how many rows of a batch are drawn, where it is said."""
LIMITS = {
    "input": ("price", 5_000),
    "features": ("price_per_item", 5_000),
    "outputs": ("loss", 500),
}
"""By the role of a suite, a column and what it never reaches."""


class Weighing:
    """Works in this process, and weighs what a process of a pool would be sent and send back."""

    ahead = 1

    def __init__(self) -> None:
        self.sent: dict[str, list[int]] = defaultdict(list)
        self.back: dict[str, list[int]] = defaultdict(list)

    def map(self, function: Any, live: LoadedVersion, tasks: Sequence[Any]) -> Iterator[Any]:
        for task in tasks:
            self.sent[function.__name__].append(len(pickle.dumps(task)))
            result = function(live, task)
            self.back[function.__name__].append(len(pickle.dumps(result)))
            yield result


def test_a_unit_is_sent_what_it_needs_however_many_there_are(everything) -> None:
    few, many = Weighing(), Weighing()
    everything(120, few)
    everything(4, many)
    assert len(many.sent["score_unit"]) > 20 * len(few.sent["score_unit"])
    assert max(many.sent["score_unit"]) < 1.05 * max(few.sent["score_unit"])
    assert max(many.sent["score_unit"]) < 5_000


def test_rows_that_are_set_aside_stay_in_files_and_a_bounded_number_is_sent_back(
    store, version, tmp_path
) -> None:
    frame = pd.concat([orders()] * 12, ignore_index=True)
    frame["order_id"] = [f"order {number}" for number in range(len(frame))]
    wrong, weights = tmp_path / "wrong.csv", []
    for count in (400, 4_000):
        frame.assign(items=[0] * count + [1] * (len(frame) - count)).to_csv(wrong, index=False)
        weighing = Weighing()
        rows = read_files([wrong], version.pipeline.record_schema, rows=2_100)
        assets = replace(ASSETS, max_quarantined=1.0)
        work = Work(assets, store, "inbox", f"{count}.csv", executor=weighing)
        score(work, version, rows)
        aside = next(work.records.newest_first(f"{count}.csv")).read("batch_quarantine")
        assert len(aside) == count
        weights.append(max(weighing.back["ingest_unit"]))
    assert weights[1] < 1.5 * weights[0]


def demanding(role: str) -> Any:
    """A suite with expectations about whole columns."""
    import great_expectations as gx

    gxe, (column, limit) = gx.expectations, LIMITS[role]
    most, least = {"column": column, "max_value": limit}, {"column": column, "severity": "warning"}
    own: list[Any] = []
    if role == "input":
        countries = ["DE", "AT", "FR", "US"]
        own = [
            gxe.ExpectColumnValuesToBeBetween(column="items", min_value=1),
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="items", max_value=9),
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="weight", max_value=500),
            gxe.ExpectColumnDistinctValuesToBeInSet(column="country", value_set=countries),
        ]
    return gx.ExpectationSuite(
        name=role,
        expectations=[
            gxe.ExpectColumnMaxToBeBetween(**most),
            gxe.ExpectColumnMeanToBeBetween(**most, severity="warning"),
            gxe.ExpectColumnStdevToBeBetween(**most, severity="warning"),
            gxe.ExpectColumnMedianToBeBetween(**least, max_value=0),
            gxe.ExpectColumnValuesToBeBetween(**least, max_value=limit / 100, mostly=0.9),
            *own,
        ],
    )


DEMANDING = replace(ASSETS, suites=Suites(**{role: partial(demanding, role) for role in LIMITS}))
"""Its suites ask of whole columns."""


@pytest.fixture(scope="module")
def demanding_version(tmp_path_factory: pytest.TempPathFactory) -> LoadedVersion:
    return version_without_registry(
        DEMANDING, rows_of_fit(), tmp_path_factory.mktemp("demanding") / "files"
    )


def test_units_of_any_size_give_the_same_of_a_batch_of_which_a_sample_is_drawn(
    everything, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(reduction, "Sampling", partial(Sampling, most=DRAWN))
    version = version_with_trees(DEMANDING, rows_of_fit(), tmp_path / "version")
    whole = everything(1_000, by=version)
    table = whole[1]["input_suite"].table
    (median,) = [row for row in table if "median" in row["finding"]]
    assert median["rows looked at"] < 200
    for size in (40, 83):
        assert everything(size, by=version) == whole, size


@pytest.mark.parametrize(
    ("role", "check"),
    [("input", "input_suite"), ("features", "feature_suite"), ("outputs", "output_suite")],
)
def test_the_largest_value_breaks_a_maximum_of_all_rows_though_its_row_is_not_drawn(
    role, check, store, demanding_version, tmp_path, monkeypatch
) -> None:
    """No suite of an earlier step blocks the file."""
    monkeypatch.setattr(reduction, "Sampling", partial(Sampling, most=DRAWN))
    earlier = [*LIMITS][: [*LIMITS].index(role)]
    suites = {
        name: {**suite, "expectations": suite["expectations"][name in earlier :]}
        for name, suite in demanding_version.suites.items()
    }
    live, frame, results = replace(demanding_version, suites=suites), orders(), []
    keys = frame["order_id"].to_numpy(dtype=object)[:300]
    row = np.flatnonzero(~Sampling(len(keys), DRAWN).drawn(keys))[-1]
    for name in ("usual.csv", "largest.csv"):
        frame.to_csv(tmp_path / name, index=False)
        rows = read_files([tmp_path / name], live.pipeline.record_schema, rows=50)
        work = Work(replace(ASSETS, max_quarantined=0.5), store, "inbox", name)
        found = score(work, live, rows, accept=ASSETS.pipeline.record_schema.names)
        results.append(found.results[check])
        frame.loc[row, ["price", "items"]] = [50_000.0, 1]

    (passed, failed), (column, limit) = results, LIMITS[role]
    assert not passed.is_error, passed.summary
    assert failed.is_error
    told = f"{column} maximum value must be less than or equal to {limit}; observed "
    assert told in failed.summary
    assert "and the others about all rows." in failed.summary


@pytest.mark.long
def test_a_process_that_is_killed_is_replaced_and_no_unit_is_lost(version, pool, tmp_path) -> None:
    tasks = [Numbered(number, tmp_path) for number in range(2)]
    (tmp_path / "1").touch()  # the second task ends no process
    assert list(pool.map(ending_once, version, tasks)) == [(1, 0), (1, 1)]


@pytest.mark.long
def test_a_unit_that_ends_every_process_is_an_error_that_names_it(
    version, pool, monkeypatch
) -> None:
    monkeypatch.setattr(executors, "_WAIT", 0.0)
    done = []
    tasks = [Numbered(number, {"name": "personal"}) for number in (1, 2, 3)]
    with pytest.raises(LostWorkerError) as raised:
        done.extend(pool.map(always_ending, version, tasks))
    assert done == [1]
    assert "on orders.csv, rows 20 to 29 ended 3 times" in str(raised.value)
    assert "personal" not in str(raised.value)


def test_an_error_of_a_pool_is_the_error_that_was_raised(version, pool) -> None:
    raise_alike(pool, version)


def test_no_message_shows_what_a_task_holds() -> None:
    """Each is written by its place, and dataclasses that derive from it keep that."""
    kinds = [kind for kind in UnitTask.__subclasses__() if kind.__module__.startswith("lockstep")]
    assert len(kinds) == 5
    assert {kind.__repr__ for kind in kinds} == {UnitTask.__repr__}


@pytest.mark.long
def test_processes_of_a_pool_end_with_the_run_that_is_killed(version, tmp_path) -> None:
    run = start(lambda: list(Pool(2).map(waiting, version, [tmp_path] * 2)))
    wait_until(lambda: len([*tmp_path.iterdir()]) == 2, 120)
    run.kill()
    assert run.end().was_killed
    workers = [Path("/proc") / mark.name for mark in tmp_path.iterdir()]
    wait_until(lambda: not any(map(Path.exists, workers)))


DEADLY = '''
"""A feature that ends its process on one value, as a library that crashes does, and takes rows."""
import os

import numpy as np
from sklearn.linear_model import LinearRegression

from lockstep import Floats, Key, Outcome, Pipeline, Record, feature, label, model, output


class Thing(Record):
    name: Key[str]
    size: float


class Weight(Outcome):
    kilos: float


@feature
def doubled(size: Floats) -> Floats:
    """Twice the size."""
    if (size == 13.0).any():
        os.kill(os.getpid(), 9)
    return np.concatenate([[2.0 * each] for each in size])


@label
def weight(kilos: Floats) -> Floats:
    """What it weighs."""
    return kilos


@model(learns=weight, uses=[doubled])
def expected() -> LinearRegression:
    """A straight line."""
    return LinearRegression()


@output
def told(expected: Floats) -> Floats:
    """What it is expected to weigh."""
    return expected


PIPELINE = Pipeline(__name__, record=Thing, outcome=Weight)
'''


@pytest.mark.parametrize("executor", [Forking, pytest.param(Pool, marks=pytest.mark.long)])
def test_a_unit_that_ends_its_process_is_set_aside_whole_and_all_others_are_scored(
    store, tmp_path, monkeypatch, executor
) -> None:
    """Also where all rows of a unit repeat others: none are left, and no function is called."""
    monkeypatch.setattr(executors, "_WAIT", 0.0)
    folder = tmp_path / "deadly_columns"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "things.py").write_text(DEADLY)
    Project.read(tmp_path, {"transforms": "deadly_columns"}).activate()
    pipeline = importlib.import_module("deadly_columns.things").PIPELINE
    names = [f"thing {number}" for number in range(24)]
    frame = pd.DataFrame({"name": names, "size": np.linspace(100, 200, 24)})
    history = decode(frame.assign(kilos=frame["size"] * 3), pipeline.joint_schema)
    source = FunctionSource(lambda: frame)
    suites = Suites(features=demanding_doubled)
    declared = PipelineAssets(pipeline=pipeline, history=source, suites=suites, max_quarantined=0.5)
    version = version_without_registry(declared, history.columns, tmp_path / "version")
    frame.loc[[15, 21], "size"] = 13.0
    frame.loc[21, "name"] = None  # it is not ingested, and its feature has a rule
    repeating = frame.iloc[:4].assign(size=99.0)
    pd.concat([frame, repeating]).to_csv(tmp_path / "things.csv", index=False)

    rows = read_files([tmp_path / "things.csv"], pipeline.record_schema, rows=4)
    with ExitStack() as stack:
        running = executor()
        stack.callback(getattr(running, "close", int))
        work = Work(declared, store, "inbox", FILE, executor=running)
        found = score(work, version, rows, accept=["size"])
        few = replace(declared, max_quarantined=0.15)  # 4 of 28 rows
        work_of_few = Work(few, store, "inbox", "few.csv", executor=running)
        blocked = score(work_of_few, version, rows, accept=["size"])

    assert blocked.published is None
    computation = blocked.results["computation"]
    assert computation.is_error
    assert computation.summary.startswith("the process that computes rows 12 to 15 ended 3 times")
    assert "at most 15 % of the rows may be quarantined (max_quarantined)" in computation.summary
    assert found.published is not None, found.results
    aside = work.records.demand(FILE).read("scored_quarantine").to_pylist()
    lost = [(row, f"thing {row}") for row in (12, 13, 14, 15)]
    assert [(row["row"], row["key"]) for row in aside] == lost
    for row in aside:
        assert "the process that computes rows 12 to 15 ended 3 times" in row["reasons"]
        assert json.loads(row["record"])["name"] == row["key"]
        assert not row["acceptable"]
    assert "4 of 23 rows cannot be computed" in found.results["computation"].summary
    assert found.published.counts == {"published": 19}
    attempt = work.records.demand(FILE)
    unfit, *repeated = attempt.read("batch_quarantine").to_pylist()
    assert (unfit["row"], unfit["columns"]) == (21, ["name"])
    assert [row["row"] for row in repeated] == [24, 25, 26, 27]
    assert attempt.part_rows("scored")[-1] == 0


def demanding_doubled() -> Any:
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    positive = gxe.ExpectColumnValuesToBeBetween(column="doubled", min_value=0, severity="critical")
    return ExpectationSuite(name="things features", expectations=[positive])


def test_a_unit_that_cannot_be_decoded_tells_the_line_and_leaves_nothing_recorded(
    store, version, path
) -> None:
    with path.open("a") as file:
        file.write("1,2,3")
    work = Work(ASSETS, store, "inbox", FILE)
    rows = read_files([path], version.pipeline.record_schema, rows=50)
    with pytest.raises(UnreadableError, match="line 368 has 3 cells"):
        score(work, version, rows)
    attempt = next(work.records.newest_first(FILE))
    assert not attempt.record.steps


class Replacing:
    """Works in this process; once the first unit is read, another file takes the place of one."""

    ahead = 1

    def __init__(self, path: Path, other: bytes) -> None:
        self.path, self.other = path, other

    def map(self, function: Any, live: LoadedVersion, tasks: Sequence[Any]) -> Iterator[Any]:
        for task in tasks:
            yield function(live, task)
            self.path.write_bytes(self.other)


def test_a_file_that_is_replaced_between_two_units_is_read_anew_at_the_next_try(
    store, version, path
) -> None:
    other = orders().assign(price=1.5).to_csv(index=False).encode()
    work = Work(ASSETS, store, "inbox", FILE, executor=Replacing(path, other))
    schema = version.pipeline.record_schema
    with pytest.raises(UnavailableError, match="was replaced while it was read"):
        score(work, version, read_files([path], schema, rows=50))
    attempt = next(work.records.newest_first(FILE))
    assert not attempt.record.steps
    units = read_files([path], schema, rows=50)
    ingested = reduction.ingest_units(replace(work, executor=IN_PROCESS), version, units, attempt)
    assert set(ingested.sample.columns["price"].tolist()) == {1.5}
