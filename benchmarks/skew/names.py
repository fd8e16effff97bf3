"""What goes wrong with names: letters, blanks, zeros, lists of categories, flags."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    How,
    Where,
    alter,
    exchanged,
    missing,
    part,
    put,
    segment,
)
from benchmarks.skew.roles import Roles
from benchmarks.skew.transformation import Columns, Transformation, each
from benchmarks.skew.values import of_row_before, permuted


def _texts(how: Callable[[str], str]) -> How:
    """Change texts; a number is told as a text for it."""

    def change(values: pd.Series, case: Case) -> object:
        return values.map(lambda one: how(_told(one)), na_action="ignore")

    return change


def _told(value: object) -> str:
    """A value as text, a whole number without its point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _other_case(text: str) -> str:
    return text.lower() if text == text.upper() else text.upper()


def _zeros_lost(values: pd.Series, case: Case) -> object:
    return values.astype("string").str.replace(r"(?<!\d)0+(?=\d)", "", regex=True).astype(object)


def _renamed(values: pd.Series, case: Case) -> object:
    """The names of another list: numbers from 101 on, texts with a prefix."""
    if pd.api.types.is_numeric_dtype(values):
        return values + 100
    return "C-" + values.astype("string").astype(object)


def _to_default(values: pd.Series, case: Case) -> object:
    default: object = 0 if pd.api.types.is_numeric_dtype(values) else "OTHER"
    common = case.common(str(values.name))[0]
    return values.astype(object).mask(values == common, default)


def _exchanged(values: pd.Series, case: Case) -> object:
    first, *rest = case.common(str(values.name))
    return exchanged(values, first, rest[0]) if rest else values


def _not_first(case: Case) -> pd.Series:
    """The rows with another name than the most frequent one."""
    found: pd.Series = ~case.rows[case.columns[0]].isin(case.common(case.columns[0], 1.0)[:1])
    return found


def _to_first(values: pd.Series, case: Case) -> object:
    return [case.common(str(values.name), 1.0)[0]] * len(values)


def _unknown(values: pd.Series, case: Case) -> object:
    return [0 if pd.api.types.is_numeric_dtype(case.rows[str(values.name)]) else "unknown"] * len(
        values
    )


def _turned(values: pd.Series, case: Case) -> object:
    if values.dropna().isin([True, False]).all():
        return [None if pd.isna(one) else type(one)(not one) for one in values]
    return _exchanged(values, case)


def _attributes(roles: Roles, columns: Columns) -> Columns:
    """What is looked up by a name, and no longer agrees with it."""
    return tuple(one for name in columns for one in roles.lookups.get(name, ()))


def _named(
    name: str,
    story: str,
    how: How,
    *roles: str,
    where: Where = lambda case: case.rows[case.columns[0]].notna(),
    population: bool = False,
) -> Transformation:
    change = alter(how, where)
    return Transformation(
        name, story, each(*roles), change, population=population, beside=_attributes
    )


_WORDS = ("codes", "categories", "texts")
NAMES: tuple[Transformation, ...] = (
    _named("other_case", "{} comes in the other case", _texts(_other_case), "words"),
    _named("other_case_of_segment", "{} comes in the other case in one segment",
           _texts(_other_case), "words", where=segment),
    _named("trailing_blank", "{} comes with a blank", _texts(lambda one: one + " "), "words"),
    _named("trailing_blank_in_some", "{} comes with a blank in a tenth of the rows",
           _texts(lambda one: one + " "), "words", where=part(0.1)),
    _named("encoding", "{} comes as UTF-16 and is read byte by byte",
           _texts(lambda one: one.encode("utf-16-le").decode("latin-1")), "words"),
    _named("cut", "{} is cut to its first three letters", _texts(lambda one: one[:3]), "words"),
    _named("empty", "{} is empty in a tenth of the rows", _texts(lambda one: ""), "words",
           where=part(0.1)),
    _named("null_text", "{} is the text NULL in a twentieth of the rows",
           _texts(lambda one: "NULL"), *_WORDS, where=part(0.05)),
    _named("unknown_in_some", "{} is unknown, or 0, in a tenth of the rows", _unknown, *_WORDS,
           where=part(0.1)),
    _named("zeros_lost", "numbers in {} lost their leading zeros", _zeros_lost, "zeroed"),
    _named("as_float", "{} went through a floating-point number",
           _texts(lambda one: f"{one}.0"), "numbered"),
    _named("renamed", "{} follows another list of names", _renamed, "codes", "categories"),
    _named("renamed_of_segment", "{} follows another list of names in one segment", _renamed,
           "codes", "categories", where=segment),
    _named("one_to_default", "one {} falls to a default", _to_default, "categories",
           population=True),
    _named("all_but_one_to_first", "{} is the most frequent one everywhere", _to_first,
           "categories", where=_not_first, population=True),
    _named("exchanged_names", "two names of {} are taken for each other", _exchanged, "codes",
           "categories"),
    _named("flag_turned", "{} says the contrary", _turned, "flags"),
    _named("flag_turned_of_segment", "{} says the contrary in one segment", _turned, "flags",
           where=segment),
    Transformation("missing_names", "{} is missing in a fifth of the rows", each(*_WORDS),
                   put(None, part(0.2)), blocks=False, population=True),
    Transformation("text_for_missing", "{} is empty text where it is missing", each("sparse_names"),
                   put("", missing)),
    Transformation("dealt_names", "{} is dealt to other rows", each("codes", "categories"),
                   permuted(), beside=_attributes),
    Transformation("name_of_row_before", "{} is that of the row before",
                   each("codes", "categories"), of_row_before, beside=_attributes),
)  # fmt: skip
"""What goes wrong with names."""
