"""Pipelines made in a test, without a module of their own."""

import sys
from collections.abc import Callable
from itertools import count
from types import ModuleType
from typing import Any

from lockstep.columns.decorators import feature, model
from lockstep.columns.kinds import Floats
from lockstep.columns.nodes import Node
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.records import Outcome, Record

_NUMBERS = count()


def named(
    name: str,
    function: Callable[..., Any],
    decorate: Callable[[Any], Any] = feature,
    returns: Any = Floats,
    **kinds: Any,
) -> Any:
    """A column by a function whose parameters are its inputs."""
    function.__name__, function.__annotations__ = name, {"return": returns, **kinds}
    return decorate(function)


def named_model(name: str, make: Callable[[], Any], **options: Any) -> Any:
    """A model by what makes its estimator."""

    def function() -> Any:
        return make()

    function.__name__ = name
    return model(**options)(function)


def build(*columns: Node, record: type[Record], outcome: type[Outcome] | None = None) -> Pipeline:
    """The pipeline that a module with these columns defines."""
    module = ModuleType(f"made.pipeline_{next(_NUMBERS)}")
    for position, column in enumerate(columns):
        setattr(module, f"column_{position}", column)
    sys.modules[module.__name__] = module
    try:
        return Pipeline(module.__name__, record=record, outcome=outcome)
    finally:
        del sys.modules[module.__name__]
