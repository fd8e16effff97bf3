"""Functions that draw random numbers: these may matter in one row of a million.

Computing a column twice shows chance only where it changes a value. A drawn number shows in its
generator, whose state moves on. A function that sets the seed itself draws the same numbers each
time.
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
    """The generator that a function or its module draws from, such as `numpy.random`, if any."""
    generators = dict(_generators(function))
    states = [_states(generators)]
    for _ in range(_TIMES):
        compute()
        states.append(_states(generators))
        generators = {
            name: generator
            for name, generator in generators.items()
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
    """The state of a generator; None if it has none, as where the system draws."""
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if not hasattr(generator, "getstate"):
        return generator.get_state(legacy=False)
    try:
        return generator.getstate()
    except NotImplementedError:  # such as `random.SystemRandom`
        return None
