"""Clean worlds: tables of several kinds whose days go on as they were, so that each error is false.

Nothing is tuned on them. Each is a process by itself, with what tables have: closed days, outages,
promotions, few rows, values that are missing for a reason, numbers that grow.
"""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.schema import Field, Schema
from lockstep.laws.book import discover
from lockstep.laws.earlier import Earlier
from lockstep.laws.law import Broken

TRAINING, SCORED = 60, 40
START = np.datetime64("2021-01-04", "us")  # a Monday
KEYS = (Field("id", "str", role="key"), Field("at", "datetime", role="event_time"))
Day = Columns | None
"""The rows of a day; None where there are none."""


def world(schema: Schema, day: int, minutes: Array, /, **columns: Array) -> Columns:
    """The rows of a day, with keys and event times."""
    ids = np.array([f"{day}-{row}" for row in range(len(minutes))], dtype=object)
    at = START + np.timedelta64(day, "D") + minutes * np.timedelta64(1, "m")
    texts = {one.name for one in schema if one.declared == "str"}
    values = {name: one.astype(object) if name in texts else one for name, one in columns.items()}
    return {"id": ids, "at": at, **values}


CLINIC = Schema(
    "Visit",
    (
        *KEYS,
        Field("doctor", "str"),
        Field("kind", "str"),
        Field("minutes", "int"),
        Field("fee", "float"),
        Field("pulse", "float", optional=True),  # of some kinds only
    ),
)


def clinic(random: np.random.Generator) -> Iterator[Day]:
    """Some twenty visits a day, from Monday to Friday; a doctor is away now and then."""
    kinds, lengths, fees = np.array(["check", "shot", "talk"]), np.array([30, 10, 20]), [40, 25, 60]
    for day in range(TRAINING + SCORED):
        if day % 7 > 4:
            yield None
            continue
        there = np.flatnonzero(random.random(3) > 0.08)
        doctor = there[random.integers(0, max(len(there), 1), random.poisson(7 * len(there)))]
        kind = random.choice(3, len(doctor), p=[0.5, 0.3, 0.2])
        pulse = np.where(kind == 0, random.normal(72, 9, len(doctor)).round(), np.nan)
        yield world(
            CLINIC,
            day,
            np.sort(random.integers(48, 100, len(doctor))) * 10,
            doctor=np.array(["Adler", "Busch", "Conrad"])[doctor],
            kind=kinds[kind],
            minutes=lengths[kind],
            fee=np.array(fees, dtype=np.float64)[kind],
            pulse=pulse,
        )


SHOPS = Schema(
    "Sale",
    (
        *KEYS,
        Field("shop", "int"),
        Field("region", "str"),
        Field("sold", "int"),
        Field("guests", "int"),
        Field("is_promoted", "bool"),
        Field("temp", "float"),
        Field("wasted", "float"),
    ),
)


def shops(random: np.random.Generator) -> Iterator[Day]:
    """Thirty shops, a row a day each; closed on holidays, promotions last a week."""
    usual, region = np.exp(random.normal(4.5, 0.5, 30)), random.choice(["N", "S"], 30)
    promoted, warmth = False, 0.0
    for day in range(TRAINING + SCORED):
        promoted = bool(random.random() < 0.25) if day % 7 == 0 else promoted
        warmth = 0.8 * warmth + random.normal(0, 1.5)
        week = (1, 0.95, 0.95, 1, 1.2, 1.4, 0.3)[day % 7] * (1.25 if promoted else 1)
        guests = random.poisson(usual * week * (day not in (25, 44, 71)) * 0.7)
        sold = random.poisson(guests * 1.6)
        temp = np.round(10 - 9 * np.cos(day / 58) + warmth + random.normal(0, 0.7, 2), 1)
        yield world(
            SHOPS,
            day,
            np.zeros(30),
            shop=np.arange(30) + 101,
            region=region,
            sold=sold,
            guests=guests,
            is_promoted=np.full(30, promoted),
            temp=temp[(region == "S").astype(int)],
            wasted=np.round(random.exponential(0.03, 30) * sold, 1),
        )


GARAGES = Schema(
    "Garage",
    (
        *KEYS,
        Field("garage", "str"),
        Field("capacity", "float"),
        Field("free", "float", optional=True),
        Field("entries", "float", optional=True),
        Field("entries_ever", "float"),
    ),
)


def garages(random: np.random.Generator) -> Iterator[Day]:
    """Eight garages by the hour, of which one tells nothing of its places on some days."""
    capacity, out_of_order = np.array([80.0, 120, 200, 350] * 2), -1
    ever = random.integers(10_000, 99_999, 8).astype(np.float64)
    for day in range(TRAINING + SCORED):
        out_of_order = int(random.integers(8)) if random.random() < 0.08 else -1
        hour, garage = np.divmod(np.arange(24 * 8), 8)
        busy = np.exp(-(((hour - 12) / 5) ** 2)) * (0.4 if day % 7 == 6 else 1.0)
        entries = random.poisson(capacity[garage] * 0.12 * busy).astype(np.float64)
        totals = ever + entries.reshape(24, 8).cumsum(axis=0)
        ever = totals[-1]
        free = np.round(capacity[garage] * (1 - 0.8 * busy)) - random.integers(0, 9, len(hour))
        is_told = garage != out_of_order
        yield world(
            GARAGES,
            day,
            hour * 60,
            garage=np.array([f"G{one}" for one in garage]),
            capacity=capacity[garage],
            free=np.where(is_told, free, np.nan),
            entries=np.where(is_told, entries, np.nan),
            entries_ever=totals.ravel(),
        )


def findings(schema: Schema, days: list[Day]) -> list[list[Broken]]:
    """What each scored day breaks of the laws of those before."""
    past = [one for one in days[:TRAINING] if one is not None]
    columns = {name: np.concatenate([one[name] for one in past]) for name in schema.names}
    book = discover(columns, schema)
    earlier: list[Earlier] = []
    found = []
    for number, day in enumerate(days):
        if day is None or number < TRAINING - 28:
            continue
        name = str((START + np.timedelta64(number, "D")).astype("datetime64[D]"))
        rows = book.rows(day, schema, name, earlier[-28:])
        if number >= TRAINING:
            found.append(book.find(rows))
        earlier.append(book.remembered(rows, name))
    return found


@pytest.mark.parametrize(
    ("schema", "days"),
    [(CLINIC, clinic), (SHOPS, shops), (GARAGES, garages)],
    ids=["clinic", "shops", "garages"],
)
def test_a_clean_world_has_no_error_and_hardly_a_warning(
    schema: Schema, days: Callable[[np.random.Generator], Iterator[Day]]
) -> None:
    found = findings(schema, list(days(np.random.default_rng(1))))
    assert [one.message for day in found for one in day if one.strict] == []
    assert sum(bool(day) for day in found) <= max(0.1 * len(found), 2)
