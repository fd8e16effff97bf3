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
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, Protocol, Self, TypeVar

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

    def spared(self) -> Self | None:
        """The unit without what may end its process; None if there is nothing to leave out."""
        return None

    def __repr__(self) -> str:
        return self.place


Task = TypeVar("Task", bound=UnitTask)
Result = TypeVar("Result")
Work = Callable[[LoadedVersion, Task], Result]

Submitted = TypeVar("Submitted")

TRIES = 3
"""How often a unit is tried whose process ends without a result."""
_WAIT = 0.5
"""Seconds before the second try; twice as many before the third."""
_AHEAD = 2
"""Tasks that each worker has waiting, so that results do not pile up."""
_EMBEDDED = "local"
"""The address that stands for a cluster of this machine alone, which ends with the run."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class Executor(Protocol):
    """Works on the units of a batch."""

    @property
    def ahead(self) -> int:
        """How many tasks are begun before the result of the first of them is taken."""
        ...

    def map(
        self, function: Work[Task, Result], live: LoadedVersion, tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """The results of a function for tasks, in order.

        A task that ends its process `TRIES` times is replaced by the spared one, if it has one.

        Args:
            function: A function of a module, of the version and a task.
            live: The version that serves.
            tasks: The tasks, plain data, each asked for when it can be begun.

        Raises:
            LostWorkerError: A task ends its process each time, and has no spared one.
        """
        ...


class InProcess:
    """Works on one unit after the other, in this process."""

    ahead = 1

    def map(
        self, function: Work[Task, Result], live: LoadedVersion, tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        return (function(live, task) for task in tasks)


IN_PROCESS = InProcess()


@dataclass
class Pool:
    """Works on units in processes of its own, each with one thread of the numeric libraries.

    Each process is a pool by itself: one that ends, such as one that the system kills for its
    memory, takes no other with it, and the unit that it worked on is known.
    """

    workers: int = 2
    _idle: list[ProcessPoolExecutor] = field(default_factory=list, init=False, repr=False)
    _threads: ThreadPoolExecutor = field(init=False, repr=False)  # each waits for a process

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(self.workers)

    @property
    def ahead(self) -> int:
        """See `Executor.ahead`."""
        return _AHEAD * self.workers

    def close(self) -> None:
        """End its processes."""
        self._threads.shutdown(cancel_futures=True)
        while self._idle:
            self._idle.pop().shutdown()

    def map(
        self, function: Work[Task, Result], live: LoadedVersion, tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        opened = _Opened.of(live)
        begun: deque[Future[Result]] = deque(maxlen=self.ahead)

        def submit(task: Task) -> Future[Result]:
            begun.append(self._threads.submit(self._work, function, opened, task))
            return begun[-1]

        try:
            for _, future in _ahead(submit, tasks, self.ahead):
                yield future.result()
        finally:
            for future in begun:
                future.cancel()
            wait(begun)

    def _work(self, function: Work[Task, Result], opened: _Opened, task: Task) -> Result:
        try:
            process = self._idle.pop()
        except IndexError:
            process = _process()
        try:
            for failed in range(TRIES):
                time.sleep(_WAIT * failed)
                try:
                    return _given(process.submit(_opened_work, function, opened, task).result())
                except BrokenProcessPool:
                    process.shutdown()
                    process = _process()
        finally:
            self._idle.append(process)
        return self._work(function, opened, spared(task))


@dataclass
class RayCluster:
    """Works on units as tasks of a Ray cluster, each with one processor and one thread.

    A task whose process or node ends without a result is tried again elsewhere. The nodes read the
    version and the attempt by their paths, so that the home is on a disk that they share.
    """

    address: str = _EMBEDDED  # as `ray.init` takes it; `local` for a cluster of this machine
    workers: int = 2  # processors of a cluster of this machine
    _is_begun: bool = field(default=False, init=False, repr=False)

    @property
    def ahead(self) -> int:
        """See `Executor.ahead`."""
        return _AHEAD * max(1, int(self._ray().cluster_resources().get("CPU", 1)))

    def close(self) -> None:
        """Leave the cluster; one of this machine alone ends."""
        if self._is_begun:
            import ray

            ray.shutdown()
            self._is_begun = False

    def map(
        self, function: Work[Task, Result], live: LoadedVersion, tasks: Iterable[Task]
    ) -> Iterator[Result]:
        """See `Executor.map`.

        Raises:
            UnavailableError: The cluster does not answer, or Ray is not installed.
        """
        ray = self._ray()
        remote = ray.remote(_opened_work).options(num_cpus=1, max_retries=TRIES - 1).remote
        submit = partial(remote, function, _Opened.of(live))
        for task, reference in _ahead(submit, tasks, self.ahead):
            yield self._result(submit, task, reference)

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

    def _result(self, submit: Callable[[Task], Any], task: Task, reference: Any) -> Any:
        from ray import exceptions, get

        ended = exceptions.WorkerCrashedError, exceptions.OutOfMemoryError, exceptions.NodeDiedError
        try:
            return _given(get(reference))
        except exceptions.RayTaskError as error:
            raise error.cause from None
        except ended:
            instead = spared(task)
        except (exceptions.RayError, ConnectionError) as error:
            raise _lost_worker(task) from error
        return self._result(submit, instead, submit(instead))


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


def spared(task: Task) -> Task:
    """The task in place of one that ended its process each time.

    Raises:
        LostWorkerError: It has none.
    """
    if (instead := task.spared()) is None:
        raise _lost_worker(task)
    return instead


def _lost_worker(task: UnitTask) -> LostWorkerError:
    return LostWorkerError(
        f"The process that works on {task} ended {TRIES} times without a result. Memory may not "
        "suffice, or a library crashes: look at these rows, or have fewer processes."
    )


def _ahead(
    submit: Callable[[Task], Submitted], tasks: Iterable[Task], most: int
) -> Iterator[tuple[Task, Submitted]]:
    """Tasks in order, with what `submit` gives for them, which is at most so many ahead."""
    waiting: deque[tuple[Task, Submitted]] = deque()
    for task in tasks:
        waiting.append((task, submit(task)))
        if len(waiting) == most:
            yield waiting.popleft()
    yield from waiting


def _process() -> ProcessPoolExecutor:
    """A process, which begins with its first task."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begin)


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


