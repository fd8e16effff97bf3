"""A pipeline proposed for a table: its key, its label, and what kind of prediction that is."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

from lockstep.columns.plain import counted, listed
from lockstep.errors import ProposalError
from lockstep.templates.table import TableColumn, TableFile

Task = Literal["binary", "classes", "number"]

_LIKE_A_KEY = re.compile(r"(.*[\W_])?(id|key|uuid|guid|nr|no|number|name|code|index)\W*", re.I)
_YES = frozenset(("yes", "y", "true", "t", "positive"))
_MOST_CLASSES = 50
_MOST_CLASSES_OF_NUMBERS = 10
_ROWS_A_CLASS = 5
"""Rows that a class needs, so that it is likely to be among the rows that are fitted."""
_MOST_CATEGORIES = 50

MODULE_NAMES = frozenset(
    (
        *("np", "Annotated", "datetime", "Bools", "Floats", "Ints", "Key", "Missing", "Named"),
        *("EventTime", "Outcome", "Pipeline", "Record", "RowNumber", "Texts", "Times", "Zone"),
        *("feature", "label", "model", "output", "Row", "Later", "CLASSES", "PIPELINE", "Steps"),
        *(
            "make_pipeline",
            "make_column_transformer",
            "OneHotEncoder",
            "months",
            "days",
            "str",
            "int",
        ),
    )
)
"""Names that a written module gives to something else than a column."""


@dataclass(frozen=True)
class ProposedField:
    """A field for a column of the table.

    Attributes:
        name: Its name.
        column: The column.
    """

    name: str
    column: TableColumn

    @property
    def is_category(self) -> bool:
        """Whether it holds texts that are few enough to be a category each."""
        return self.column.declared == "str" and 0 < len(self.column.counts) <= _MOST_CATEGORIES

    @property
    def is_number(self) -> bool:
        """Whether a model can take it as it is."""
        return self.column.declared in ("int", "float", "bool") and not self.column.is_empty

    @property
    def is_time(self) -> bool:
        """Whether it holds times."""
        return self.column.declared == "datetime"


@dataclass(frozen=True)
class Proposal:
    """What a pipeline could be.

    Attributes:
        table: The table.
        key: The column that tells the rows apart; None if there is none.
        fields: The other columns that are known when a prediction is asked for.
        label: What is to be predicted.
        task: Whether that is true or false, a class, or a number.
        classes: The classes, or the value that counts as false and the one that counts as true.
        left_out: Columns that no field can hold.
    """

    table: TableFile
    key: ProposedField | None
    fields: tuple[ProposedField, ...]
    label: ProposedField
    task: Task
    classes: tuple[Any, ...]
    left_out: tuple[str, ...]

    @property
    def numbers(self) -> list[ProposedField]:
        """Fields that a model takes as they are."""
        return [field for field in self.fields if field.is_number]

    @property
    def categories(self) -> list[ProposedField]:
        """Fields whose texts are a category each."""
        return [field for field in self.fields if field.is_category]

    @property
    def times(self) -> list[ProposedField]:
        """Fields that hold times."""
        return [field for field in self.fields if field.is_time]

    @property
    def event_time(self) -> ProposedField | None:
        """The field that says when a row happened: the only one of times, or that sorts the rows.

        None where some row has no time, or no field or several could be it.
        """
        whole = [field for field in self.times if not field.column.optional]
        if len(self.times) > 1:
            whole = [field for field in whole if field.column.rises]
        return whole[0] if len(whole) == 1 else None

    @property
    def unused(self) -> list[ProposedField]:
        """Fields that no model takes: texts that are all different, and empty columns."""
        used = (*self.numbers, *self.categories, *self.times)
        return [field for field in self.fields if field not in used]

    @property
    def possible_keys(self) -> list[ProposedField]:
        """Fields that tell the rows apart, too, but are not named as what does."""
        return [field for field in self.fields if _tells_apart(field.column)]

    @property
    def rare_are_left_out(self) -> bool:
        """Whether some rows have another value of the label than the classes."""
        return self.task == "classes" and len(self.classes) < len(self.label.column.counts)


def propose(table: TableFile, *, label: str | None = None, key: str | None = None) -> Proposal:
    """Propose a pipeline for a table.

    Args:
        table: The table.
        label: The column to predict; the last one by default.
        key: The column that tells the rows apart; by default the first that could.

    Raises:
        ProposalError: There is no such column, or it cannot be what it is named for.
    """
    names = dict(zip(table.names, field_names(table.names), strict=True))
    fields = {column.name: ProposedField(names[column.name], column) for column in table.columns}
    found_key = _key(table, key, label)
    candidates = [name for name in table.names if name != found_key]
    if not candidates:
        raise ProposalError(f"{table.path} has no column to predict beside its key {found_key}.")
    target = _named(table, label, "--label") if label is not None else candidates[-1]
    if target == found_key:
        raise ProposalError(f"{target} cannot be both the key and the label.")
    task, classes = _task(table, fields[target].column)
    proposal = Proposal(
        table=table,
        key=fields[found_key] if found_key is not None else None,
        fields=tuple(
            fields[name]
            for name in candidates
            if name != target and fields[name].column.declared is not None
        ),
        label=fields[target],
        task=task,
        classes=classes,
        left_out=tuple(name for name in table.names if fields[name].column.declared is None),
    )
    if not (proposal.numbers or proposal.categories or proposal.times):
        raise ProposalError(
            f"{table.path} has no column to predict {target} from: a model takes numbers, truth, "
            f"times, and texts of which there are at most {_MOST_CATEGORIES} different ones."
        )
    return proposal


def field_names(names: Sequence[str]) -> list[str]:
    """Names for the fields of columns: their own where Python can take them.

    No two are alike.
    """
    taken = {name for name in names if _is_name(name)}
    found = []
    for position, name in enumerate(names):
        if _is_name(name):
            found.append(name)
            continue
        chosen = free_name(_like(name) or f"column_{position}", taken)
        taken.add(chosen)
        found.append(chosen)
    return found


def free_name(wanted: str, taken: set[str]) -> str:
    """A name that is not taken yet: the one that is wanted, or with a number after it."""
    names = (wanted, *(f"{wanted}_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken and name not in MODULE_NAMES)


def _is_name(name: str) -> bool:
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("__")  # a class would mangle it
        and unicodedata.normalize("NFKC", name) == name
        and name not in MODULE_NAMES
    )


def _like(name: str) -> str:
    """A name of Python's that looks like a text; empty if there is none."""
    words = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_").lower()
    if words[:1].isdigit():
        words = f"n_{words}"
    if keyword.iskeyword(words):
        words += "_"
    return words if words.isidentifier() else ""


