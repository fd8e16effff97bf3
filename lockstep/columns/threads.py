"""Threads of the numeric libraries: one for a small batch, for which more only get in the way."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

FEW_ROWS = 20_000
"""Rows up to which one thread is faster: with two on two cores, histogram boosting takes 40 to
50 ms for one row, where one thread takes 2 ms (measured with scikit-learn 1.9)."""


def threads_for(rows: int) -> AbstractContextManager[Any]:
    """Limits OpenMP and BLAS to one thread while a small batch is computed.

    Args:
        rows: Size of the batch.
    """
    if rows > FEW_ROWS:
        return nullcontext()
    limited: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limited


@cache
def _controller() -> ThreadpoolController:
    """The libraries that are loaded when an estimator first predicts, its own among them."""
    return ThreadpoolController()
