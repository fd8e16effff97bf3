"""Forms: a text by the classes of its characters.

As Potter's Wheel (Raman and Hellerstein, VLDB 2001) and Auto-Validate (Song and He, SIGMOD 2021)
profile texts: upper-case letters are A, lower-case ones a, digits 9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_UPPER = re.compile(r"[A-ZÀ-ÖØ-Þ]+")
_LOWER = re.compile(r"[a-zß-öø-ÿ]+")
_DIGITS = re.compile(r"\d+")
_RUNS = re.compile(r"([Aa9])([ ]?[Aa9])+")
MOST_DIGITS = 9
"""Digits beyond which a form does not count them: ids may have any number."""


def forms_of(texts: Iterable[str], *, is_fine: bool) -> list[str]:
    """The forms of texts; unless `is_fine`, letters and digits in a row are one run."""
    forms = (_LOWER.sub("a", _UPPER.sub("A", text)) for text in texts)
    if is_fine:
        return [
            _DIGITS.sub(lambda found: "9" * min(len(found[0]), MOST_DIGITS), form) for form in forms
        ]
    return [_RUNS.sub(r"\1~", _DIGITS.sub("9", form)) for form in forms]
