"""Small synthetic tables of days, and what a day of them breaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lockstep.checks.constraint_checks import Terms, WeighedBatch, excused_by, weigh
from lockstep.columns.kinds import Array, Columns, Ints
from lockstep.columns.schema import Field, Schema
from lockstep.constraints.constraint_set import (
    ConstraintSet,
    DayJudged,
    discover,
    light_batch,
    with_figures,
)
from lockstep.constraints.features import Feature
from lockstep.constraints.findings import Finding, findings_of, misdated
from lockstep.constraints.past import PastBatch
from lockstep.constraints.view import View

FIRST = int(np.datetime64("2024-01-01", "D").astype(int))
HOUR = 3_600_000_000
KEY, EVENT = Field("id", "str", role="key"), Field("at", "datetime", role="event_time")


def texts(values: Sequence[object]) -> Array:
    """Texts in canonical form."""
    found = np.empty(len(values), dtype=object)
    found[:] = [None if one is None else str(one) for one in values]
    return found


def times(days: Ints, hours: Array) -> Array:
    """Moments of days: datetime64[us]."""
    return (days * 24 * HOUR + np.round(hours * HOUR).astype(np.int64)).astype("datetime64[us]")


def days_of(rows: Columns) -> Ints:
    """The day of each row."""
    return rows["at"].astype("datetime64[D]").astype(np.int64)


def only(rows: Columns, chosen: Array | slice) -> Columns:
    """Some of the rows."""
    return {name: values[chosen] for name, values in rows.items()}


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of several tables, one after the other."""
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}


def changed(rows: Columns, name: str, at: Array | slice, values: object) -> Columns:
    """Rows with other values of a column in some of them."""
    column = rows[name].copy()
    column[at] = values
    return {**rows, name: column}


def judged_days(constraints: ConstraintSet, view: View) -> list[DayJudged]:
    """How each day of a batch lies to the constraints, each after those before it."""
    measured, shown = constraints.measure(view)
    past, days = list(view.past), []
    for day in measured:
        days.append(constraints.judge(day, past, shown))
        past.append(with_figures(light_batch(day.day, day.rows), days[-1]))
    return days


def weighed_day(constraints: ConstraintSet, view: View, terms: Terms) -> WeighedBatch:
    """The weighed findings of a batch of one day."""
    (day,) = judged_days(constraints, view)
    excused = excused_by(constraints, terms)
    return weigh(constraints, day, lambda: view, terms, excused, misdated(view))


def remembered_days(
    constraints: ConstraintSet, view: View, judged: Sequence[DayJudged], partition: str
) -> list[PastBatch]:
    """What is kept of the days of a batch."""
    kept = constraints.remembered(view, partition)
    return [with_figures(batch, day) for batch, day in zip(kept, judged, strict=True)]


@dataclass(frozen=True, eq=False)
class Known:
    """A table, and what was found of its first days.

    Attributes:
        constraints: What was found.
        make: Gives the rows of a day, counted from the first one.
        days: How many days were trained on.
    """

    constraints: ConstraintSet
    make: Callable[[int], Columns]
    days: int

    @classmethod
    def of(cls, make: Callable[[int], Columns], schema: Schema, days: int) -> Known:
        """Find what the first days of a table keep."""
        return cls(discover(joined([make(day) for day in range(days)]), schema), make, days)

    @property
    def features(self) -> dict[str, Feature]:
        """The features that were found, by what they say."""
        return {one.says: one for one in self.constraints.features}

    def day(self, ahead: int = 0) -> Columns:
        """The rows of a day after training."""
        return self.make(self.days + ahead)

    def findings(self, rows: Columns, past: Sequence[PastBatch] = ()) -> list[Finding]:
        """What the rows of a batch break."""
        view = self.constraints.view(rows, days_of(rows), past)
        judged = judged_days(self.constraints, view)
        return [one for day in judged for one in findings_of(self.constraints, view, day)]

    def first(self, rows: Columns) -> Finding:
        """The first finding of the day after training."""
        found = self.findings(rows)
        assert found, "nothing was found"
        return found[0]

    def quiet(self, days: int) -> list[Finding]:
        """What clean days after training break, each among those before it."""
        past: list[PastBatch] = []
        found = []
        for ahead in range(days):
            rows = self.day(ahead)
            view = self.constraints.view(rows, days_of(rows), past)
            judged = judged_days(self.constraints, view)
            found += [one for day in judged for one in findings_of(self.constraints, view, day)]
            past += remembered_days(self.constraints, view, judged, f"day {ahead}")
        return found


# --- orders: what a row's columns hold, and what they tell of one another ---

SHOPS = ("north", "south", "east", "west", "port", "hill")
CITIES = ("Oslo", "Rome", "Wien", "Bonn", "Kiel", "Bern")
COURIERS = ("bike", "van", "post", "van", "bike", "drone")
NOTES = ("gift", "call", "ring")
ORDERS = Schema(
    "Order",
    (
        KEY,
        EVENT,
        *(Field(name, "str", optional=True) for name in ("shop", "city", "courier", "article")),
        *(Field(name, "float", optional=True) for name in ("price", "quantity", "total", "fee")),
        *(Field(name, "float", optional=True) for name in ("gross", "least", "most", "weight")),
        *(Field(name, "float", optional=True) for name in ("refund", "temp", "credit")),
        Field("status", "str"),
        Field("note", "str", optional=True),
    ),
)


