"""The rows of a table at one version, in the order in which look-ups and windows search them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lockstep.columns.digests import digests_of_rows
from lockstep.columns.kinds import Array, Columns, Ints, Kind, Times
from lockstep.columns.plain import listed
from lockstep.columns.table_schema import TableSchema
from lockstep.columns.tables import WITHDRAWN, is_missing, take_rows
from lockstep.errors import InputError
from lockstep.tables.search import FOREVER, OrderedTimes, Timeline

MISSING: dict[Kind, Any] = {Kind.FLOAT: np.nan, Kind.TEXT: None, Kind.TIME: np.datetime64("NaT")}
"""What stands for no value in an array of each kind that can be missing."""
_LARGEST = 2**63
_EXACT = 2**53
"""The largest integer up to which float64 holds all."""


@dataclass(frozen=True)
class KeyIndex:
    """The groups of a table's keys, numbered from 0 in the order of their keys."""

    fields: tuple[pd.Index[Any], ...]  # by field of the key, its distinct values, in order
    # By field after the first, the distinct pairs of all before it and its own, in order, each as
    # one number.
    pairs: tuple[Ints, ...]

    @classmethod
    def of(cls, keys: Sequence[Array]) -> tuple[KeyIndex, Ints]:
        """The index of a table's keys, none of which is missing, and the group of each row."""
        pairs: list[Ints] = []
        groups, *others = coded = [pd.factorize(array, sort=True)[0] for array in keys]
        fields = [_distinct(array, codes) for array, codes in zip(keys, coded, strict=True)]
        for codes, field in zip(others, fields[1:], strict=True):
            distinct, groups = np.unique(_paired(groups, codes, field), return_inverse=True)
            pairs.append(distinct)
        return cls(tuple(fields), tuple(pairs)), groups.astype(np.int64)

    def groups_of(self, keys: Sequence[Array]) -> Ints:
        """The group of each key; -1 for one that no row has, and for a missing one.

        Integers some of which may be missing come as floats.
        """
        groups, *others = map(_codes_of, self.fields, keys)
        for codes, field, pairs in zip(others, self.fields[1:], self.pairs, strict=True):
            paired = np.where((groups < 0) | (codes < 0), -1, _paired(groups, codes, field))
            groups = pd.Index(pairs).get_indexer(pd.Index(paired))
        return groups.astype(np.int64)


def _distinct(array: Array, codes: Ints) -> pd.Index[Any]:
    places = np.empty(codes.max(initial=-1) + 1, dtype=np.int64)
    places[codes] = np.arange(len(codes))
    return pd.Index(array[places], dtype=array.dtype)


def _paired(groups: Ints, codes: Ints, field: pd.Index[Any]) -> Ints:
    """Each group and code as one number, which orders as they do."""
    paired: Ints = groups.astype(np.int64) * len(field) + codes
    return paired


def _codes_of(field: pd.Index[Any], keys: Array) -> Ints:
    if field.dtype.kind == "i" and keys.dtype.kind == "f":
        is_whole = (keys == np.floor(keys)) & (keys >= -(2.0**63)) & (keys < 2.0**63)
        codes = field.get_indexer(pd.Index(np.where(is_whole, keys, 0).astype(np.int64)))
        return np.where(is_whole, codes, -1)
    return field.get_indexer(pd.Index(keys, dtype=field.dtype))


@dataclass(frozen=True)
class Present:
    """The rows in which a field has a value."""

    # Numbers are floats without a negative zero. One more is at the end, since a slice of none may
    # begin there.
    values: Array
    known: Ints  # when each became known, in microseconds, and one more
    # By row of the table, and for the end: how many of these rows come before it; None where these
    # are all rows.
    before: Ints | None
    until: Ints | None = None  # until when each counts, and one more; None: all for good

    @cached_property
    def codes(self) -> Ints:
        """A number for each value, the same for equal ones."""
        codes: Ints = pd.factorize(self.values)[0]
        return codes


