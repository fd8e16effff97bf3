"""What a pipeline declares of its constraints, and what it cannot."""

from typing import Any

import pytest

from assets.orders import ASSETS
from lockstep.errors import DeclarationError
from lockstep.project.constraint_levels import Constraints
from lockstep.project.declaration import PipelineAssets


def test_a_level_of_a_column_counts_before_that_of_the_family_and_that_before_the_default() -> None:
    declared = Constraints("warn", families={"rules": "block"}, columns={"price": "off"})
    assert declared.level("rules", "price") == "off"
    assert declared.level("rules", "weight") == "block"
    assert declared.level("values", None) == "warn"
    assert Constraints().level("rules", "price") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"default": "error"}, "default is 'error'; give one of 'off', 'warn', 'block'"),
        (
            {"families": {"panel": "warn"}},
            "'identity', 'panels', 'aggregates' (did you mean 'panels'?).",
        ),
        ({"families": {"panels": "no"}}, "families['panels'] is 'no'; give one of"),
        (
            {"families": ["panels"]},
            "families is ['panels']; give a dictionary, by name one of 'off', 'warn', 'block'.",
        ),
        ({"columns": {"price": True}}, "columns['price'] is True; give one of"),
        ({"first_batches": -1}, "first_batches is -1; give a whole number from 0."),
        ({"first_batches": "two"}, "first_batches is 'two'; give a whole number from 0."),
    ],
)
def test_what_cannot_be_declared_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Constraints(**options)
    assert said in str(refused.value)


def test_a_column_that_the_record_has_not_is_refused() -> None:
    with pytest.raises(DeclarationError) as refused:
        PipelineAssets(
            ASSETS.pipeline, ASSETS.history, constraints=Constraints(columns={"prize": "off"})
        )
    assert "constraints names 'prize', but no column" in str(refused.value)
    assert "did you mean 'price'" in str(refused.value)
