"""Functions that draw at chance: what they draw may matter in one row of a million.

Computing a column twice shows chance only where it changes a value. That something was drawn shows
in the generator that it was drawn of, whose state moves on: of those that everybody shares
(`random`, `numpy.random`), whoever draws of them, and of those that a module of the function's
holds. A function that sets the seed itself leaves the same state each time, and draws nothing that
is another one the next time.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

import numpy as np

_TIMES = 4
"""How often a state has to move on: other threads of the process draw now and then, too."""


def draws(function: Any, compute: Callable[[], object]) -> str | None:
    """What a function draws of, such as `numpy.random`; None if it draws of nothing that lasts.

    Args:
        function: The function; what its module holds counts.
        compute: Has it compute something.
    """
    generators = dict(_generators(function))
    states = [_states(generators)]
    for _ in range(_TIMES):
        compute()
        states.append(_states(generators))
        generators = {
            name: one
            for name, one in generators.items()
            if states[-1][name] not in [state[name] for state in states[:-1]]
        }
        if not generators:
            return None
    return next(iter(generators))


def _generators(function: Any) -> Iterator[tuple[str, Any]]:
    yield "random", random
    yield "numpy.random", np.random
    if isinstance(function, FunctionType):
        for name, value in function.__globals__.items():
            if isinstance(value, random.Random | np.random.Generator | np.random.RandomState):
                yield name, value


def _states(generators: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: pickle.dumps(_state(generator)) for name, generator in generators.items()}


def _state(generator: Any) -> Any:
    """The state of a generator; nothing of one that has none, as where the system draws for it."""
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if not hasattr(generator, "getstate"):
        return generator.get_state(legacy=False)
    try:
        return generator.getstate()
    except NotImplementedError:  # as `random.SystemRandom` and others of Python's that keep none
        return None
