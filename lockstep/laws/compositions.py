"""Compositions: texts that hold other columns' values, such as a key made of several.

Where all texts of a column are parted alike (words and the signs between them), words that equal
another column in every training row are parts of it: the text says the same a second time, and
rows in which the two differ contradict themselves. A number may have zeros before it; of the event
time its day may be a part, by the clock of the time zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.plain import counted, show
from lockstep.columns.schema import Field
from lockstep.columns.tables import is_missing
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["text", "number", "day"]
_WORDS = re.compile(r"[^\W_]+")
_SAMPLE = 500
"""Rows on which candidates are looked for."""
_MOST_WORDS = 20
"""Words of a text that is looked into."""
_LONGEST_PART = 3
"""Words of a part."""
_COMMONEST = 0.99
"""Largest share of one value in a column that is found as a part: what is nearly always the same is
a part of many texts by chance."""


class Composition(Law, frozen=True, kw_only=True):
    """A part of a text is another column's value.

    Attributes:
        text: The column that holds the text.
        part: The column whose value is a part of it.
        signs: What is before, between and after the words of the text.
        start: The first word of the part.
        end: The word after it.
        form: How the value is written.
    """

    pins: ClassVar[bool] = True
    text: str
    part: str
    signs: tuple[str, ...]
    start: int
    end: int
    form: Form

    @property
    def says(self) -> str:
        """It in a sentence."""
        return f"{self._value} is a part of {self.text}"

    @property
    def _value(self) -> str:
        return f"the day of {self.part}" if self.form == "day" else self.part

    def find(self, rows: Rows) -> Broken | None:
        """The rows in which part and column differ; a text that is parted otherwise has no part."""
        written, values = self._compared(rows)
        odd = np.flatnonzero(_differ(written, values))
        if not len(odd):
            return None
        row = int(odd[0])
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self._value} is not what {self.text} says in {counted(len(odd), 'row')} of "
            f"{len(rows):,}, such as {show(values[row].as_py())} in "
            f"{show(rows.columns[self.text][row], 80)}",
            rows=odd,
            strict=self.is_strict,
            numbers={"rows": len(odd)},
        )

    def _compared(self, rows: Rows) -> tuple[pa.Array, pa.Array]:
        """What the text says, and the column's value, alike in form."""
        words = rows.once((self.text, self.signs), lambda: _words(rows, self.text, self.signs))
        written = _joined(words[self.start : self.end], self.signs[self.start + 1 : self.end])
        return _alike(written, rows, self.part, self.form)


def discover(training: TrainingRows) -> list[Composition]:
    """Find the columns that are parts of others in every training row.

    Args:
        training: The training rows.
    """
    rows, schema = training.rows, training.rows.schema
    if training.days < ENOUGH_DAYS:
        return []
    sample = rows.take(np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).astype(int))
    texts = [field.name for field in schema if field.kind is Kind.TEXT and not field.choices]
    parts = [field for field in schema if field.role != "key" and _varies(rows, field.name)]
    found = []
    for text in texts:
        signs = _signs(sample.columns[text])
        for field in parts:
            candidates = (
                Composition(
                    columns=(field.name, text),
                    days=training.days,
                    text=text,
                    part=field.name,
                    signs=signs,
                    start=start,
                    end=end,
                    form=form,
                )
                for form in _forms(field)
                for start, end in _parts(signs)
                if field.name != text
            )
            law = next(
                (law for law in candidates if _holds(law, sample) and _holds(law, rows)), None
            )
            if law is not None:
                found.append(law)
    return found


def _holds(law: Composition, rows: Rows) -> bool:
    written, values = law._compared(rows)
    return written.null_count == 0 and not _differ(written, values).any()


def _varies(rows: Rows, name: str) -> bool:
    """Whether a column is not nearly always the same."""
    places = rows.values(name).places
    known = places[places >= 0]
    return len(known) > 0 and np.bincount(known).max() <= _COMMONEST * len(known)


def _forms(field: Field) -> tuple[Form, ...]:
    if field.kind is Kind.TEXT:
        return ("text",)
    if field.declared == "int":
        return ("number",)
    return ("day",) if field.role == "event_time" else ()


def _signs(texts: Array) -> tuple[str, ...]:
    """What stands around the words of texts; nothing if they are not parted alike."""
    found = {tuple(_WORDS.split(text)) for text in texts[~is_missing(texts)].tolist()}
    return found.pop() if len(found) == 1 else ()


def _parts(signs: tuple[str, ...]) -> list[tuple[int, int]]:
    """The words that may be a part, from one to before another; the longest parts first."""
    words = len(signs) - 1
    if not 1 < words <= _MOST_WORDS:
        return []
    return [
        (start, start + length)
        for length in range(min(_LONGEST_PART, words - 1), 0, -1)
        for start in range(words - length + 1)
    ]


def _words(rows: Rows, text: str, signs: tuple[str, ...]) -> list[pa.Array]:
    """The words of texts, an array each; nulls in those that are parted otherwise."""
    from pyarrow import compute

    word = f"[^{re.escape(''.join(sorted(set(''.join(signs)))))}]+"
    parts = [f"(?P<w{place}>{word}){re.escape(sign)}" for place, sign in enumerate(signs[1:])]
    pattern = f"^{re.escape(signs[0])}{''.join(parts)}$"
    words: list[pa.Array] = compute.extract_regex(rows.as_arrow(text), pattern).flatten()
    return words


def _joined(words: Sequence[pa.Array], signs: Sequence[str]) -> pa.Array:
    """Words with the signs between them."""
    from pyarrow import compute

    first, *others = words
    if not others:
        return first
    pieces = [piece for pair in zip(signs, others, strict=True) for piece in pair]
    return compute.binary_join_element_wise(first, *pieces, "")


def _alike(written: pa.Array, rows: Rows, part: str, form: Form) -> tuple[pa.Array, pa.Array]:
    """A written part and a column's values, in one type."""
    import pyarrow as pa
    from pyarrow import compute

    if form == "text":
        return written, rows.as_arrow(part)
    if form == "day":
        days = rows.days
        assert days is not None, "only an event time has a day"
        return written, pa.array(days).cast(pa.string())
    is_number = compute.match_substring_regex(written, r"^[0-9]{1,15}$")
    numbers = compute.if_else(is_number, written, None).cast(pa.int64())
    given = rows.columns[part]
    values = pa.array(given, from_pandas=True)
    return numbers, values.cast(pa.int64()) if given.dtype.kind == "f" else values


def _differ(written: pa.Array, values: pa.Array) -> Array:
    """Rows in which both are there and differ."""
    from pyarrow import compute

    differ = compute.fill_null(compute.not_equal(written, values), False)
    return np.asarray(differ.to_numpy(zero_copy_only=False), dtype=bool)
