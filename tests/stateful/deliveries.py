"""Deliveries: rows as they arrive, and what is to become of them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np

Row = dict[str, Any]
Kind = Literal[
    "clean",
    "bad row",
    "odd row",
    "repeated row",
    "bad half",
    "wrong mean",
    "wrong unit",
    "far row",
    "narrow",
    "broken",
]
ROWS = 12
_OUTSIDE = (-6.3, -3.7, -1.2, 1.4, 4.1, 6.8, 9.2, 11.9, 14.6, 17.3, 20.1, 23.5)
_ROOMS = (2, 3, 4, 2, 5, 3, 4, 2, 3, 5, 4, 3)
_HISTORY = [str(date(2020, 1, 1) + timedelta(days=number)) for number in range(60)]


@dataclass(frozen=True, eq=False)
class Delivery:
    """The rows of a day or file.

    Attributes:
        kind: What is wrong with them, if anything is.
        rows: As they are delivered.
        sound: Those of them that can be scored.
        quarantined: How many of the others something is wrong with.
        duplicates: How many of the others repeat a key.
    """

    kind: Kind
    rows: Sequence[Row]
    sound: Sequence[Row]
    quarantined: int = 0
    duplicates: int = 0

    @property
    def is_faulty(self) -> bool:
        """Whether the rows as a whole must never be published, whatever a person accepts."""
        return self.kind in ("bad half", "wrong mean", "far row", "narrow", "broken")

    @property
    def is_readable(self) -> bool:
        """Whether there are rows at all."""
        return self.kind not in ("narrow", "broken")

    def write(self, file: Path) -> None:
        """Write the rows to a file of JSON lines."""
        _write(file, self.rows)
        if self.kind == "broken":
            file.write_bytes(file.read_bytes()[:-20])


def deliver(name: str, kind: Kind, turn: int, *, day: str = "2020-03-01") -> Delivery:
    """Make a delivery.

    Args:
        name: Its name, with which its keys begin.
        kind: What is wrong with it.
        turn: Which of its rows has which values: the rows of two turns are as a whole alike.
        day: When it was read, in ISO form.
    """
    rows = _readings(name, day, turn)
    match kind:
        case "clean":
            return Delivery(kind, rows, rows)
        case "bad row":
            bad = {**rows[4], "rooms": 0}
            return Delivery(kind, [*rows[:4], bad, *rows[5:]], [*rows[:4], *rows[5:]], 1)
        case "odd row":
            odd = {**rows[7], "outside": "mild"}
            return Delivery(kind, [*rows[:7], odd, *rows[8:]], [*rows[:7], *rows[8:]], 1)
        case "repeated row":
            return Delivery(kind, [*rows, {**rows[2], "outside": 1.0}], rows, duplicates=1)
        case "bad half":
            half = [{**row, "rooms": 0} for row in rows[::2]]
            return Delivery(kind, [*half, *rows[1::2]], rows[1::2], len(half))
        case "wrong mean":
            wrong = [{**row, "rooms": 9} for row in rows]
            return Delivery(kind, wrong, wrong)
        case "wrong unit":
            wrong = [{**row, "outside": round(row["outside"] * 1.8 + 32, 1)} for row in rows]
            return Delivery(kind, wrong, wrong)
        case "far row":
            far = [{**rows[0], "outside": -90.0}, *rows[1:]]
            return Delivery(kind, far, far)
        case "narrow":
            return Delivery(kind, [_without(row, "rooms") for row in rows], [])
        case "broken":
            return Delivery(kind, rows, [])


def write_history(file: Path) -> None:
    """Write the history to a file of JSON lines."""
    _write(file, history())


def history() -> list[Row]:
    """Readings of some days before, with what was used."""
    return [
        {**row, "used": used}
        for number, day in enumerate(_HISTORY)
        for row, used in _with_use(_readings(day, day, number))
    ]


def forecast(base: float, rows: Sequence[Row]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Compute by hand what a version must forecast that was fitted on the history.

    Args:
        base: The temperature from which people heat, by the version's own code.
        rows: The rows to forecast.
    """
    past = history()
    weights, *_ = np.linalg.lstsq(_matrix(base, past), [row["used"] for row in past])
    return np.asarray(_matrix(base, rows) @ weights)


def _readings(name: str, day: str, turn: int) -> list[Row]:
    return [
        {
            "reading_id": f"{name}/{number:02}",
            "read_at": f"{day}T{number:02}:00:00Z",
            "outside": _drawn(_OUTSIDE, name, number, turn),
            "rooms": _drawn(_ROOMS, number, turn, name),
        }
        for number in range(ROWS)
    ]


def _drawn(values: Sequence[Any], *of: object) -> Any:
    """One of some values, which follows no rule."""
    return values[zlib.crc32(repr(of).encode()) % len(values)]


def _with_use(rows: Sequence[Row]) -> list[tuple[Row, float]]:
    return [
        (row, round(3 * max(18 - row["outside"], 0) + 4 * row["rooms"] + 0.3 * (number % 4), 2))
        for number, row in enumerate(rows)
    ]


def _matrix(base: float, rows: Sequence[Row]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([[max(base - row["outside"], 0.0), row["rooms"], 1.0] for row in rows])


def _write(file: Path, rows: Sequence[Row]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _without(row: Mapping[str, Any], name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}
