"""A small checkout: a pipeline on made-up voyages, and changes of its source."""

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from lockstep.columns.kinds import Array, Columns
from lockstep.columns.pipeline import Pipeline, Trace
from lockstep.parity.comparison import Comparison, compare
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.scales import Scales
from lockstep.parity.selection import choose_golden

VOYAGES = '''"""Voyages: will a ship arrive late?"""

import math

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from lockstep import (
    Bools, EventTime, Floats, Ints, Key, Outcome, Pipeline, Record, Texts, Times,
    feature, label, model, output,
)


class Departure(Record):
    voyage: Key[str]
    sails_at: EventTime
    port: str | None
    crew: int
    cargo: float | None  # tonnes
    decks: int | None
    insured: bool | None
    flag: bool


class Arrival(Outcome):
    delay: float | None  # hours


@feature
def hour(sails_at: Times) -> Ints:
    """Hour of the day, UTC."""
    return sails_at.astype("datetime64[h]").astype(np.int64) % 24


@feature
def load(cargo: Floats, crew: Ints) -> Floats:
    """Tonnes per head."""
    return cargo / np.maximum(crew, 1)


@feature
def port_known(port: Texts) -> Texts:
    """The port, or a word if it is not known."""
    return np.array([one if one is not None else "unknown" for one in port], dtype=object)


@feature
def heavy(load: Floats) -> Bools:
    """Whether there are more than two tonnes per head."""
    return load > 2


@feature
def rested(sails_at: Times, decks: Floats) -> Times:
    """A day before for each deck; missing where the decks are."""
    days = np.where(np.isnan(decks), 0, decks).astype("timedelta64[D]")
    return np.where(np.isnan(decks), np.datetime64("NaT", "us"), sails_at - days)


@label
def late(delay: Floats) -> Bools:
    """Whether it is more than an hour late."""
    return np.isnan(delay) | (delay > 1)


@label
def hours_late(delay: Floats) -> Floats:
    """Hours, at most a day."""
    return np.fmin(delay, 24.0)


@model(learns=late, uses=["crew", hour, port_known], ulps=64)
def chance():
    """Probability that it is late."""
    numbers = (StandardScaler(), ["crew", "hour"])
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    prepare = make_column_transformer(numbers, (words, ["port_known"]))
    return make_pipeline(prepare, LogisticRegression())


@model(learns=hours_late, uses=[chance, heavy, hour, load])
def wait():
    """Hours of delay; given its columns as they are."""
    return DecisionTreeRegressor(max_depth=4, random_state=0)


@output
def will_be_late(chance: Floats) -> Bools:
    """Whether it is more probable than not."""
    return chance >= 0.5


@output
def risk(chance: Floats) -> Texts:
    """A word for it."""
    return np.where(chance < 0.3, "low", np.where(chance < 0.6, "fair", "high")).astype(object)


PIPELINE = Pipeline(__name__, record=Departure, outcome=Arrival)
'''

LOAD = "    return cargo / np.maximum(crew, 1)\n"

_NUMBERS = count()

Build = Callable[..., Pipeline]


def voyages(rows: int = 120, seed: int = 0) -> Columns:
    """Voyages with their delays, in canonical form."""
    random = np.random.default_rng(seed)
    ports = np.array(["Oslo", "Riga", "Turku", 'Lübeck, "old"', "", None], dtype=object)
    crew = random.integers(1, 30, rows)
    hours = random.integers(0, 24 * 365 * 3_600, rows) * 1_000_000 + random.integers(0, 10**6, rows)
    delay = random.normal(1, 2, rows) + crew / 10
    return {
        "voyage": np.array([f"V{row:04d}" for row in range(rows)], dtype=object),
        "sails_at": np.datetime64("2013-01-01T00:00:00.000000") + hours.astype("timedelta64[us]"),
        "port": ports[random.integers(0, len(ports), rows)],
        "crew": crew,
        "cargo": _with_gaps(random.lognormal(3, 1, rows), random),
        "decks": _with_gaps(random.integers(1, 9, rows).astype(float), random),
        "insured": _with_gaps(random.integers(0, 2, rows).astype(float), random),
        "flag": random.random(rows) < 0.5,
        "delay": _with_gaps(delay, random),
    }


def _with_gaps(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.where(random.random(len(values)) < 0.1, np.nan, values)


COLUMNS = voyages()
"""Rows with their outcome, read-only."""
for _values in COLUMNS.values():
    _values.flags.writeable = False


@pytest.fixture(scope="session")
def checkouts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory of modules that can be imported."""
    directory = tmp_path_factory.mktemp("checkouts")
    sys.path.insert(0, str(directory))
    yield directory
    sys.path.remove(str(directory))


@pytest.fixture(scope="session")
def import_source(checkouts: Path) -> Callable[[str], ModuleType]:
    """A function from a source to the module that it makes."""

    def import_source(source: str) -> ModuleType:
        name = f"voyages_{next(_NUMBERS)}"
        (checkouts / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return import_source


@pytest.fixture(scope="session")
def build(import_source: Callable[[str], ModuleType]) -> Build:
    """A function from edits of the pipeline's source to the pipeline."""

    def build(*edits: tuple[str, str]) -> Pipeline:
        source = VOYAGES
        for old, new in edits:
            assert source.count(old) == 1, f"{old!r} must be in the source, once"
            source = source.replace(old, new)
        pipeline: Pipeline = import_source(source).PIPELINE
        return pipeline

    return build


@pytest.fixture(scope="session")
def pipeline(build: Build) -> Pipeline:
    """The pipeline, fitted."""
    return build().fit(COLUMNS)


@pytest.fixture(scope="session")
def trace(pipeline: Pipeline) -> Trace:
    """What the pipeline computes of the rows, with labels and matrices."""
    return pipeline.trace(COLUMNS, labels=True, matrices=True)


@pytest.fixture(scope="session")
def compared(pipeline: Pipeline, trace: Trace) -> Callable[..., Comparison]:
    """A function that compares a trace with the one above, or with another."""

    def compared(actual: Trace, expected: Trace = trace, **chosen: Any) -> Comparison:
        return compare(expected, actual, pipeline.graph, **{"scales": Scales(), **chosen})

    return compared


@pytest.fixture(scope="session")
def golden(pipeline: Pipeline) -> GoldenRecords:
    """Sixty golden records of the rows."""
    return choose_golden(pipeline, COLUMNS, limit=60)


@pytest.fixture(scope="session")
def with_load(build: Build) -> Callable[..., Pipeline]:
    """A function to the pipeline whose column `load` is computed by some lines."""

    def with_load(*lines: str) -> Pipeline:
        return build((LOAD, "".join(f"    {line}\n" for line in lines)))

    return with_load


def traced(trace: Trace, column: str, values: Any) -> Trace:
    """The trace with other values of a column."""
    return replace(trace, columns={**trace.columns, column: values})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def arrays_of(dtype: str, values: st.SearchStrategy[Any], rows: int) -> st.SearchStrategy[Array]:
    """Columns of that many values."""
    return st.lists(values, min_size=rows, max_size=rows).map(lambda made: np.array(made, dtype))
