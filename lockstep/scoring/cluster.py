"""A Ray cluster as the place where the units of a batch are worked on: `pip install ray`.

The nodes read the version and the attempt by their paths, so that the home is on a disk that they
share.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.address import Address
from lockstep.errors import UnavailableError
from lockstep.scoring.executors import (
    AHEAD,
    TRIES,
    Opened,
    Result,
    Task,
    Work,
    lost_worker,
    opened_work,
)

EMBEDDED = "local"
"""The address that stands for a cluster of this machine alone, which ends with the run."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


@dataclass
class RayCluster:
    """Works on units as tasks of Ray, each with one processor and one thread.

    A task whose process or node ends without a result is tried again elsewhere.
    """

    address: str = EMBEDDED  # as `ray.init` takes it; `local` for a cluster of this machine
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
        opened = Opened.of(live)
        submit = ray.remote(opened_work).options(num_cpus=1, max_retries=tries - 1).remote
        most = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
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
            if self.address == EMBEDDED:
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
