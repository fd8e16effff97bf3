"""What must hold for every pipeline of this project: the tests that `lockstep new` writes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from lockstep import FunctionSource, PipelineAssets
from lockstep.testing import (
    assert_alike_from_every_format,
    assert_row_local,
    assert_suites_hold,
    project_pipelines,
)

PIPELINES = project_pipelines(__file__)


@cache
def thinned(name: str, by: int) -> PipelineAssets:
    """A pipeline with every so many rows of its history."""
    declared = PIPELINES.get(name)
    whole = declared.history.read()
    some = whole.take(np.arange(0, len(whole), by))
    return replace(declared, history=FunctionSource(lambda: some))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_every_column_depends_on_its_own_row_alone(name: str) -> None:
    assert_row_local(thinned(name, 24))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_a_row_gives_the_same_columns_from_every_format(name: str) -> None:
    assert_alike_from_every_format(thinned(name, 24))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_the_history_is_what_the_suites_expect(name: str) -> None:
    assert_suites_hold(thinned(name, 6))
