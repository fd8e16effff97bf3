"""Tables proposed for a pipeline: what joins each to the pipeline's own rows, and how."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from lockstep.columns.files import read_csv, read_parquet
from lockstep.columns.plain import listed
from lockstep.errors import ProposalError
from lockstep.templates.proposal import (
    MODULE_NAMES,
    Proposal,
    ProposedField,
    field_names,
    free_name,
)
from lockstep.templates.table import TableFile, read_table

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_KEYS = 3
"""Columns of a key at most."""
_ALIKE = 0.5
"""Share of a column's texts that another one has where both may mean the same thing."""

Joined = Mapping[ProposedField, ProposedField]
"""Fields of a table that may be part of its key, each with the pipeline's field that asks for it;
those of the same name come first."""


@dataclass(frozen=True, eq=False)
class ProposedTable:
    """A table in which the pipeline may look things up."""

    name: str
    file: TableFile
    # the fields of its key, each with the pipeline's field that asks for it
    keys: tuple[tuple[ProposedField, ProposedField], ...] = ()
    # the field that says from when a row is valid; None for a static table
    valid: ProposedField | None = None
    # the pipeline's field as of which it is looked up; None for a static table
    as_of: ProposedField | None = None
    values: tuple[ProposedField, ...] = ()
    is_event: bool = False  # whether any number of rows share a key and a time
    # what nothing tells of it, in a sentence, so that a person has to declare it; empty if it
    # is declared
    lacking: str = ""

    @property
    def type_name(self) -> str:
        """The name of its class."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def apart(self) -> timedelta:
        """The median time between rows, which follow each other; a day where there is one alone."""
        assert self.valid is not None, "a static table has no times"
        times = pd.to_datetime(pd.Series(list(self.valid.column.counts)), utc=True)
        gaps = times.sort_values().diff().dropna()
        return gaps.median().to_pytimedelta() if len(gaps) else timedelta(days=1)

    @property
    def reduced(self) -> ProposedField | None:
        """The field that a window reduces: the first number."""
        return next((field for field in self.values if field.is_number), None)

    @property
    def numbers(self) -> list[str]:
        """Its columns that a model takes as they are."""
        if self.is_event:
            return [f"{self.name}_count", *([f"{self.name}_mean"] if self.reduced else [])]
        return [f"{self.name}_{field.name}" for field in self.values if field.is_number]

    @property
    def categories(self) -> list[str]:
        """Its columns of few texts."""
        if self.is_event:
            return []
        return [f"{self.name}_{field.name}" for field in self.values if field.is_category]


def propose_table(name: str, path: Path, proposal: Proposal) -> ProposedTable:
    """Propose how a pipeline looks things up in a table.

    A column of the table may be part of its key if a field of the pipeline has its name, or most of
    its texts. The key is the fewest of these that tell its rows apart; otherwise with the table's
    time. Where rows share even that, they are events.

    Raises:
        ProposalError: That is no name for a table of the pipeline.
        InputError: The table cannot be read.
    """
    file = read_table(path)
    names = ["age_value" if field == "age" else field for field in field_names(file.names)]
    fields = [ProposedField(*pair) for pair in zip(names, file.columns, strict=True)]
    _check_name(name, fields, proposal)
    joined = _joined(fields, proposal)
    if not joined:
        others = proposal.table.path.name
        return ProposedTable(name, file, lacking=f"none of its columns is one of {others}'s")
    rows = _rows(file)
    times = [field for field in fields if field.is_time and not field.column.optional]
    keys, valid, is_event = _key(rows, joined), None, False
    if keys is None:
        apart = f"{listed([field.name for field in joined])} does not tell its rows apart"
        if len(times) != 1:
            which = "it has no time" if not times else f"it has {len(times)} columns of times"
            return ProposedTable(name, file, lacking=f"{apart}, and {which}")
        if proposal.event_time is None:
            which = f"{proposal.table.path.name} has no time as of which to ask"
            return ProposedTable(name, file, lacking=f"{apart}, and {which}")
        (valid,) = times
        keys = _key(rows, joined, valid)
        is_event = keys is None
        keys = keys or tuple(joined)[:1]
    values = tuple(
        field
        for field in fields
        if field not in keys and field is not valid and field.column.declared
    )
    if not values and not is_event:
        return ProposedTable(name, file, lacking="it has no column beside its key")
    return ProposedTable(
        name=name,
        file=file,
        keys=tuple((field, joined[field]) for field in keys),
        valid=valid,
        as_of=proposal.event_time if valid is not None else None,
        values=values,
        is_event=is_event,
    )


def _check_name(name: str, fields: Sequence[ProposedField], proposal: Proposal) -> None:
    taken = {proposal.label.name, *(field.name for field in proposal.fields)}
    mine = {name, *(f"{name}_{field.name}" for field in fields)}
    is_free = not (mine & taken or keyword.iskeyword(name)) and free_name(name, taken) == name
    type_name = ProposedTable(name, proposal.table).type_name
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or not is_free or type_name in MODULE_NAMES:
        raise ProposalError(
            f"--table: {name!r} is no name for a table of the pipeline: use lower-case letters, "
            "digits and underscores, no word of Python's, and none with which one of its columns "
            "begins."
        )


def _joined(fields: Sequence[ProposedField], proposal: Proposal) -> Joined:
    asking = [field for field in (proposal.key, *proposal.fields) if field is not None]
    named: dict[ProposedField, ProposedField] = {}
    alike: dict[ProposedField, ProposedField] = {}
    for field in fields:
        kind = field.column.declared
        if kind not in ("str", "int") or field.column.optional:
            continue
        others = [other for other in asking if other.column.declared == kind]
        same = [other for other in others if other.name.lower() == field.name.lower()]
        if same:
            named[field] = same[0]
        elif kind == "str" and others:
            best = max(others, key=lambda other: _share(other, field))
            if _share(best, field) >= _ALIKE:
                alike[field] = best
    return named | {field: one for field, one in alike.items() if one not in named.values()}


def _share(field: ProposedField, other: ProposedField) -> float:
    """The share of a field's values that another one has."""
    values = field.column.counts
    return sum(value in other.column.counts for value in values) / max(len(values), 1)


def _key(
    rows: pa.Table, joined: Joined, valid: ProposedField | None = None
) -> tuple[ProposedField, ...] | None:
    """The fewest fields that tell rows apart, with the time if there is one."""
    times = [valid] if valid is not None else []
    for count in range(1, min(len(joined), _MOST_KEYS) + 1):
        for keys in combinations(joined, count):
            names = [field.column.name for field in (*keys, *times)]
            if rows.group_by(names).aggregate([]).num_rows == rows.num_rows:
                return keys
    return None


def _rows(file: TableFile) -> pa.Table:
    if file.path.suffix.lower() == ".csv":
        return read_csv(file.path, file.written)
    return read_parquet(file.path)
