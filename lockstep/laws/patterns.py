"""Patterns: the character classes of a text.

As Potter's Wheel (Raman and Hellerstein, VLDB 2001) and Auto-Validate (Song and He, SIGMOD 2021)
profile texts: an upper-case letter is A, a lower-case one a, a digit 9.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_UPPER, _LOWER, _DIGIT = "A", "a", "9"
_CLASSES = str.maketrans(
    {
        **dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", _UPPER),
        **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", _LOWER),
        **dict.fromkeys("0123456789", _DIGIT),
    }
)
_END = "\0"
"""What texts hardly ever have."""
_COUNT = re.compile("9+")
_REPEATED = re.compile(r"(.)\1+", re.DOTALL)


def pattern(text: str, *, exact: bool, is_counted: bool = False) -> str:
    """The character classes of a text.

    Args:
        text: The text.
        exact: Whether the length of each run of a class counts.
        is_counted: Whether digits are a number, of any length.
    """
    classes = text.translate(_CLASSES)
    if not exact:
        return _REPEATED.sub(r"\1", classes)
    return _COUNT.sub(_DIGIT, classes) if is_counted else classes


def patterns(texts: Sequence[str]) -> list[str]:
    """The character classes of many texts, the length of each run counted: all at once.

    Args:
        texts: The texts.
    """
    found = _END.join(texts).translate(_CLASSES).split(_END)
    return found if len(found) == len(texts) else [pattern(one, exact=True) for one in texts]
