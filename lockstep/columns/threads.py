"""Threads of the numeric libraries.

BLAS has one number of threads for the whole process. Its owner sets it once, at the start: limits
that come and go with each call overlap, and leave the wrong number behind. OpenMP's belongs to the
thread that asks (OpenMP 5.2, 2.4, `nthreads-var`): it is lowered around a small batch.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController, threadpool_limits

FEW_ROWS = 20_000
"""Rows up to which one thread of OpenMP is faster than two, in histogram boosting: one row takes
1.8 ms on one, 40 to 50 on two. From some 100,000 rows on, two take half as long as one."""

_BLAS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


def set_blas_threads() -> None:
    """Give BLAS one thread, in this process and its children, unless a person has set how many.

    Sums come out the same wherever they are computed, whatever the machine, and linear models on
    as many rows as a table has are no slower for it.
    """
    for name in _BLAS:
        os.environ.setdefault(name, "1")
    threadpool_limits(limits=int(os.environ[_BLAS[0]]), user_api="blas")


def set_one_thread() -> None:
    """Give all numeric libraries one thread in this process: those loaded, and those to come."""
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", *_BLAS), "1"))
    threadpool_limits(limits=1)


def openmp_threads_for(rows: int) -> AbstractContextManager[Any]:
    """Limit OpenMP to one thread while this thread computes so many rows, if they are few."""
    if rows > FEW_ROWS:
        return nullcontext()
    limited: AbstractContextManager[Any] = _openmp().limit(limits=1)
    return limited


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