def _named(table: TableFile, name: str, option: str) -> str:
    """A column that a person named.

    Raises:
        ProposalError: There is none.
    """
    if name in table.names:
        return name
    close = get_close_matches(name, table.names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ProposalError(
        f"{option}: {table.path} has no column {name!r}; it has {listed(table.names, 20)}.{hint}"
    )


def _key(table: TableFile, wanted: str | None, label: str | None) -> str | None:
    if wanted is not None:
        column = table.columns[table.names.index(_named(table, wanted, "--key"))]
        if not _tells_apart(column):
            raise ProposalError(
                f"--key: {wanted} cannot be the key of {table.path}: a key is a text or an "
                f"integer, never missing and each only once; it has {len(column.counts)} different "
                f"values in {counted(table.rows, 'row')}. Without --key, rows are numbered."
            )
        return wanted
    able = [one for one in table.columns if one.name != label and _tells_apart(one)]
    named = [one for one in able if not one.name or _LIKE_A_KEY.fullmatch(one.name)]
    first = [one for one in able if one is table.columns[0] and len(table.columns) > 2]
    chosen = (*named, *first)
    return chosen[0].name if chosen else None


def _tells_apart(column: TableColumn) -> bool:
    return column.is_unique and column.declared in ("str", "int") and not column.missing


def _task(table: TableFile, label: TableColumn) -> tuple[Task, tuple[Any, ...]]:
    """What kind of prediction a label asks for, and its classes.

    Raises:
        ProposalError: It cannot be predicted.
    """
    values = sorted(label.counts, key=lambda value: (-label.counts[value], str(value)))
    if label.declared in (None, "datetime"):
        raise _no_label(table, label, "holds no number, truth or text")
    if len(values) < 2:
        raise _no_label(table, label, "has the same value in all rows" if values else "is empty")
    if len(values) == 2:
        return "binary", _false_and_true(values)
    if label.declared == "str":
        frequent = [value for value in values if label.counts[value] >= _ROWS_A_CLASS]
        if len(values) > _MOST_CLASSES or len(frequent) < 2:
            raise _no_label(table, label, f"has {len(values):,} different texts")
        return "classes", tuple(sorted(frequent))
    whole = all(float(value).is_integer() for value in values)
    common = all(label.counts[value] >= _ROWS_A_CLASS for value in values)
    if whole and common and len(values) <= _MOST_CLASSES_OF_NUMBERS:
        return "classes", tuple(sorted(int(value) for value in values))
    return "number", ()


def _no_label(table: TableFile, label: TableColumn, why: str) -> ProposalError:
    return ProposalError(
        f"{label.name!r}, the column to predict, {why} in {table.path}. Name another one with "
        f"--label; there are {listed(table.names, 20)}."
    )


def _false_and_true(values: Sequence[Any]) -> tuple[Any, Any]:
    """Of two values, the one that counts as true last: yes, the larger number, the rarer text."""
    if isinstance(values[0], str):
        common, rare = values
        return (rare, common) if common.lower() in _YES else (common, rare)
    low, high = sorted(values)
    return low, high
