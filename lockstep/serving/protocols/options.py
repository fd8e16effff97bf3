"""Options of a request, from its query string."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl

from lockstep.errors import UnreadableBodyError

OnInvalid = Literal["refuse", "quarantine"]
Explain = Literal["trace"]

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_CHOICES = {"on_invalid": get_args(OnInvalid), "explain": get_args(Explain)}


@dataclass(frozen=True)
class Options:
    """Options of a request."""

    # of a request with invalid rows `"refuse"` scores none, `"quarantine"` the valid ones
    on_invalid: OnInvalid = "refuse"
    explain: Explain | None = None  # `"trace"` shows every column
    version: int | None = None  # None for whichever serves


@lru_cache(maxsize=64)
def options_of(query: bytes) -> Options:
    """The options in a query string; an unknown one, or one that is there twice, is an error."""
    try:
        given = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise UnreadableBodyError("The query string cannot be read.") from None
    chosen: dict[str, Any] = dict(given)
    if len(chosen) < len(given):
        raise UnreadableBodyError("The query string has an option twice.")
    version = chosen.pop("version", None)
    if chosen.keys() - _CHOICES.keys():
        raise UnreadableBodyError("The query string has an unknown option: see /docs.")
    for name, choice in chosen.items():
        if choice not in _CHOICES[name]:
            raise UnreadableBodyError(
                f"{name} is {' or '.join(f'`{known}`' for known in _CHOICES[name])}."
            )
    if version is None:
        return Options(**chosen)
    number = number_of(version)
    if number is None:
        raise UnreadableBodyError("version is a number, such as 3.")
    return Options(**chosen, version=number)


def number_of(text: str) -> int | None:
    """The number of a version in a text; None if there is none."""
    return int(text) if _NUMBER.fullmatch(text) else None
