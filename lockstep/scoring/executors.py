"""Executors: where the units of a batch are worked on.

An executor maps a plain function over tasks, and gives the results in the order of the tasks. The
function takes the version that serves and a task. A process of a pool opens the version by its
files, once.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Protocol, TypeVar

from lockstep.artifacts.closure import demand_code
from lockstep.artifacts.version import LoadedVersion, Tables
from lockstep.columns.address import Address
from lockstep.columns.threads import set_one_thread
from lockstep.errors import LostWorkerError, UnavailableError, UnprovenError
from lockstep.parity.replay import replay
from lockstep.project.home import Home


class UnitTask(ABC):
    """A unit to work on: plain data, of which messages give the place and never the rows."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Which rows it has: a file, and from which one to which one."""

    def __repr__(self) -> str:
        return self.place


Task = TypeVar("Task", bound=UnitTask)
Result = TypeVar("Result")
Work = Callable[[LoadedVersion, Task], Result]

TRIES = 3
"""How often a unit is tried whose process ends without a result."""
_WAIT = 0.5
"""Seconds before the second try; twice as many before each further one."""
_AHEAD = 2
"""Tasks that each worker has waiting, so that results do not pile up."""
_EMBEDDED = "local"
"""The address that stands for a cluster of this machine alone, which ends with the run."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class Executor(Protocol):
    """Works on the units of a batch."""

    def map(
        self,
        function: Work[Task, Result],
        live: LoadedVersion,
        tasks: Sequence[Task],
        tries: int = TRIES,
    ) -> Iterator[Result]:
        """The results of a function for tasks, in order.

        Args:
            function: A function of a module, of the version and a task.
            live: The version that serves.
            tasks: The tasks, plain data.
            tries: How often a task is tried whose process ends without a result.

        Raises:
            LostWorkerError: A task ends every process that works on it.
        """
        ...


class InProcess:
    """Works on one unit after the other, in this process."""

    def map(
        self,
        function: Work[Task, Result],
        live: LoadedVersion,
        tasks: Sequence[Task],
        tries: int = TRIES,
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        return (function(live, task) for task in tasks)


IN_PROCESS = InProcess()


@dataclass
class Pool:
    """Works on units in processes of its own, each with one thread of the numeric libraries.

    A process that ends without a result, such as one that the system kills for its memory, takes
    the others with it: the pool starts anew, and goes on with the units that have no result.
    """

    workers: int = 2
    _pool: ProcessPoolExecutor | None = field(default=None, init=False, repr=False)

    def close(self) -> None:
        """End its processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def map(
        self,
        function: Work[Task, Result],
        live: LoadedVersion,
        tasks: Sequence[Task],
        tries: int = TRIES,
    ) -> Iterator[Result]:
        """See `Executor.map`.

        A process that ends takes all with it: so each task that was under way is tried alone then,
        until it is known which one ends them.
        """
        opened = _Opened.of(live)
        left, under_way = deque(tasks), deque[Future[Result]]()
        alone = failed = 0
        while left:
            most = 1 if alone else _AHEAD * self.workers
            while len(under_way) < min(most, len(left)):
                under_way.append(self._submit(function, opened, left[len(under_way)]))
            try:
                result = under_way[0].result()
            except BrokenProcessPool as error:
                self.close()
                failed += len(under_way) == 1
                if failed == tries:
                    raise lost_worker(left[0], tries) from error
                alone = max(alone, len(under_way))
                under_way.clear()
                time.sleep(_WAIT * 2**failed)
                continue
            left.popleft()
            under_way.popleft()
            alone, failed = max(alone - 1, 0), 0
            yield result

    def _submit(self, function: Work[Task, Result], opened: _Opened, task: Task) -> Future[Result]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=_begin
            )
        try:
            return self._pool.submit(_opened_work, function, opened, task)
        except BrokenProcessPool as error:  # it is told where the result is asked for
            broken: Future[Result] = Future()
            broken.set_exception(error)
            return broken