def orders(day: int, growth: float = 1.0) -> Columns:
    """The orders of a day: at six shops, with a temperature of each shop and hour."""
    random = np.random.default_rng(day)
    rows = int(growth * random.integers(70, 91))

    def rounded(values: Array, digits: int) -> Array:
        return np.asarray(np.round(values, digits))

    shop = random.permutation(np.arange(rows) % 6)
    hour = np.sort(np.arange(rows) % 5) * 2 + 8
    price = rounded(random.uniform(1, 90, rows), 2)
    quantity = random.integers(1, 9, rows).astype(float)
    total = rounded(price * quantity, 2)
    fee = rounded(random.gamma(4, 1.5, rows), 2)
    least = rounded(random.uniform(5, 20, rows), 1)
    is_void = random.random(rows) < 0.2
    heat = rounded(random.normal(35, 6, (6, 24)), 1)
    courier = np.where(random.random(rows) < 0.2, random.integers(0, 6, rows), shop)
    article = random.integers(0, 400, rows).tolist()
    date = np.datetime64(FIRST + day, "D")
    note = np.array([*NOTES, None], dtype=object)[random.integers(0, 4, rows)]
    return {
        "id": texts([f"{date}/{number:04d}" for number in range(rows)]),
        "at": times(np.full(rows, FIRST + day), hour + random.random(rows)),
        "shop": texts([SHOPS[one] for one in shop]),
        "city": texts([CITIES[one] for one in shop]),
        "courier": texts([COURIERS[one] for one in courier]),
        "article": texts([f"{'ABCDE'[one % 5]}{one % 7}-{one:04d}" for one in article]),
        "price": price,
        "quantity": quantity,
        "total": total,
        "fee": fee,
        "gross": rounded(total + fee, 2),
        "least": least,
        "most": rounded(least + random.gamma(2, 3, rows), 1),
        "weight": rounded(random.uniform(0.3, 30, rows), 1),
        "refund": np.where(is_void, rounded(random.uniform(1, 50, rows), 2), np.nan),
        "temp": heat[shop, hour],
        "credit": np.where(random.random(rows) < 0.6, 0.0, rounded(random.uniform(1, 9, rows), 1)),
        "status": texts(np.where(is_void, "void", np.where(total > 100, "paid", "open")).tolist()),
        "note": texts(note.tolist()),
    }


# --- sensors: eight of them, at the same moments ---

SENSORS = tuple(f"s{number}" for number in range(8))
READINGS = Schema(
    "Reading",
    (
        KEY,
        EVENT,
        Field("sensor", "str"),
        *(Field(name, "float", optional=True) for name in ("heat", "damp", "load")),
    ),
)


def readings(day: int) -> Columns:
    """What sensors read every two hours: heat and damp that they share, and a load of their own."""
    random = np.random.default_rng(day)
    hours = np.arange(1, 24, 2.0)
    base = 40 + 5 * np.sin((hours - 8) / 12 * np.pi) + random.uniform(-5, 5)
    shared = base + np.cumsum(random.normal(0, 0.8, len(hours)))
    shape = (len(hours), len(SENSORS))
    heat = np.round(shared[:, np.newaxis] + random.normal(0, 0.4, shape), 1).ravel()
    count = len(heat)
    return {
        "id": texts([f"r{day * count + number:07d}" for number in range(count)]),
        "at": times(np.full(count, FIRST + day), np.repeat(hours, len(SENSORS))),
        "sensor": texts([*SENSORS] * len(hours)),
        "heat": heat,
        "damp": np.round(80 - heat + random.normal(0, 1, count), 1),
        "load": np.round(random.gamma(5, 10, count), 1),
    }


# --- meters: what the rows before of the same thing tell ---

METERS = Schema(
    "Meter",
    (
        KEY,
        EVENT,
        Field("meter", "str"),
        Field("reading", "float"),
        *(Field(name, "float", optional=True) for name in ("prior", "used", "since")),
        *(Field(name, "float", optional=True) for name in ("visits", "week")),
    ),
)


def meters(days: int) -> pd.DataFrame:
    """Readings of forty meters, with what pandas tells of the rows before."""
    random = np.random.default_rng(0)
    rows = []
    for day in range(days):
        for meter in np.flatnonzero(random.random(40) < 0.7).tolist():
            hours = np.sort(random.choice(np.arange(24 * 60), random.integers(1, 3), False)) / 60
            rows += [(FIRST + day, hour, f"m{meter:02d}") for hour in hours.tolist()]
    frame = pd.DataFrame(rows, columns=["day", "hour", "meter"])
    frame["at"] = times(frame["day"].to_numpy(), frame["hour"].to_numpy())
    frame = frame.sort_values("at", kind="stable", ignore_index=True)
    frame["id"] = [f"x{number:06d}" for number in range(len(frame))]
    frame["used"] = random.integers(1, 50, len(frame)).astype(float)
    by_meter = frame.groupby("meter")
    frame["reading"] = by_meter["used"].cumsum() + 1000 * by_meter.ngroup()
    frame["prior"] = by_meter["reading"].shift()
    frame["since"] = by_meter["at"].diff() / pd.Timedelta(minutes=1)
    daily = frame.pivot_table("used", "day", "meter", ["count", "sum"], fill_value=0)
    before = daily.astype(float).rolling(7).sum().shift()
    keys = pd.MultiIndex.from_frame(frame[["day", "meter"]])
    for name, what in (("visits", "count"), ("week", "sum")):
        frame[name] = before[what].stack().reindex(keys).to_numpy()
    return frame


def meter_columns(days: int) -> Columns:
    """The same as columns."""
    frame = meters(days)
    return {
        one.name: texts(frame[one.name].tolist())
        if one.declared == "str"
        else frame[one.name].to_numpy()
        for one in METERS
    }
