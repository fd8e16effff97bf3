"""What must hold for every pipeline of this project: the tests that `lockstep new` writes."""

import pytest

from lockstep.testing import (
    assert_alike_from_every_format,
    assert_row_local,
    assert_suites_hold,
    project_pipelines,
)

PIPELINES = project_pipelines(__file__)


@pytest.mark.parametrize("name", PIPELINES.names)
def test_every_column_depends_on_its_own_row_alone(name: str) -> None:
    assert_row_local(PIPELINES.get(name))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_a_row_gives_the_same_columns_from_every_format(name: str) -> None:
    assert_alike_from_every_format(PIPELINES.get(name))


@pytest.mark.parametrize("name", PIPELINES.names)
def test_the_history_is_what_the_suites_expect(name: str) -> None:
    assert_suites_hold(PIPELINES.get(name))
