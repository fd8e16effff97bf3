"""Options: what a request asks for in its query string."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl

from lockstep.serving.errors import UnreadableError

OnInvalid = Literal["refuse", "quarantine"]


@dataclass(frozen=True)
class Options:
    """What a request asks for beside its rows.

    Attributes:
        on_invalid: What becomes of the valid rows of a request with invalid ones: none is scored
            (`"refuse"`), or they are, and the invalid ones are told (`"quarantine"`).
    """

    on_invalid: OnInvalid = "refuse"


@lru_cache(maxsize=64)
def options_of(query: bytes) -> Options:
    """The options in a query string.

    Raises:
        UnreadableError: It has another one, or one that is not among its choices.
    """
    try:
        given = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise UnreadableError("The query string cannot be read.") from None
    chosen = dict(given)
    if len(chosen) < len(given):
        raise UnreadableError("The query string has an option twice.")
    on_invalid = chosen.pop("on_invalid", "refuse")
    if chosen:
        raise UnreadableError("The query string has an option that there is not: see /docs.")
    if on_invalid == "refuse":
        return Options()
    if on_invalid == "quarantine":
        return Options("quarantine")
    raise UnreadableError("on_invalid is `refuse` or `quarantine`.")
