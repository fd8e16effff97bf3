"""Processes that work on units are killed: at each of their writes, and with their node."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.units import read_files
from lockstep.scoring.executors import Executor, Pool, RayCluster
from tests.fixtures.places import UNIT_ROWS, Delivery, Place
from tests.fixtures.scored import score
from tests.fixtures.waiting import wait_until
from tests.fixtures.writes import Interrupting, carried_out, demanded, each_write

pytestmark = pytest.mark.long


@dataclass
class Course:
    """An executor in this process, which keeps what a function found when it was called first.

    Attributes:
        folder: Where the files are.
        kept: A folder for copies of these.
        tasks: The first task of each function, by its name.
    """

    folder: Path
    kept: Path
    tasks: dict[str, tuple[Callable[..., Any], Any]] = field(default_factory=dict)
    ahead: int = 1

    def map(self, function, live, tasks):
        name = function.__name__
        for task in tasks:
            if name not in self.tasks:
                self.tasks[name] = function, task
                shutil.copytree(self.folder, self.kept / name)
            yield function(live, task)

    def put_back(self, name: str) -> None:
        """Have the files as they were when a function was called first."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept / name, self.folder)


@pytest.fixture
def course(place: Place, deliveries: Sequence[Delivery], tmp_path: Path) -> Course:
    """The course of a file of which keys are repeated and a day is held back."""
    rows = pd.read_csv(deliveries[0].file, dtype=str, keep_default_na=False)
    rows.loc[rows["order_id"].str.startswith("2020-03-02"), "weight"] = "2500.0"
    rows.to_csv(tmp_path / "heavy.csv", index=False)
    whole = Course(place.store.root, tmp_path / "kept")
    schema = place.version().pipeline.record_schema
    units = read_files([tmp_path / "heavy.csv"], schema, rows=UNIT_ROWS)
    found = score(place.work(whole), place.version(), units)
    assert found.published is not None, found.results
    assert found.batch.counts["held_back"] > 0
    assert found.batch.counts["duplicates"] > 0
    return whole


def test_a_unit_whose_process_is_killed_at_any_write_is_made_as_if_it_were_not(
    course: Course, place: Place
) -> None:
    assert set(course.tasks) == {"ingest_unit", "lose_rows", "hold_rows", "score_unit"}
    for name, (function, task) in course.tasks.items():
        work = partial(files_of, function, place.version(), task)
        course.put_back(name)
        wanted = demanded(carried_out(work)).value
        course.put_back(name)
        kills = 0
        for _ in each_write(work, course.folder):
            kills += 1
            assert demanded(carried_out(work)).value == wanted, f"{name}, write {kills}"
            course.put_back(name)
        assert kills >= 6, f"{name} makes {kills} writes"


def files_of(function: Callable[..., Any], live: LoadedVersion, task: Any) -> tuple[Any, int]:
    """The digests of the files that a function makes, and how many rows it sets aside."""
    made = function(live, task)
    aside = getattr(made, "aside", ())
    return made.files, aside if isinstance(aside, int) else len(aside)


def test_a_process_of_a_pool_that_is_killed_at_a_write_changes_nothing(
    place: Place, deliveries: Sequence[Delivery], tmp_path: Path
) -> None:
    mark = tmp_path / "killed"
    with closing(Pool(1)) as pool:
        place.score(deliveries[0].file, Interrupting(pool, place.store.root, 8, mark))
    assert mark.exists()
    assert place.recorded() == deliveries[0].wanted


# --- a cluster of Ray ---


@dataclass(frozen=True)
class Held:
    """A function of units, whose first process waits until it is killed, with its node."""

    function: Callable[..., Any]
    mark: Path

    def __call__(self, live: LoadedVersion, task: Any) -> Any:
        import ray

        with suppress(FileExistsError):
            self.mark.touch(exist_ok=False)
            self.mark.write_text(ray.get_runtime_context().get_node_id())
            time.sleep(600)
        return self.function(live, task)


@dataclass(frozen=True)
class NodeKilled:
    """An executor that loses the node which works on its first unit."""

    executor: Executor
    mark: Path
    kill: Callable[[str], None]

    @property
    def ahead(self) -> int:
        return self.executor.ahead

    def map(self, function, live, tasks):
        if not self.mark.exists():
            Thread(target=self._kill, daemon=True).start()
        return self.executor.map(Held(function, self.mark), live, tasks)

    def _kill(self) -> None:
        wait_until(lambda: self.mark.exists() and self.mark.read_text() != "", 120)
        self.kill(self.mark.read_text())


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A cluster of a head that works on nothing, and of two nodes of a processor each."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    quickly = {
        "health_check_initial_delay_ms": 1_000,
        "health_check_period_ms": 500,
        "health_check_failure_threshold": 4,
    }
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": quickly}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


def test_a_worker_and_then_a_node_of_a_cluster_are_killed_in_mid_batch(
    place: Place, deliveries: Sequence[Delivery], tmp_path: Path, nodes
) -> None:
    def kill(node_id: str) -> None:
        (node,) = (node for node in nodes.worker_nodes if node.node_id == node_id)
        nodes.remove_node(node, allow_graceful=False)

    first, second = deliveries
    killed, held = tmp_path / "killed", tmp_path / "held"
    with closing(RayCluster(nodes.address)) as cluster:
        place.score(first.file, Interrupting(cluster, place.store.root, 8, killed))
        assert killed.exists()
        assert place.recorded() == first.wanted
        place.score(second.file, NodeKilled(cluster, held, kill))
        assert held.exists()
        assert place.recorded() == second.wanted
    assert len(nodes.worker_nodes) == 1
