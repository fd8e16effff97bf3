"""Expectations that constraints suggest, as source to paste into a suite.

Great Expectations can say that a column has no missing values, and name its values, range and form,
and that a column is not below another. All of it held in training rows; a person decides what to
demand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lockstep.columns.schema import Schema
from lockstep.constraints.constraint_set import ConstraintSet
from lockstep.constraints.forms import MOST_DIGITS
from lockstep.constraints.values import Number, Text

_MOST_FORMS = 8
"""The most forms of a text that make a regular expression."""
_RUNS = {"A": "[A-ZÀ-ÖØ-Þ]+", "a": "[a-zß-öø-ÿ]+"}


def suggested(constraints: ConstraintSet, schema: Schema) -> list[str]:
    """Suggest expectations, a line of source each, in the order of the fields."""
    numbers = {
        number.quantity.fields[0]: number
        for number in constraints.values.numbers
        if number.quantity.made == "value"
    }
    texts = {text.column: text for text in constraints.values.texts}
    known = _always_known(constraints)
    lines: list[str] = []
    for field in schema:
        if field.name in known and field.optional:
            lines.append(_line("ExpectColumnValuesToNotBeNull", column=field.name))
        if field.name in texts:
            lines += _of_text(texts[field.name], constraints)
        elif field.name in numbers and field.declared in ("float", "int"):
            lines.append(_of_number(numbers[field.name], field.declared))
    return [*lines, *_of_pairs(constraints)]


def _always_known(constraints: ConstraintSet) -> set[str]:
    """Fields that were never missing in training."""
    limits = constraints.limits
    return {
        statistic.feature.columns[0]
        for place, statistic in enumerate(constraints.statistics)
        if statistic.feature.kind == "missing" and float(limits.level.high[place]) == 0
    }


def _of_text(text: Text, constraints: ConstraintSet) -> Iterator[str]:
    values = constraints.layout.categories.get(text.column, ())
    if values and len(values) == len(text.known) // 8:
        yield _line("ExpectColumnValuesToBeInSet", column=text.column, value_set=sorted(values))
    elif text.is_fine and len(text.forms) <= _MOST_FORMS:
        forms = "|".join(map(_regex, text.forms))
        yield _line("ExpectColumnValuesToMatchRegex", column=text.column, regex=f"^({forms})$")


def _regex(form: str) -> str:
    """A regular expression for the texts of a form."""
    parts = re.findall(r"9+|.", form)
    return "".join(
        rf"\d{{{len(part)}{',' * (len(part) == MOST_DIGITS)}}}"
        if part[0] == "9"
        else _RUNS.get(part) or re.escape(part)
        for part in parts
    )


def _of_number(number: Number, declared: str) -> str:
    low, high = float(number.sorted[0]), float(number.sorted[-1])
    ends = (int(low), int(high)) if declared == "int" else (low, high)
    name = number.quantity.fields[0]
    return _line("ExpectColumnValuesToBeBetween", column=name, min_value=ends[0], max_value=ends[1])


def _of_pairs(constraints: ConstraintSet) -> Iterator[str]:
    """Columns that are never below others."""
    for kept in constraints.rules.rules:
        pair = getattr(kept.rule, "quantities", ())
        if (
            kept.is_strict
            and kept.feature.kind == "order"
            and all(quantity.made == "value" for quantity in pair)
        ):
            low, high = (quantity.fields[0] for quantity in pair)
            yield _line(
                "ExpectColumnPairValuesAToBeGreaterThanB",
                column_A=high, column_B=low, or_equal=True,
                ignore_row_if="either_value_is_missing",
            )  # fmt: skip


def _line(expectation: str, **arguments: Any) -> str:
    listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return f'gx.expectations.{expectation}({listed}, severity="warning"),'
