"""Units on a Ray cluster: alike to the bit, and none lost with a worker or a node."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from lockstep.errors import LostWorkerError, UnavailableError
from lockstep.scoring.executors import RayCluster
from tests.fixtures.pool import Numbered, always_ending, ending_once, raise_alike
from tests.lockstep.scoring.test_units import everything, path, store, version

ray = pytest.importorskip("ray", reason="Ray is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = pytest.mark.long

__all__ = ["everything", "path", "store", "version"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with closing(RayCluster(workers=2)) as running:
        yield running


def test_a_cluster_gives_what_one_process_gives(everything, cluster) -> None:
    assert everything(50, cluster) == everything(1_000)


def test_a_task_whose_worker_is_killed_is_tried_again(version, tmp_path, cluster) -> None:
    tasks = [Numbered(number, tmp_path) for number in range(3)]
    assert list(cluster.map(ending_once, version, tasks)) == [(1, 0), (1, 1), (1, 2)]


def test_a_cluster_that_does_not_answer_is_one_line(version) -> None:
    with pytest.raises(UnavailableError, match=r"The Ray cluster at 127\.0\.0\.1:1 does not"):
        list(RayCluster("127.0.0.1:1").map(ending_once, version, [Numbered(1)]))


def test_an_error_of_a_cluster_is_the_error_that_was_raised(version, cluster) -> None:
    raise_alike(cluster, version)


def test_a_task_that_ends_every_worker_is_told_by_its_place(version, cluster) -> None:
    with pytest.raises(LostWorkerError, match=r"on orders\.csv, rows 20 to 29 ended 3 times with"):
        list(cluster.map(always_ending, version, [Numbered(2, "personal")]))
