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
def thinned(name: str) -> PipelineAssets:
    """A pipeline with a sixth of its history, which is enough to fit it."""
    declared = PIPELINES.get(name)
    whole = declared.history.read()
    sixth = whole.take(np.arange(0, len(whole), 6))
    return replace(declared, history=FunctionSource(lambda: sixth))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_every_column_depends_on_its_own_row_alone(name: str) -> None:
    assert_row_local(thinned(name))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_a_row_gives_the_same_columns_from_every_format(name: str) -> None:
    assert_alike_from_every_format(thinned(name))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_the_history_is_what_the_suites_expect(name: str) -> None:
    assert_suites_hold(thinned(name))