def _opened_work(function: Work[Task, Result], opened: _Opened, task: Task) -> Result | _Raised:
    """The result of a function for a task, in a process that opens each version once."""
    _give_back(function)
    try:
        return function(_version(opened), task)
    except Exception as error:  # noqa: BLE001 - raised where the result is asked for
        return _Raised.of(error)


@dataclass(frozen=True)
class _Raised:
    """An error of another process, as it was raised: with its type, its message and its notes."""

    pickled: bytes
    traceback: str

    @classmethod
    def of(cls, error: Exception) -> _Raised:
        """Of an error; a `RuntimeError` stands for one that cannot be pickled at all.

        Errors of some libraries can only be pickled without `__init__`, which takes other
        arguments than they hand on.
        """
        told = traceback.format_exception_only(error)
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            plain.add_note(note)
        pickled = pickle.dumps(plain)
        for form in (_WithoutInit(error), error):
            with suppress(Exception):
                data = pickle.dumps(form)
                if traceback.format_exception_only(pickle.loads(data)) == told:
                    pickled = data
        return cls(pickled, "".join(traceback.format_exception(error)))


@dataclass(frozen=True)
class _WithoutInit:
    """Pickles an error that is made anew without `__init__`."""

    error: Exception

    def __reduce__(self) -> tuple[Any, ...]:
        kind = type(self.error)
        return partial(kind.__new__, kind), self.error.args, vars(self.error)


def _given(made: Result | _Raised) -> Result:
    """The result of a task, or its error raised."""
    if isinstance(made, _Raised):
        raise pickle.loads(made.pickled) from RuntimeError(f"In its process:\n{made.traceback}")
    return made


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
