"""Compositions: texts that hold other columns' values, such as a key made of several.

Where all texts of a column are parted alike (words and the signs between them), words that equal
another column in every training row are parts of it: the text says the same a second time, and
rows in which the two differ contradict themselves. A number may have zeros before it; of the event
time its day may be a part, by the clock of the time zone.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import numpy as np

from lockstep.columns.kinds import Array, Kind
from lockstep.columns.plain import counted, show
from lockstep.columns.schema import Field
from lockstep.columns.tables import is_missing
from lockstep.laws.law import ENOUGH_DAYS, Broken, Law
from lockstep.laws.rows import Rows, TrainingRows, Values
from lockstep.laws.words import Parted

Form = Literal["text", "number", "day"]
_WORDS = re.compile(r"[^\W_]+")
_SAMPLE = 500
"""Rows on which candidates are looked for."""
_MOST_WORDS = 20
"""Words of a text that is looked into."""
_LONGEST_PART = 3
"""Words of a part."""
_NUMBER = re.compile("[0-9]{1,15}")
_NOTHING = -2
"""Stands for what a text says that is parted otherwise, or has no number where one should be."""
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
        values, said = self._compared(rows)
        odd = np.flatnonzero(_differ(values, said))
        if not len(odd):
            return None
        row = int(odd[0])
        value = values.found[values.places[row]]
        return Broken(
            law=self,
            columns=self.columns,
            message=f"{self._value} is not what {self.text} says in {counted(len(odd), 'row')} of "
            f"{len(rows):,}, such as {show(str(value) if self.form == 'day' else value)} in "
            f"{show(rows.columns[self.text][row], 80)}",
            rows=odd,
            strict=self.is_strict,
            numbers={"rows": len(odd)},
        )

    def _compared(self, rows: Rows) -> tuple[Values, Array]:
        """The column's values, and which of them each text says: -1 another, -2 none at all."""
        parted = rows.once((self.text, self.signs), lambda: Parted.of(rows, self.text, self.signs))
        part = (self.text, self.signs, self.start, self.end)
        said = rows.once(part, lambda: parted.words(self.start, self.end))
        values = _values(rows, self.part, self.form)
        return values, _placed(said.found, values.found, self.form)[said.places]


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
    values, said = law._compared(rows)
    return bool((said != _NOTHING).all()) and not _differ(values, said).any()


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


def _values(rows: Rows, part: str, form: Form) -> Values:
    """The values of a column that may be a part; of an event time its days."""
    if form != "day":
        return rows.values(part)
    days = rows.days
    assert days is not None, "only an event time has a day"
    return rows.derived(f"day of {part}", lambda: days)


def _placed(said: Array, found: Array, form: Form) -> Array:
    """Which of a column's values each text that is said stands for, and last: nothing is said."""
    places: dict[object, int]
    if form == "number":
        places = {int(value): place for place, value in enumerate(found.tolist())}
        given = [
            places.get(int(text), -1) if _NUMBER.fullmatch(text) else _NOTHING
            for text in said.tolist()
        ]
    else:
        values = found.astype(str) if form == "day" else found
        places = {value: place for place, value in enumerate(values.tolist())}
        given = [places.get(text, -1) for text in said.tolist()]
    return np.array([*given, _NOTHING])


def _differ(values: Values, said: Array) -> Array:
    """Rows in which both are there and differ."""
    differ: Array = (said != _NOTHING) & (values.places >= 0) & (said != values.places)
    return differ