class TableRows:
    """The rows of a table, each once, in the order of key, valid, known and digest.

    Attributes:
        valid: From when each row is valid, in microseconds since 1970; 0 in a static table.
        known: When each row became known, likewise.
        starts: By group, and for the end: the position of its first row.
        delay: What all rows take from valid to known, in microseconds; None if it is not the same.
        withdrawn: Which rows are withdrawals: each takes the place of a row, and says nothing.
    """

    def __init__(
        self,
        schema: TableSchema,
        columns: Columns,
        times: tuple[Ints, Ints],
        version: str,
        index: KeyIndex,
        groups: Ints,
        withdrawn: Array,
    ) -> None:
        self.schema = schema
        self.columns = columns
        self.valid, self.known = times
        self.version = version
        self.index = index
        self.starts = np.append(np.flatnonzero(np.diff(groups, prepend=-1)), len(groups))
        delays = self.known - self.valid
        self.withdrawn = withdrawn
        is_constant = len(delays) > 0 and not schema.static and delays.min() == delays.max()
        is_constant = is_constant and not withdrawn.any()
        self.delay = int(delays[0]) if is_constant else None
        self._present: dict[str | None, Present] = {}
        self._padded: Columns = {}

    def without_personal(self) -> TableRows:
        """The rows with stand-ins in the place of personal values."""
        columns = self.schema.schema.without_personal(self.columns)
        columns[WITHDRAWN] = self.withdrawn
        return self.of(self.schema, columns, self.known.view(Kind.TIME.dtype), self.version)

    @classmethod
    def of(
        cls, schema: TableSchema, columns: Columns, known: Times | None = None, version: str = ""
    ) -> TableRows:
        """Order the rows of a table, in any order and some of them more than once.

        Args:
            columns: The declared fields of its rows, in canonical form; with `WITHDRAWN` where some
                of them are withdrawals.
            known: When each row became known; of events that are alike, the first time counts. By
                default, as declared; the rows of a static table, which are found at any time, are
                ordered by it.

        Raises:
            InputError: A field is lacking or of another type, a row has no time, or an integer is
                too large for a float64, as which look-ups give it.
        """
        withdrawn = columns.get(WITHDRAWN)
        columns = _checked(schema, columns)
        rows = len(next(iter(columns.values())))
        withdrawn = np.zeros(rows, dtype=bool) if withdrawn is None else withdrawn
        valid = columns[schema.valid] if schema.valid else np.zeros(rows, "datetime64[us]")
        if known is None:
            known = columns[schema.known] if schema.known else valid
            if schema.known_after is not None:
                known = known + np.timedelta64(schema.known_after)
        times = (_microseconds(schema, valid), _microseconds(schema, known))
        index, groups = KeyIndex.of([columns[name] for name in schema.keys])
        by_digest = schema.is_event and not withdrawn.any()
        order = _order(groups, times, columns, by_digest=by_digest)
        return cls(
            schema,
            {name: fixed(array[order]) for name, array in columns.items()},
            (fixed(times[0][order]), fixed(times[1][order])),
            version,
            index,
            groups[order],
            fixed(withdrawn[order]),
        )

    def __len__(self) -> int:
        return len(self.valid)

    def taken(self, places: Ints) -> TableRows:
        """Some of the rows, by their positions in ascending order."""
        columns = {name: fixed(array[places]) for name, array in self.columns.items()}
        index, groups = KeyIndex.of([columns[name] for name in self.schema.keys])
        times = fixed(self.valid[places]), fixed(self.known[places])
        withdrawn = fixed(self.withdrawn[places])
        return TableRows(self.schema, columns, times, self.version, index, groups, withdrawn)

    @cached_property
    def digests(self) -> Array:
        """The digest of each row's fields: uint64."""
        return fixed(digests_of_rows(self.columns))

    @cached_property
    def until(self) -> Ints | None:
        """Until when each row counts: another row is known from then on that takes its place.

        A withdrawal never counts. None where a search for the row that was known last tells it all.
        """
        if self.schema.identity is None and not self.withdrawn.any():
            return None
        before, after = self._replaced
        until = np.full(len(self), FOREVER)
        until[before] = self.known[after]
        until[self.withdrawn] = self.known[self.withdrawn]
        return until if (until < FOREVER).any() else None

    @cached_property
    def taken_back(self) -> Ints:
        """The positions of the rows in whose place a withdrawal stands."""
        before, after = self._replaced
        return before[self.withdrawn[after]]

    @cached_property
    def standing(self) -> Ints:
        """The positions of the rows in whose place no other stands, in order."""
        stands = ~self.withdrawn
        stands[self._replaced[0]] = False
        return np.flatnonzero(stands)

    @cached_property
    def _replaced(self) -> tuple[Ints, Ints]:
        """Positions of rows whose place others took, and of these; they share group and valid."""
        groups = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))
        same = (np.diff(groups) == 0) & (np.diff(self.valid) == 0)
        shared = np.flatnonzero(np.append(same, False) | np.append(False, same))
        named = {name: self.columns[name][shared] for name in self.schema.identifying}
        identities = digests_of_rows(named)
        order = np.argsort(identities, kind="stable")  # of one identity, by when it is known
        again = np.flatnonzero(np.diff(identities[order].view(np.int64)) == 0)
        return shared[order[again]], shared[order[again + 1]]

    def count(self, places: Ints | slice, by: int | Ints) -> Array:
        """Whether rows count as of a time: they are known, and no other has taken their place."""
        is_known: Array = self.known[places] <= by
        return is_known if self.until is None else is_known & (self.until[places] > by)

    @cached_property
    def by_key(self) -> dict[Any, int]:
        """By key, its group: a value, or a tuple of the fields of a compound key."""
        firsts = take_rows(self.columns, self.starts[:-1])
        keys = [firsts[name].tolist() for name in self.schema.keys]
        named = keys[0] if len(keys) == 1 else zip(*keys, strict=True)
        return {key: group for group, key in enumerate(named)}

    def places(self, groups: Ints) -> Ints:
        """The positions of all rows of some groups, each of them once; of -1 there are none."""
        groups = np.unique(groups[groups >= 0])
        first, counts = self.starts[groups], self.starts[groups + 1] - self.starts[groups]
        begins = np.cumsum(counts) - counts
        found: Ints = np.arange(counts.sum()) + np.repeat(first - begins, counts)
        return found

    @cached_property
    def origins(self) -> Columns:
        """Digest, valid and known of each row, and of none at the end."""
        none = np.array(["NaT"], dtype=Kind.TIME.dtype)
        times = {"valid": self.valid, "known": self.known}
        return {
            "digest": fixed(np.append(self.digests.view(np.int64), 0)),
            **{name: fixed(np.append(at.view(none.dtype), none)) for name, at in times.items()},
        }

    def prepare(self) -> None:
        """Compute what reading needs, so that no reader waits for it."""
        times = self.in_order if self.schema.is_event else self.timeline.times
        _ = self.by_key, self.origins, self.until, times.ranks

    @cached_property
    def in_order(self) -> OrderedTimes:
        """When rows are valid, by group."""
        return OrderedTimes(self.valid, self.starts)

    @cached_property
    def timeline(self) -> Timeline:
        """Which row a look-up finds."""
        if self.schema.static:  # it has no times: of each key, the row that came last
            groups = np.arange(len(self.starts))
            last = self.starts[1:] - 1
            found = np.where(self.withdrawn[last], -1, last)
            return Timeline(OrderedTimes(np.zeros_like(last), groups), self.valid, found)
        if self.delay is not None:
            return Timeline(self.in_order, self.valid, delay=max(self.delay, 0))
        return Timeline.of(self.starts, self.valid, self.known, self.until, self.withdrawn)

    def present(self, field: str | None) -> Present:
        """The rows in which a field has a value; all rows without a field."""
        found = self._present.get(field)
        if found is None:
            found = self._present[field] = self._rows_with(field)
        return found

    def _rows_with(self, field: str | None) -> Present:
        values: Array = self.known
        known, until, before = self.known, self.until, None
        if field is not None:
            values = self.columns[field]
            has_value = ~is_missing(values)
            if not has_value.all():
                before = np.append(0, np.cumsum(has_value))
                values, known = values[has_value], known[has_value]
                until = None if until is None else until[has_value]
            if values.dtype.kind in "fib":
                values = values.astype(np.float64) + 0.0
        until = None if until is None else fixed(padded(until))
        return Present(fixed(padded(values)), fixed(padded(known)), before, until)

    def padded(self, field: str) -> Array:
        """A field in the kind that can be missing, and a missing value at the end."""
        found = self._padded.get(field)
        if found is None:
            kind = self.schema.optional_kind(field)
            missing = np.array([MISSING[kind]], dtype=kind.dtype)
            values = np.append(self.columns[field].astype(kind.dtype), missing)
            found = self._padded[field] = fixed(values)
        return found


