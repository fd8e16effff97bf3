"""Encoders as look-ups: by column, from a value to the numbers that stand for it.

The encodings are not derived anew: the fitted encoder is asked once, for every category that it
knows, for a missing value and for one that it never saw. So the table holds whatever it does about
rare, unknown, missing or dropped categories.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from lockstep.columns.compiled.blocks import (
    Block,
    Layout,
    Row,
    Step,
    as_fitted,
    columns_of,
    numbers,
)
from lockstep.columns.compiled.encodings import Known
from lockstep.columns.compiled.refusals import RefusedNumbers, refusing
from lockstep.columns.kinds import Array, Kind
from lockstep.errors import NotCompiledError

_UNKNOWN_TEXT = "\x00 not among the categories"


class EncodingTable:
    """The encodings of the values of one column, each of so many numbers as `width` says.

    `codes` has an encoding a row, `place` the row of a value. `numbers` has those of a value, and
    `number` its only one; None where there are several. A text says why other values are refused.
    """

    def __init__(self, known: Mapping[Any, Array], other: Array, refused: str | None) -> None:
        self.width = len(other)
        numbers = {value: code.tolist() for value, code in known.items()}
        self.numbers: Known[list[float]] = Known(numbers, other.tolist(), refused)
        only = {value: code[0] for value, code in numbers.items()} if self.width == 1 else None
        self.number = Known(only, other.item(), refused) if only is not None else None
        self.codes = np.array([*known.values(), other])
        self.place = Known({value: place for place, value in enumerate(known)}, len(known), refused)

    def __call__(self, array: Array) -> Array:
        """The numbers of each value: two-dimensional, one row a value."""
        rows: Array = self.codes[self.place.of(array, np.intp)]
        return rows

    def ones(self, start: int, none: int) -> Known[int] | None:
        """By value, the column that is 1, from `start` on; None if encodings are not a 1 among 0s.

        The place `none` stands for 0 in all columns.
        """
        if not np.isin(self.codes, (0.0, 1.0)).all() or (self.codes.sum(axis=1) > 1).any():
            return None
        places = np.where(self.codes.any(axis=1), start + self.codes.argmax(axis=1), none).tolist()
        return self.place.then(Known(dict(enumerate(places)), none, None))


def compile_encoder(encoder: Any, given: Layout) -> Step:
    """A fitted encoder of categories as one look-up a column."""
    if Kind.TIME in given:
        raise NotCompiledError(f"{type(encoder).__name__} is given a column of times")
    questions = [_question(encoder, given, place) for place in range(len(given))]
    together = _ask(encoder, given, {each.place: each.values for each in questions})
    tables = [_table(encoder, given, each, together) for each in questions]
    ends = np.cumsum([table.width for table in tables]).tolist()
    parts = [
        (table, slice(end - table.width, end)) for table, end in zip(tables, ends, strict=True)
    ]
    by_column = [table.numbers for table in tables]

    def encode(block: Block) -> Block:
        arrays = columns_of(block)
        encoded = np.empty((len(arrays[0]), ends[-1]))
        for (table, part), array in zip(parts, arrays, strict=True):
            encoded[:, part] = table(array)
        return encoded

    def encode_row(row: Row) -> Row:
        codes: list[float] = []
        for value, known in zip(row, by_column, strict=True):
            codes += known[value]
        return codes

    singles = [table.number for table in tables if table.number is not None]
    looks = tuple(enumerate(singles)) if len(singles) == len(tables) else None
    run = encode if looks is not None else _encode_ones(parts, ends[-1]) or encode
    usual = [
        np.array([_known(categories, kind)], dtype=kind.dtype)
        for categories, kind in zip(encoder.categories_, given, strict=True)
    ]
    refusals = RefusedNumbers.of(encoder, given, partial(_encoded, encoder), usual)
    return refusing(Step(run, numbers(ends[-1]), encode_row, looks), refusals)


def _encode_ones(
    parts: Sequence[tuple[EncodingTable, slice]], width: int
) -> Callable[[Block], Block] | None:
    """Encode all columns at once; None if the encodings of one are not a 1 among 0s."""
    tables = [table.ones(part.start, width) for table, part in parts]
    ones = [table.__getitem__ for table in tables if table is not None]
    if len(ones) < len(tables):
        return None

    def encode_ones(block: Block) -> Block:
        arrays = columns_of(block)
        rows = len(arrays[0])
        places = [list(map(look, array.tolist())) for look, array in zip(ones, arrays, strict=True)]
        encoded = np.zeros((rows, width + 1))  # the last column is for what is 0 in all of them
        encoded[np.arange(rows), places] = 1.0
        return encoded[:, :width]

    return encode_ones


@dataclass(frozen=True)
class _Question:
    """What an encoder is asked about one of its columns."""

    place: int  # the column
    known: Sequence[Any]  # the values that it may know: its categories, and a missing one
    unknown: Any  # a value that it never saw; None if there is no such value
    codes: slice  # the output columns that encode this one

    @property
    def values(self) -> Sequence[Any]:
        """The known values, and the unknown one."""
        return self.known if self.unknown is None else [*self.known, self.unknown]


def _question(encoder: Any, given: Layout, place: int) -> _Question:
    kind = given[place]
    known = [value for value in _values(encoder.categories_[place]) if value is not None]
    if kind in {Kind.FLOAT, Kind.TEXT}:
        known.append(None)
    return _Question(place, known, _unknown(kind, known), _columns_of_codes(encoder, place))


def _table(encoder: Any, given: Layout, asked: _Question, together: Any) -> EncodingTable:
    answers, answer = _all_answers(encoder, given, asked, together)
    codes = {value: code for value, code in answers.items() if not isinstance(code, str)}
    if not codes:
        name = type(encoder).__name__
        raise NotCompiledError(f"{name} knows no value of its column {asked.place}")
    if isinstance(answer, str):
        refused, last = answer, np.zeros_like(next(iter(codes.values())))
    else:
        refused, last = None, answer
        if len(codes) < len(asked.known):
            raise NotCompiledError(
                f"{type(encoder).__name__} refuses a missing value and takes one that it never saw"
            )
    return EncodingTable(codes, last, refused)


def _values(categories: Array) -> list[Any]:
    """Categories as Python values, the missing one as None."""
    return [None if value != value else value for value in categories.tolist()]


def _missing(kind: Kind) -> Any:
    return np.nan if kind is Kind.FLOAT else None


def _unknown(kind: Kind, categories: Sequence[Any]) -> Any:
    """A value of a kind that is not among the categories; None if there is no such value."""
    known = {value for value in categories if value is not None}
    if kind is Kind.TEXT:
        return _UNKNOWN_TEXT
    if kind is Kind.BOOL:
        return next((value for value in (True, False) if value not in known), None)
    highest = max(known, default=0)
    return type(highest)(highest + 1) if np.isfinite(highest) else 0.5


def _all_answers(
    encoder: Any, given: Layout, asked: _Question, together: Any
) -> tuple[dict[Any, Array | str], Array | str]:
    """The encodings of each known value of one column, and of an unknown one, or why it is refused.

    All columns are asked `together`, which takes as long as one; the answer is a text if refused.
    """
    if not isinstance(together, str):
        answers = dict(zip(asked.values, _codes(together, asked, len(asked.values)), strict=True))
    else:
        answers = _answers(encoder, given, asked, asked.known)
        if asked.unknown is not None:
            answers |= _answers(encoder, given, asked, [asked.unknown])
    return answers, answers.pop(asked.unknown) if asked.unknown is not None else ""


def _answers(
    encoder: Any, given: Layout, asked: _Question, values: Sequence[Any]
) -> dict[Any, Array | str]:
    """The encoding of each value of one column, or why the encoder refuses it."""
    together = _ask(encoder, given, {asked.place: values})
    if not isinstance(together, str):
        return dict(zip(values, _codes(together, asked, len(values)), strict=True))
    if len(values) == 1:
        return {values[0]: together}
    # It refuses some of them: ask about each alone.
    alone = (_answers(encoder, given, asked, [value]) for value in values)
    return {value: answer for answers in alone for value, answer in answers.items()}


def _codes(encoded: Any, asked: _Question, rows: int) -> Array:
    """The numbers of one column, a row a value, in an encoder's output."""
    codes = encoded[:rows, asked.codes]
    return np.asarray(codes.toarray() if hasattr(codes, "toarray") else codes, dtype=np.float64)


