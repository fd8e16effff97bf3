"""An index from the keys of a table to the groups of rows that share one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Array, Ints


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