def _checked(schema: TableSchema, columns: Columns) -> Columns:
    lacking = [name for name in schema.schema.names if name not in columns]
    if lacking:
        raise InputError(f"The rows of the table {schema.name} lack {listed(lacking)}.")
    for name, kind in schema.schema.kinds.items():
        array = columns[name]
        if array.dtype != kind.dtype:
            raise InputError(
                f"The table {schema.name}: {name} is an array of {array.dtype}, not of "
                f"{kind.dtype}; decode() makes columns of any table."
            )
        if kind is Kind.INT and name in schema.values and (abs(array) > _EXACT).any():
            raise InputError(
                f"The table {schema.name}: {name} holds integers beyond 2^53, which a look-up, "
                "whose values may be missing, cannot give exactly; declare it as str."
            )
    return {name: columns[name] for name in schema.schema.names}


def _order(groups: Ints, times: tuple[Ints, Ints], columns: Columns, *, by_digest: bool) -> Ints:
    """The positions of rows by group, valid, known and digest; of rows that are alike, the first.

    Few rows share group and valid, and those that are alike share both.
    """
    valid, known = times
    begin = valid.min(initial=0)
    span = int(valid.max(initial=0) - begin) + 1
    if span * (int(groups.max(initial=0)) + 1) < _LARGEST:
        order = np.argsort(groups * span + (valid - begin))
    else:
        order = np.lexsort((valid, groups))
    same = np.diff(groups[order]) == 0
    same &= np.diff(valid[order]) == 0
    shared = np.flatnonzero(np.append(same, False) | np.append(False, same))
    if not len(shared):
        return order
    tied = order[shared]
    digests = digests_of_rows(take_rows(columns, tied))
    among = np.lexsort((digests, known[tied], valid[tied], groups[tied]))
    order[shared] = tied = tied[among]
    alike = {"digest": digests[among]}
    if not by_digest:  # a row that is restated to what it was before counts anew
        alike["known"] = known[tied]
    return np.delete(order, shared[pd.DataFrame(alike).duplicated().to_numpy()])


def _microseconds(schema: TableSchema, times: Times) -> Ints:
    if np.isnat(times).any():
        raise InputError(f"The table {schema.name} holds a row without a time.")
    return times.astype("datetime64[us]").view(np.int64)


def padded(array: Array) -> Array:
    """An array with one more value at its end, its last or any."""
    return np.append(array, array[-1:] if len(array) else np.zeros(1, array.dtype))


def fixed(array: Array) -> Array:
    """An array that is read-only from now on."""
    array.setflags(write=False)
    return array
