"""Misfits: what to do about a value that does not fit its declaration."""

from __future__ import annotations

from typing import Any

from lockstep.columns.plain import plain
from lockstep.columns.schema import Field

_TRAINED = "and train and promote a version of that"


def todo_of(field: Field, value: Any) -> str:
    """A sentence that says what to do about a refused value.

    Args:
        field: The declaration of its field.
        value: The value as delivered; None or NaN where there is none.
    """
    name, optional = field.name, " | None" if field.optional else ""
    if plain(value) is None:
        return (
            f"Have {name} delivered in every row; or, if it may be missing, declare it "
            f"`{field.declared_name} | None`, {_TRAINED}."
        )
    if field.choices is not None:
        return (
            f"Have {name} corrected; or, if the value is meant to stay, declare it among those "
            f"of the Literal, {_TRAINED}."
        )
    if isinstance(value, str) and field.declared in ("float", "int"):
        return (
            f"Have {name} delivered in digits with a decimal point, without units, blanks or "
            'thousands separators; a text that stands for no value is declared by Missing("..."), '
            f"{_TRAINED}."
        )
    if field.declared == "int":
        return (
            f"Have {name} delivered in whole numbers; or, if fractions are meant, declare it "
            f"`float{optional}`, {_TRAINED}."
        )
    if field.declared == "datetime":
        return (
            f"Have {name} delivered in ISO 8601 with its zone, such as 2013-04-01T09:30:00Z; or, "
            f'where only the zone is lacking, declare it by Zone("..."), {_TRAINED}.'
        )
    if field.declared == "bool":
        return f"Have {name} delivered as true or false, or as 1 or 0."
    return (
        f"Have {name} delivered as {_FORMS[field.declared]}; or declare it as it is delivered, "
        f"{_TRAINED}."
    )


_FORMS = {"float": "a finite number", "str": "text in UTF-8"}