@dataclass
class RayCluster:
    """Works on units as tasks of a Ray cluster, each with one processor and one thread.

    A task whose process or node ends without a result is tried again elsewhere. The nodes read the
    version and the attempt by their paths, so that the home is on a disk that they share.
    """

    address: str = _EMBEDDED  # as `ray.init` takes it; `local` for a cluster of this machine
    workers: int = 2  # processors of a cluster of this machine
    _is_begun: bool = field(default=False, init=False, repr=False)

    def close(self) -> None:
        """Leave the cluster; one of this machine alone ends."""
        if self._is_begun:
            import ray

            ray.shutdown()
            self._is_begun = False

    def map(
        self,
        function: Work[Task, Result],
        live: LoadedVersion,
        tasks: Sequence[Task],
        tries: int = TRIES,
    ) -> Iterator[Result]:
        """See `Executor.map`.

        Raises:
            UnavailableError: The cluster does not answer, or Ray is not installed.
        """
        ray = self._ray()
        opened = _Opened.of(live)
        submit = ray.remote(_opened_work).options(num_cpus=1, max_retries=tries - 1).remote
        most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: deque[tuple[Task, Any]] = deque()
        for task in tasks:
            waiting.append((task, submit(function, opened, task)))
            if len(waiting) == most:
                yield self._result(*waiting.popleft(), tries)
        while waiting:
            yield self._result(*waiting.popleft(), tries)

    def _ray(self) -> Any:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise UnavailableError(
                "Ray is not installed, which works on the units of a batch by [tool.lockstep]: "
                "pip install 'lockstep-scoring[ray]'"
            ) from error
        if not self._is_begun:
            address = Address(self.address)
            options: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
            if self.address == _EMBEDDED:
                options |= {"num_cpus": self.workers, "include_dashboard": False}
                options |= {"_node_ip_address": "127.0.0.1"}
            try:
                ray.init(self.address, **options)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise UnavailableError(
                    f"The Ray cluster at {address} does not answer: {address.hide_in(str(error))}"
                ) from error
            self._is_begun = True
        return ray

    def _result(self, task: Task, future: Any, tries: int) -> Any:
        import ray

        try:
            return ray.get(future)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except (ray.exceptions.RayError, ConnectionError) as error:
            raise lost_worker(task, tries) from error


@contextmanager
def executor_of(home: Home) -> Iterator[Executor]:
    """Where a home's units are worked on: in this process, a pool of them, or a Ray cluster."""
    if home.ray is not None:
        with closing(RayCluster(home.ray, home.workers)) as cluster:
            yield cluster
    elif home.workers > 1:
        with closing(Pool(home.workers)) as pool:
            yield pool
    else:
        yield IN_PROCESS


@dataclass(frozen=True)
class _Opened:
    """What it takes to open a version from its files, and the tables that it reads."""

    name: str
    version: int
    directory: Path
    digest: str
    tables: Tables | None = None

    @classmethod
    def of(cls, live: LoadedVersion) -> _Opened:
        """What it takes to open a version that is loaded."""
        return cls(live.name, live.version, live.directory, live.digest, live.tables)


def lost_worker(task: UnitTask, tries: int) -> LostWorkerError:
    """The error of a task that ends every process that works on it."""
    return LostWorkerError(
        f"The process that works on {task} ended {tries} times without a result. Memory may not "
        "suffice, or a library crashes: look at these rows, or have fewer processes."
    )


def _begin() -> None:
    """Give the numeric libraries one thread, and end with the process that began this one."""
    set_one_thread()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A process of a pool does not notice by itself that the one that it works for was killed."""
    parent = parent_process()
    assert parent is not None, "it was started by one"
    parent.join()
    os._exit(1)


def _opened_work(function: Work[Task, Result], opened: _Opened, task: Task) -> Result:
    """The result of a function for a task, in a process that opens each version once."""
    _give_back(function)
    try:
        return function(_version(opened), task)
    except Exception as error:
        if _survives_pickling(error):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from None


def _survives_pickling(error: Exception) -> bool:
    """Whether an error, such as one of a library, arrives where the result is asked for.

    One that does not would end the pool, as if the process had been killed.
    """
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its class raises
        return False
    return True


@lru_cache(maxsize=1)
def _give_back(function: Work[Task, Result]) -> None:
    """Give free memory back to the system, once where another function begins.

    Allocators keep it, and what the next task of the function needs is as much again.
    """
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:  # glibc's
        trim(0)


@lru_cache(maxsize=2)
def _version(opened: _Opened) -> LoadedVersion:
    if opened.tables is not None:
        return _version(replace(opened, tables=None)).with_tables(opened.tables)
    loaded = LoadedVersion.open(
        opened.directory, opened.digest, name=opened.name, version=opened.version
    )
    demand_code(loaded.environment, loaded.version)
    replayed = replay(loaded.pipeline, loaded.golden, version=loaded.version, alone=0)
    if not replayed.ok:
        raise UnprovenError(
            f"Version {loaded.version} does not give the golden records in the process that works "
            f"on a unit what it gave them at the fit: {replayed.summary}"
        )
    return loaded
