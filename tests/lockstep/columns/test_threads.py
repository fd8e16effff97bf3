"""Threads of the numeric libraries, while predictions overlap, and of readers of code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, get_ident
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info

from lockstep.columns.decorators import model
from lockstep.columns.kinds import Columns
from lockstep.columns.predictors import ReferencePredictor, matrix

WAITS: dict[int, Callable[[], Any]] = {}
"""By thread, what its prediction waits for while it is under way."""


class Waiting(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A first step that holds up a prediction."""

    def fit(self, rows: Any, target: Any = None) -> Waiting:
        return self

    def transform(self, rows: Any) -> Any:
        WAITS.get(get_ident(), lambda: None)()
        return rows


def fitted(estimator: Any) -> ReferencePredictor:
    @model(learns="y", uses=["a", "b"])
    def chance() -> Any:
        return make_pipeline(Waiting(), estimator)

    rows = some(500)
    made = chance.make().fit(matrix(chance, rows), rows["a"] > rows["b"])
    return ReferencePredictor(chance, made)


def some(rows: int) -> Columns:
    random = np.random.default_rng(7)
    return {"a": random.normal(size=rows), "b": random.normal(size=rows)}


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info()]


def overlapping(predictor: ReferencePredictor, rows: Columns) -> list[Columns]:
    """Two predictions in threads: the second begins within the first, and ends after it."""
    first_began, second_began, first_ended = Event(), Event(), Event()

    def waiting(began: Event, other: Event) -> Columns:
        WAITS[get_ident()] = lambda: (began.set(), assert_happens(other))
        return predictor(rows)

    def first() -> Columns:
        try:
            return waiting(first_began, second_began)
        finally:
            first_ended.set()

    def second() -> Columns:
        assert_happens(first_began)
        return waiting(second_began, first_ended)

    with ThreadPoolExecutor(2) as pool:
        return [one.result() for one in [pool.submit(first), pool.submit(second)]]


def assert_happens(event: Event) -> None:
    assert event.wait(timeout=30)


@pytest.mark.parametrize("estimator", [HistGradientBoostingClassifier(), LogisticRegression()])
def test_overlapping_predictions_predict_what_one_alone_does(estimator: Any) -> None:
    predictor, rows = fitted(estimator), some(100)
    alone = predictor(rows)
    for found in overlapping(predictor, rows):
        assert np.array_equal(found["chance"], alone["chance"])


def printed(*arguments: str, **variables: str) -> str:
    """What a process of Python prints, in which these variables alone say how many threads."""
    kept = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env={**kept, **variables}, capture_output=True, text=True, check=True
    ).stdout


def test_overlapping_predictions_leave_the_threads_as_they_were() -> None:
    before, after = printed(__file__, OMP_NUM_THREADS="2").splitlines()
    assert before == after
    assert set(before.split()) == {"2"}


@pytest.mark.parametrize(("set_before", "expected"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, 2)])
def test_blas_has_one_thread_in_a_process_unless_a_person_wants_more(
    set_before: dict[str, str], expected: int
) -> None:
    code = (
        "import numpy; from threadpoolctl import threadpool_info\n"
        "from lockstep.columns.threads import set_blas_threads\n"
        "set_blas_threads()\n"
        "import scipy.linalg  # brings a BLAS of its own\n"
        "print({one['num_threads'] for one in threadpool_info() if one['user_api'] == 'blas'})"
    )
    assert printed("-c", code, **set_before) == f"{{{expected}}}\n"


THREADS = """
import gc, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from lockstep.columns import records, syntax

gc.set_threshold(50, 2, 2)  # other threads go on while garbage is collected amid a tree
gc.callbacks.append(lambda phase, info: [records.__name__ for _ in range(100)])
sys.setswitchinterval(1e-6)
source = Path(records.__file__).read_text()

def read(number):
    return syntax.parse(source).body, syntax.source_of(records.Record)

with ThreadPoolExecutor(3) as threads:
    assert len([*threads.map(read, range(150))]) == 150
"""


def test_threads_may_read_syntax_trees_at_the_same_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":  # in a process of its own, where two threads are the default
    boosted = fitted(HistGradientBoostingClassifier())
    print(*threads())
    overlapping(boosted, some(100))
    print(*threads())
