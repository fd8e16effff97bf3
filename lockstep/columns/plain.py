"""Values as plain data for JSON, and values and texts of any length in a sentence."""

from __future__ import annotations

import hashlib
import math
import os
import re
import reprlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd

from lockstep.columns.kinds import Floats

PERSONAL = "(personal)"
"""What is shown in the place of a personal value."""


def python_value(value: Any) -> Any:
    """A cell of an array as Python's own type: times as `datetime` in UTC, NaT as None."""
    if isinstance(value, np.datetime64):
        time = value.astype("datetime64[us]").item()
        return time.replace(tzinfo=UTC) if isinstance(time, datetime) else time
    return value.item() if isinstance(value, np.generic) else value


def plain(value: Any, *, longest: int | None = None, nan: str | None = None) -> Any:
    """A value as strict JSON can hold it: times in ISO 8601, missing ones as null.

    At most `longest` characters of a text, and members of a mapping or list, are kept. `nan` is the
    text for NaN; null, as for None, by default.
    """
    value = python_value(value)
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    match value:
        case bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else _not_finite(value, nan)
        case datetime():
            return iso(value)
        case date():
            return value.isoformat()
        case Mapping():
            items = islice(value.items(), longest)
            return {str(name): plain(held, longest=longest, nan=nan) for name, held in items}
        case list() | tuple() | set() | frozenset() | np.ndarray():
            return [plain(held, longest=longest, nan=nan) for held in islice(value, longest)]
        case _:
            return str(value) if longest is None else cut(str(value), longest)


def _not_finite(value: float, nan: str | None) -> str | None:
    if math.isnan(value):
        return nan
    return "Infinity" if value > 0 else "-Infinity"


def iso(time: datetime) -> str:
    """A time in ISO 8601, such as `2013-04-01T09:30:00Z`; exact."""
    return time.isoformat().replace("+00:00", "Z")


def to_the_minute(stored: str) -> str:
    """A time in ISO 8601, in a sentence: `2013-04-01 09:30 UTC`."""
    return f"{datetime.fromisoformat(stored).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def show(value: Any, most: int = 60) -> str:
    """A value in a sentence: texts in quotes, floats with all their digits, cut where long."""
    value = python_value(value)
    if isinstance(value, str):
        return repr(cut(value, most))
    if isinstance(value, datetime) and value is not pd.NaT:
        return iso(value)
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    return one_line(_BRIEF.repr(value), most)


_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 64


def one_line(text: str, most: int = 200) -> str:
    """A text in one line, without a full stop at its end, cut where it is long."""
    return cut(" ".join(text.split()).rstrip("."), most)


_UNSHOWN = re.compile(r"%(?=[0-9A-Fa-f]{2})|\.(?=\.\.)")
"""What a shown name spells out beside unprintable characters: what reads as spelt out already, and
the three dots that Dagster admits in no key."""
_MOST_BYTES, _MOST_SUFFIX = 255, 16
"""Bytes that file systems allow for a name, and most of the suffix that a longer one keeps."""
_SPELT_OUT = re.compile(rb"%([0-9A-Fa-f]{2})")


def shown_name(name: str) -> str:
    """The name or path of a file as printable text, in which each name has a form of its own.

    A name is bytes to the system. Those that are no UTF-8, or that nobody can see, are spelt out,
    such as `%FF` or `%0A`. Nearly all names are shown as they are.
    """
    escaped = _UNSHOWN.sub(lambda match: f"%{ord(match[0]):02X}", name)
    return "".join(
        letter if letter.isprintable() else "".join(f"%{byte:02X}" for byte in os.fsencode(letter))
        for letter in escaped
    )


def name_shown(shown: str) -> str:
    """The name or path of a file of which this is the `shown_name`."""
    return os.fsdecode(
        _SPELT_OUT.sub(lambda match: bytes.fromhex(match[1].decode()), os.fsencode(shown))
    )


@lru_cache(maxsize=4_096)
def file_name(partition: str) -> str:
    """The name of a partition's file or folder."""
    return "".join(
        letter if not letter.isascii() and letter.isprintable() else quote(letter, safe=" +:=@")
        for letter in partition
    )


def partition_of(name: str) -> str:
    """The partition whose `file_name` this is."""
    return unquote(name)


def short_name(name: str, room: int = 0) -> str:
    """A file's name in as many bytes as file systems allow, of which `room` are kept free.

    A longer one is cut, and has a digest of all of it before its suffix: no two become one.
    """
    most = _MOST_BYTES - room
    if len(os.fsencode(name)) <= most:
        return name
    suffixes = Path(name).suffixes
    ends = ("".join(suffixes[-count:]) for count in (2, 1) if len(suffixes) >= count)
    kept = next((end for end in ends if len(os.fsencode(end)) <= _MOST_SUFFIX), "")
    end = f"-{hashlib.sha256(os.fsencode(name)).hexdigest()[:32]}{kept}"
    stem = name.removesuffix(kept)
    while len(os.fsencode(stem + end)) > most:
        stem = stem[:-1]
    return stem + end


def cut(text: str, most: int) -> str:
    """A text in no more than so many characters; an ellipsis stands for what is left out."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def listed(names: Iterable[object], most: int = 10) -> str:
    """The first of some names, and how many more there are: `a, b and 3 more`."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """So many things in a sentence, such as `1 row`, `2,000 rows` or `3 batches`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {plural or f'{noun}s'}"


def verb(count: int, singular: str, plural: str) -> str:
    """The form of a verb for so many things: `verb(1, "is", "are")`."""
    return singular if count == 1 else plural


def all_of(count: int, noun: str, singular: str, plural: str) -> str:
    """All of some things, and what they do: `The one row fits`, `All 20 rows fit`."""
    return f"The one {noun} {singular}" if count == 1 else f"All {counted(count, noun)} {plural}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name, such as ` Did you mean 'x'?`; or nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def meant(name: str, known: Iterable[str]) -> str:
    """The same within a sentence, such as ` (did you mean 'x'?)`; or nothing."""
    hint = did_you_mean(name, known)
    return f" (did{hint.removeprefix(' Did')})" if hint else ""


def percentage(percent: float) -> str:
    """A share such as `1.5 %`; one above 0 never reads `0.0 %`."""
    return "less than 0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"


def brief(number: float, sign: str = "") -> str:
    """A number in three digits, or whole: `0.0123`, `876`, `1,260`; `sign` may be `+`."""
    is_whole = 999.5 <= abs(number) < 1e9
    return f"{number:{sign},.0f}" if is_whole else f"{number:{sign}.3g}"


_BARS = "▁▂▃▄▅▆▇█"


def bars(shares: Floats) -> str:
    """A small histogram in a line of text, a bar a share; empty where all are 0."""
    top = shares.max(initial=0.0)
    if not top:
        return ""
    heights = np.ceil(shares / top * (len(_BARS) - 1)).astype(int)
    return "".join(_BARS[height] for height in heights)
