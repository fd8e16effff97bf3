"""What goes wrong with names: letters, blanks, zeros, lists of categories, flags."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from benchmarks.skew.deliveries import (
    Case,
    How,
    Where,
    alter,
    exchanged,
    is_number,
    known,
    missing,
    part,
    put,
)
from benchmarks.skew.transformation import Transformation, drift, in_parts, lookups_of, shift, wrong
from benchmarks.skew.values import dealt, of_row_before


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
    return values + 100 if is_number(values) else "C-" + values.astype("string").astype(object)


def _to_default(values: pd.Series, case: Case) -> object:
    default: object = 0 if is_number(values) else "OTHER"
    return values.astype(object).mask(values == case.common(str(values.name))[0], default)


def _exchanged(values: pd.Series, case: Case) -> object:
    return exchanged(values, case.common(str(values.name)))


def _to_first(values: pd.Series, case: Case) -> object:
    return [case.common(str(values.name), 1.0)[0]] * len(values)


def _not_first(case: Case) -> pd.Series:
    """The rows with another name than the most frequent one."""
    found: pd.Series = ~case.rows[case.columns[0]].isin(case.common(case.columns[0], 1.0)[:1])
    return found


def unknown(values: pd.Series, case: Case) -> object:
    """What stands for what is not known: 0, or a text for it."""
    return [0 if is_number(case.rows[str(values.name)]) else "unknown"] * len(values)


def _turned(values: pd.Series, case: Case) -> object:
    if values.dropna().isin([True, False]).all():
        return [None if pd.isna(value) else type(value)(not value) for value in values]
    return _exchanged(values, case)


def _named(how: How, where: Where = known) -> dict[str, Any]:
    """A change of names, beside which what is looked up by them may be named."""
    return {"change": alter(how, where), "beside": lookups_of}


_ANY, _KINDS = "codes categories texts", "codes categories"
_in_parts = partial(in_parts, whole=known, beside=lookups_of)
NAMES: tuple[Transformation, ...] = (
    *_in_parts("other_case", "{} comes in the other case", "words",
               partial(alter, _texts(_other_case)), "_of_segment"),
    *_in_parts("trailing_blank", "{} comes with a blank", "words",
               partial(alter, _texts(lambda one: one + " ")), "_in_some"),
    wrong("encoding", "{} comes as UTF-16 and is read byte by byte", "words",
          **_named(_texts(lambda one: one.encode("utf-16-le").decode("latin-1")))),
    wrong("cut", "{} is cut to its first three letters", "words",
          **_named(_texts(lambda one: one[:3]))),
    wrong("empty", "{} is empty in a tenth of the rows", "words",
          **_named(_texts(lambda one: ""), part(0.1))),
    wrong("null_text", "{} is the text NULL in a twentieth of the rows", _ANY,
          **_named(_texts(lambda one: "NULL"), part(0.05))),
    wrong("unknown_in_some", "{} is unknown, or 0, in a tenth of the rows", _ANY,
          **_named(unknown, part(0.1))),
    wrong("zeros_lost", "numbers in {} lost their leading zeros", "zeroed", **_named(_zeros_lost)),
    wrong("as_float", "{} went through a floating-point number", "numbered",
          **_named(_texts(lambda one: f"{one}.0"))),
    *_in_parts("renamed", "{} follows another list of names", _KINDS, partial(alter, _renamed),
               "_of_segment"),
    shift("one_to_default", "one {} falls to a default", "categories", **_named(_to_default)),
    shift("all_but_one_to_first", "{} is the most frequent one everywhere", "categories",
          **_named(_to_first, _not_first)),
    wrong("exchanged_names", "two names of {} are taken for each other", _KINDS,
          **_named(_exchanged)),
    *_in_parts("flag_turned", "{} says the contrary", "flags", partial(alter, _turned),
               "_of_segment"),
    drift("missing_names", "{} is missing in a fifth of the rows", _ANY, put(None, part(0.2))),
    wrong("text_for_missing", "{} is empty text where it is missing", "sparse_names",
          put("", missing)),
    wrong("dealt_names", "{} is dealt to other rows", _KINDS, dealt, beside=lookups_of),
    wrong("name_of_row_before", "{} is that of the row before", _KINDS, of_row_before,
          beside=lookups_of),
)  # fmt: skip
