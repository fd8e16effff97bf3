"""Which mark a CSV file writes before decimals, by the numbers in all its columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lockstep.columns.csv_format import CsvFormat, Mark

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
_OTHER: Mapping[Mark, Mark] = {".": ",", ",": "."}
_NAMES = {".": "decimal points", ",": "decimal commas"}


@dataclass(frozen=True)
class NumberMarks:
    """How a file writes its numbers."""

    written: CsvFormat
    # by column whose numbers can be read in two ways: how they are read, in a sentence
    notes: Mapping[str, str]
    # columns whose numbers are kept as texts, since nothing tells how to read them
    texts: frozenset[str]


def number_of(text: str, written: CsvFormat) -> float | None:
    """The number that a text holds; None for all other texts, and for those with leading zeros."""
    digits = written.number(text)
    if digits is None or not _NUMBER.fullmatch(digits) or _LEADING_ZERO.fullmatch(digits):
        return None
    return float(digits)


def number_marks(columns: Mapping[str, Sequence[str]], written: CsvFormat) -> NumberMarks:
    """Choose the decimal mark of a file, and that of thousands, by all its columns.

    A number such as `1.250` can be read in two ways, and one such as `1,5`, `0,125`, `1.250,5` or
    `1.250.000` in one. The latter decide for the file. Where they contradict each other, or there
    are none in a file whose cells are not separated by commas, the former are kept as texts.
    """
    by = {mark: replace(written, decimal=mark, thousands=_OTHER[mark]) for mark in _OTHER}
    read_by: dict[str, list[Mark]] = {}
    for name, texts in columns.items():
        marks = [mark for mark in by if _reads(texts, by[mark])]
        if marks and any(mark in text for text in texts for mark in _OTHER):
            read_by[name] = marks
    sure = {marks[0]: name for name, marks in read_by.items() if len(marks) == 1}
    unsure = [name for name, marks in read_by.items() if len(marks) > 1]
    is_decided = len(sure) == 1 or (not sure and written.separator == ",")
    decimal: Mark = next(iter(sure)) if len(sure) == 1 else "."
    texts_kept = [
        *(name for name, marks in read_by.items() if decimal not in marks),
        *([] if is_decided else unsure),
    ]
    plain, grouped = replace(by[decimal], thousands=None), by[decimal]
    numbers = [name for name in read_by if name not in texts_kept]
    notes = {name: _kept(name, columns[name], by, sure) for name in texts_kept}
    for name in unsure if is_decided else ():
        if not sure or any(_OTHER[decimal] in text for text in columns[name]):
            notes[name] = _read(name, columns[name], grouped, sure)
    is_plain = all(_reads(columns[name], plain) for name in numbers)
    return NumberMarks(plain if is_plain else grouped, notes, frozenset(texts_kept))


def _reads(texts: Sequence[str], written: CsvFormat) -> bool:
    return all(number_of(text, written) is not None for text in texts)


def _example(texts: Sequence[str]) -> str:
    return next(text for text in texts if any(mark in text for mark in _OTHER))


def _kept(
    name: str, texts: Sequence[str], by: Mapping[Mark, CsvFormat], sure: Mapping[Mark, str]
) -> str:
    text = _example(texts)
    values = [value for each in by.values() if (value := number_of(text, each)) is not None]
    may_be = " or ".join(f"{value:g}" for value in sorted(values, key=abs))
    others = " and ".join(f"{column} has {_NAMES[mark]}" for mark, column in sorted(sure.items()))
    return (
        f"{name} is kept as texts: {text} may be {may_be}, and {others or 'no column tells'}. To "
        "have numbers, give decimal= and thousands= of the file, and declare a float."
    )


def _read(name: str, texts: Sequence[str], written: CsvFormat, sure: Mapping[Mark, str]) -> str:
    text = _example(texts)
    why = "".join(f", since {column} has {_NAMES[mark]}" for mark, column in sure.items())
    return f"{name}: {text} is read as {number_of(text, written):g}{why}. Is that right?"
