"""A pipeline proposed for a table: its key, its label, and the kind of prediction."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from lockstep.columns.plain import counted, did_you_mean, listed
from lockstep.errors import ProposalError
from lockstep.templates.table import TableColumn, TableFile

Task = Literal["binary", "classes", "number"]

_LIKE_A_KEY = re.compile(r"(.*[\W_])?(id|key|uuid|guid|nr|no|number|name|code|index)\W*", re.I)
_YES = frozenset(("yes", "y", "true", "t", "positive"))
_MOST_CLASSES = 50
_MOST_CLASSES_OF_NUMBERS = 10
_ROWS_A_CLASS = 5
"""Least rows of a class, so that it is likely to be among the rows that are fitted."""
_MOST_CATEGORIES = 50

FACE = (
    *("Asked", "Bools", "Event", "EventTime", "Floats", "Ints", "Key", "Missing", "Named"),
    *("Outcome", "Pipeline", "Record", "RowNumber", "Table", "Texts", "Times", "Zone"),
    *("feature", "fields", "label", "lookup", "model", "output", "window"),
)
"""Names of Lockstep's that a written module may import."""
MODULE_NAMES = frozenset(
    (
        *FACE,
        *("np", "Annotated", "datetime", "timedelta", "Row", "Later", "CLASSES", "PIPELINE"),
        *("Steps", "make_pipeline", "make_column_transformer", "OneHotEncoder", "months", "days"),
        *("str", "int"),
    )
)
"""Names in a written module that are no columns."""


@dataclass(frozen=True, eq=False)
class ProposedField:
    """A field for a column of the table."""

    name: str
    column: TableColumn

    @property
    def is_category(self) -> bool:
        """Whether it holds texts, few enough for a category each."""
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
    """A proposed pipeline."""

    table: TableFile
    key: ProposedField | None
    fields: tuple[ProposedField, ...]  # the other columns known when a prediction is made
    label: ProposedField
    task: Task
    classes: tuple[Any, ...]  # the classes, or the values that count as false and as true
    left_out: tuple[str, ...]  # columns that no field can hold

    @cached_property
    def numbers(self) -> list[ProposedField]:
        """Fields that a model takes as they are."""
        return [field for field in self.fields if field.is_number]

    @cached_property
    def categories(self) -> list[ProposedField]:
        """Fields of few texts."""
        return [field for field in self.fields if field.is_category]

    @cached_property
    def times(self) -> list[ProposedField]:
        """Fields that hold times."""
        return [field for field in self.fields if field.is_time]

    @property
    def event_time(self) -> ProposedField | None:
        """The field of event times: the only field of times, or the only one that sorts the rows.

        None where some row has no time, or no field or several qualify.
        """
        whole = [field for field in self.times if not field.column.optional]
        if len(self.times) > 1:
            whole = [field for field in whole if field.column.rises]
        return whole[0] if len(whole) == 1 else None

    @property
    def unused(self) -> list[ProposedField]:
        """Fields that no model takes: too many texts, and empty columns."""
        used = (*self.numbers, *self.categories, *self.times)
        return [field for field in self.fields if field not in used]

    @property
    def possible_keys(self) -> list[ProposedField]:
        """Other fields that identify rows."""
        return [field for field in self.fields if _tells_apart(field.column)]

    @property
    def rare_are_left_out(self) -> bool:
        """Whether some rows have a label that is none of the classes."""
        return self.task == "classes" and len(self.classes) < len(self.label.column.counts)


def propose(table: TableFile, *, label: str | None = None, key: str | None = None) -> Proposal:
    """Propose a pipeline for a table."""
    names = dict(zip(table.names, field_names(table.names), strict=True))
    fields = {column.name: ProposedField(names[column.name], column) for column in table.columns}
    key_name = _key(table, key, label)
    candidates = [name for name in table.names if name != key_name]
    if not candidates:
        raise ProposalError(f"{table.path} has no column to predict beside its key {key_name}.")
    target = _named(table, label, "--label") if label is not None else candidates[-1]
    if target == key_name:
        raise ProposalError(f"{target} cannot be both the key and the label.")
    task, classes = _task(table, fields[target].column)
    proposal = Proposal(
        table=table,
        key=fields[key_name] if key_name is not None else None,
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
    """Distinct names for the fields of columns: their own where Python allows them."""
    taken = {name for name in names if _is_name(name)}
    chosen = []
    for position, name in enumerate(names):
        free = name if _is_name(name) else free_name(_like(name) or f"column_{position}", taken)
        taken.add(free)
        chosen.append(free)
    return chosen


def free_name(wanted: str, taken: set[str]) -> str:
    """A free name: the wanted one, or with a number after it."""
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
    """An identifier similar to a text; empty without one."""
    words = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_").lower()
    if words[:1].isdigit():
        words = f"n_{words}"
    if keyword.iskeyword(words):
        words += "_"
    return words if words.isidentifier() else ""


def _named(table: TableFile, name: str, option: str) -> str:
    if name in table.names:
        return name
    hint = did_you_mean(name, table.names)
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
    able = [column.name for column in table.columns if _tells_apart(column)]
    keys = [name for name in able if name != label]
    named = [name for name in keys if not name or _LIKE_A_KEY.fullmatch(name)]
    first = [name for name in keys if name == table.names[0] and len(table.names) > 2]
    return next(iter((*named, *first)), None)


def _tells_apart(column: TableColumn) -> bool:
    return column.is_unique and column.declared in ("str", "int") and not column.missing


def _task(table: TableFile, label: TableColumn) -> tuple[Task, tuple[Any, ...]]:
    """The kind of prediction for a label, and its classes."""
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
    """Two values, with the true one last: yes, the larger number, the rarer text."""
    if isinstance(values[0], str):
        common, rare = values
        return (rare, common) if common.lower() in _YES else (common, rare)
    low, high = sorted(values)
    return low, high
