"""Misfits: what to do is told by what is wrong with a value."""

import pytest

from lockstep.checks.ingest import todo_of
from lockstep.columns.schema import Field


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (Field("x", "float"), None, "declare it `float | None`"),
        (Field("x", "float"), float("nan"), "declare it `float | None`"),
        (Field("x", "float"), "1,5", "a decimal point"),
        (Field("x", "float"), float("inf"), "a finite number"),
        (Field("x", "int", optional=True), 1.5, "declare it `float | None`"),
        (Field("x", "str", choices=("a", "b")), "c", "among those of the Literal"),
        (Field("x", "datetime"), "12/31/2020", "ISO 8601 with its zone"),
        (Field("x", "bool"), "maybe", "true or false"),
        (Field("x", "str"), 5, "text in UTF-8"),
    ],
)
def test_what_to_do_about_a_value_is_told_by_what_is_wrong_with_it(field, value, told: str) -> None:
    assert told in todo_of(field, value)