def _ask(encoder: Any, given: Layout, asked: Mapping[int, Sequence[Any]]) -> Any:
    """An encoder's output for values of some columns, a row each, or why it refuses them.

    Where nothing is asked, a known category stands in.
    """
    rows = max(map(len, asked.values()), default=0)
    arrays = []
    for place, kind in enumerate(given):
        values = asked.get(place, ())
        held = [_missing(kind) if value is None else value for value in values]
        held += [_known(encoder.categories_[place], kind)] * (rows - len(held))
        arrays.append(np.array(held, dtype=kind.dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of unknown categories: that is what is asked
        try:
            return _encoded(encoder, arrays)
        except ValueError as error:
            return str(error)


def _encoded(encoder: Any, arrays: list[Array]) -> Any:
    """An encoder's output for columns that hold what its categories hold.

    In an array, numbers beside other kinds are objects.
    """
    table = as_fitted(encoder, arrays)
    if isinstance(table, np.ndarray):
        table = table.astype(np.result_type(*[held.dtype for held in encoder.categories_]))
    return encoder.transform(table)


def _known(categories: Array, kind: Kind) -> Any:
    """A category to stand in for a column that is not asked about."""
    known = next((value for value in _values(categories) if value is not None), None)
    return _missing(kind) if known is None else known


def _columns_of_codes(encoder: Any, place: int) -> slice:
    """The output columns that encode one input column."""
    widths = [_width(encoder, index) for index in range(len(encoder.categories_))]
    start = sum(widths[:place])
    return slice(start, start + widths[place])


def _width(encoder: Any, place: int) -> int:
    if isinstance(encoder, TargetEncoder):
        return len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    if isinstance(encoder, OrdinalEncoder):
        return 1
    assert isinstance(encoder, OneHotEncoder)
    count = len(encoder.categories_[place])
    rare = getattr(encoder, "infrequent_categories_", None)
    if rare is not None and rare[place] is not None:
        count -= len(rare[place]) - 1
    is_dropped = encoder.drop_idx_ is not None and encoder.drop_idx_[place] is not None
    return count - is_dropped
