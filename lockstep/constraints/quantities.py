"""Quantities: the numbers of a row that rules and statistics are about.

A field's own value, a time in hours, a part of the calendar, or a number of earlier rows; they are
made alike of training rows and of a batch.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Made = Literal[
    "value", "clock", "lapse", "span", "digits", "calendar",
    "previous", "elapsed", "today", "count", "sum", "mean",
    "peers", "peers before", "moment before",
]  # fmt: skip
CELLS = ("peers", "peers before", "moment before")
"""Quantities that all rows of a thing at a moment share."""
_AMONG = ("previous", "elapsed", "today", *CELLS)
"""Quantities made of other rows of the day."""
Entity = tuple[str, ...]
"""The columns that name a thing which comes again; empty where any two rows are of the same thing.
`@clock` is the time of day, `@weekday` the day of the week."""


class Quantity(msgspec.Struct, frozen=True):
    """A number of a row."""

    made: Made
    fields: tuple[str, ...] = ()  # the fields that it is made of; none for a count
    entity: Entity = ()  # the columns that name the thing whose earlier rows are looked at
    window: int = 0  # how many days before the row's own are counted or summed
    unit: str = ""  # the part of the calendar, such as `month`; the unit of a panel

    @property
    def title(self) -> str:
        """The quantity for a person."""
        field = self.fields[0] if self.fields else ""
        thing = title_of(self.entity)
        days = "day" if self.window == 1 else f"{self.window} days"
        match self.made:
            case "value":
                return field
            case "clock":
                return f"the hour of {field}"
            case "lapse":
                return f"the hours until {field}"
            case "span":
                return f"the hours from {self.fields[0]} to {self.fields[1]}"
            case "digits":
                return f"the number in {field}"
            case "calendar":
                return f"the {self.unit} of {field}"
            case "previous":
                return f"{field} of the previous {thing}"
            case "elapsed":
                return f"the minutes since the previous {thing}"
            case "today":
                return f"the rows before it that day, same {thing}"
            case "count":
                return f"the rows of the {days} before, same {thing}"
            case "sum" | "mean":
                return f"the {self.made} of {field} over the {days} before, same {thing}"
            case "peers":
                return f"the mean {field} of the others of its {self.unit or 'moment'}"
            case "peers before":
                return f"the mean {field} of the others of the {self.unit or 'moment'} before"
            case "moment before":
                return f"{field} of the {self.unit or 'moment'} before, same {thing}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields to look at where it is wrong: its own, then those that name the thing."""
        named = tuple(name for name in self.entity if not name.startswith("@"))
        return tuple(dict.fromkeys((*self.fields, *named)))

    @property
    def is_among(self) -> bool:
        """Whether it is made of other rows of the day."""
        return self.made in _AMONG

    @property
    def is_raw(self) -> bool:
        """Whether it is made of the row's own fields."""
        return self.made in ("value", "clock", "lapse", "span", "digits")


def value(name: str) -> Quantity:
    """A field's own value."""
    return Quantity("value", (name,))


def title_of(entity: Entity) -> str:
    """A thing for a person."""
    words = {"@clock": "time of day", "@weekday": "weekday"}
    return ", ".join(words.get(name, name) for name in entity) or "row"
