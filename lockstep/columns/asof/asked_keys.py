"""What the function of a look-up or window returns: of which key, and as of when."""

from __future__ import annotations

from typing import Any


class Asked:
    """The keys and times as of which rows of a table are asked for, one a row of the record.

    Args:
        keys: An array for each field of the table's key, in its order; a missing value finds
            nothing.
        as_of: The times; None for a static table.
    """

    __slots__ = ("as_of", "keys")

    def __init__(self, *keys: Any, as_of: Any = None) -> None:
        self.keys = keys
        self.as_of = as_of
