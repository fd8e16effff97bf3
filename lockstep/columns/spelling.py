"""Spelling: the known name that a person may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name, such as ` Did you mean 'x'?`; or nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def meant(name: str, known: Iterable[str]) -> str:
    """The same within a sentence, such as ` (did you mean 'x'?)`; or nothing."""
    hint = did_you_mean(name, known)
    return f" (did{hint.removeprefix(' Did')})" if hint else ""
