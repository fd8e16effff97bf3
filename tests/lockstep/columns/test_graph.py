"""Building and evaluating the column graph."""

import importlib
import sys
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from lockstep.columns.decorators import feature, label, model, output
from lockstep.columns.kinds import Bools, Columns, Floats, Ints, Texts
from lockstep.columns.nodes import Column
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import ReferencePredictor
from lockstep.columns.records import Key, Outcome, Record
from lockstep.errors import (
    CycleError,
    DeclarationError,
    DefinitionError,
    DuplicateNameError,
    FunctionError,
    InputError,
    LeakageError,
    NotFittedError,
    UnknownInputError,
)

from .conftest import build, named, named_model


class Trip(Record):
    trip_id: Key[str]
    distance: float
    minutes: float | None
    passengers: int
    zone: Literal["north", "south"]


class Fare(Outcome):
    fare: float | None


speed = named("speed", lambda distance, minutes: 60 * distance / minutes)
is_fast = named("is_fast", lambda speed: speed > 30, returns=Bools)
price = named("price", lambda fare: fare, label)
is_dear = named("is_dear", lambda price: price > 50, label, Bools)
expected_price = named_model(
    "expected_price", DummyRegressor, learns=price, uses=[speed, "distance"], ulps=16
)
dear_probability = named_model(
    "dear_probability", DummyClassifier, learns=is_dear, uses=["distance", expected_price], ulps=4
)
offered_price = named("offered_price", lambda expected_price: np.round(expected_price, 2), output)
ALL = (offered_price, dear_probability, expected_price, is_dear, price, is_fast, speed)


GRAPH = build(*ALL, record=Trip, outcome=Fare).graph


def trips(**changes: Any) -> Columns:
    """Two trips."""
    columns: Columns = {
        "trip_id": np.array(["a", "b"], dtype=object),
        "distance": np.array([10.0, 2.0]),
        "minutes": np.array([15.0, np.nan]),
        "passengers": np.array([1, 2]),
        "zone": np.array(["north", "south"], dtype=object),
    }
    return columns | changes


# Structure


def test_columns_are_ordered_after_their_inputs() -> None:
    order = GRAPH.order
    assert order[:6] == ("trip_id", "distance", "minutes", "passengers", "zone", "fare")
    assert set(order[6:]) == {column.name for column in ALL}
    for column in ALL:
        assert all(order.index(name) < order.index(column.name) for name in column.inputs)


def test_columns_are_listed_by_role_and_served_ones_need_no_outcome() -> None:
    assert set(GRAPH.features) == {"speed", "is_fast"}
    assert GRAPH.labels == ("price", "is_dear")
    assert GRAPH.models == ("expected_price", "dear_probability")
    assert GRAPH.outputs == ("offered_price",)
    assert set(GRAPH.served) == set(GRAPH.order) - {"fare", "price", "is_dear"}


@pytest.mark.parametrize(
    ("name", "fields", "ancestors", "models"),
    [
        ("zone", {"zone"}, set(), set()),
        ("is_fast", {"distance", "minutes"}, {"speed", "distance", "minutes"}, set()),
        ("is_dear", {"fare"}, {"price", "fare"}, set()),
        ("expected_price", {"distance", "minutes"}, {"speed", "distance", "minutes"}, set()),
        (
            "dear_probability",
            {"distance", "minutes"},
            {"expected_price", "speed", "distance", "minutes"},
            {"expected_price"},
        ),
    ],
)
def test_a_column_comes_from_fields_through_columns_and_models(
    name: str, fields: set[str], ancestors: set[str], models: set[str]
) -> None:
    assert GRAPH.lineage(name) == fields
    assert GRAPH.ancestors(name) == ancestors
    assert GRAPH.models_behind(name) == models


def test_a_budget_is_inherited_by_floats_alone() -> None:
    is_offered = named("is_offered", lambda offered_price: offered_price > 0, output, Bools)
    by_hand = output(ulps=2)
    rough_price = named("rough_price", lambda expected_price: np.round(expected_price, 0), by_hand)
    graph = build(*ALL, is_offered, rough_price, record=Trip, outcome=Fare).graph
    assert {name: graph.ulps(name) for name in graph.order if graph.ulps(name)} == {
        "expected_price": 16,
        "dear_probability": 16,
        "offered_price": 16,
        "rough_price": 2,
    }


def test_budgets_of_a_deep_graph_are_found_quickly() -> None:
    columns: list[Column] = []
    for depth in range(60):
        below = f"sum_{depth - 1}" if depth else "distance"
        space: dict[str, Any] = {}
        exec(f"def sum_{depth}({below}, passengers):\n    return {below} + passengers", space)
        exec(f"def twin_{depth}({below}, sum_{depth}):\n    return sum_{depth}", space)
        columns += [feature(space[f"sum_{depth}"]), feature(space[f"twin_{depth}"])]
    graph = build(*columns, record=Trip).graph
    assert graph.ulps("twin_59") == 0  # takes 2^60 steps if paths are walked one by one


# What a graph cannot be


def learnt(name: str, learns: Any, uses: Any = "distance", **options: Any) -> Any:
    return named(name, lambda: None, model(learns=learns, uses=[uses], **options))


cost, at = partial(named, "cost"), r"cost \(columns/test_graph\.py:\d+\) "
known_after = "which is known only after the fact"
FIRST, SECOND = cost(lambda distance: 0), cost(lambda distance: 1)
BAND = learnt("band", price, classes=["low", "high"])
CLASS = named("fare_class", lambda minutes: 0, label, Texts)
REFUSED: dict[str, tuple[type[Exception], str, list[Any]]] = {
    "an input that is like another": (
        UnknownInputError,
        rf"^Feature {at}asks for 'distanse', .* of Trip with Fare .* mean 'distance'\?$",
        [cost(lambda distanse: 0)],
    ),
    "an input that is like no other": (
        UnknownInputError,
        rf"^Feature {at}asks for 'xyzzy', which is neither a field .* nor a column\.$",
        [cost(lambda xyzzy: 0)],
    ),
    "a model's column": (
        UnknownInputError,
        rf"^Model {at}asks for 'sped', .* mean 'speed'\?$",
        [learnt("cost", price, "sped"), price, speed],
    ),
    "a model's label": (
        UnknownInputError,
        rf"^Model {at}asks for 'prise', .* mean 'price'\?$",
        [learnt("cost", "prise"), price],
    ),
    "a circle": (
        CycleError,
        "a ← c ← b ← a|b ← a ← c ← b|c ← b ← a ← c",
        [named("a", lambda c: 0), named("b", lambda a: 0), named("c", lambda b, distance: 0)],
    ),
    "a column of itself": (CycleError, "own ← own", [named("own", lambda own: 0)]),
    "two columns of one name": (
        DuplicateNameError,
        f"'cost' .* at {FIRST.location} and at {SECOND.location}",
        [FIRST, SECOND],
    ),
    "a column of a field's name": (
        DuplicateNameError,
        r"^Feature fare \(.*\) has the name of a field of Fare",
        [named("fare", lambda distance: 0)],
    ),
    "a probability of a column's name": (
        DuplicateNameError,
        r"^Model band \(.*\) gives a column 'band_low', a name that is taken",
        [price, BAND, named("band_low", lambda distance: 0)],
    ),
    "a feature of the outcome": (
        LeakageError,
        rf"^Feature {at}depends on 'fare', {known_after} \(cost ← fare\)",
        [cost(lambda distance, fare: 0)],
    ),
    "an output of the outcome": (
        LeakageError,
        rf"^Output {at}depends on 'fare', {known_after} \(cost ← fare\)",
        [cost(lambda distance, fare: 0, output)],
    ),
    "a model of a label": (
        LeakageError,
        rf"^Model {at}depends on 'price', {known_after} \(cost ← price\)",
        [price, is_dear, learnt("cost", is_dear, price)],
    ),
    "an output of a label through others": (
        LeakageError,
        rf"^Output {at}depends on 'is_dear', {known_after} \(cost ← a ← b ← is_dear\)",
        [
            cost(lambda a: 0, output),
            named("a", lambda b: 0),
            named("b", lambda is_dear: 0),
            price,
            is_dear,
        ],
    ),
    "a model that learns no label": (
        DeclarationError,
        rf"^Model {at}learns 'speed', which is no label",
        [speed, learnt("cost", speed)],
    ),
    "a column of a model whose classes are not known": (
        DeclarationError,
        r"^Model likely .* learns 'fare_class', which holds Texts, .* as classes=\[\.\.\.\]",
        [CLASS, learnt("likely", CLASS), named("chance", lambda likely_cheap: 0, output)],
    ),
    "a label of a model": (
        DeclarationError,
        "^Label surprise .* depends on the model 'expected_price'",
        [*ALL, named("surprise", lambda price, expected_price: 0, label)],
    ),
    "a field annotated as another kind": (
        DeclarationError,
        rf"^Feature {at}says that minutes holds Ints, but it holds Floats \(.*float \| None\)",
        [cost(lambda minutes: 0, minutes=Ints)],
    ),
    "a column annotated as another kind": (
        DeclarationError,
        rf"^Feature {at}says that speed holds Texts, but it holds Floats\.$",
        [speed, cost(lambda speed: 0, speed=Texts)],
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_graph_that_makes_no_sense_is_refused_with_its_column(what: str) -> None:
    error, message, columns = REFUSED[what]
    with pytest.raises(error, match=message) as found:
        build(*columns, record=Trip, outcome=Fare)
    assert found.type is error


def test_a_field_of_record_and_outcome_is_refused() -> None:
    class Later(Outcome):
        distance: float

    with pytest.raises(DuplicateNameError, match="'distance' is a field of both Trip and Later"):
        build(record=Trip, outcome=Later)


def test_a_function_defined_twice_in_a_module_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "defined_twice.py").write_text(
        "from lockstep import Key, Pipeline, Record, feature\n"
        "class Trip(Record):\n    trip_id: Key[str]\n    distance: float\n"
        "@feature\ndef cost(distance):\n    return distance\n"
        "@feature\ndef cost(distance):\n    return 2 * distance\n"
        "Pipeline(__name__, record=Trip)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DuplicateNameError, match=r"^defined_twice: 'cost' .* lines 6 and 9"):
        importlib.import_module("defined_twice")
    sys.modules.pop("defined_twice", None)


def test_a_pipeline_of_no_module_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"no module 'no\.such\.module'"):
        Pipeline("no.such.module", record=Trip)


# Evaluation


def test_evaluation_adds_what_is_wanted_and_needed_and_makes_it_read_only() -> None:
    given = trips()
    found = GRAPH.evaluate(given, ["is_fast"])
    assert set(found) == {*given, "speed", "is_fast"}
    assert found["is_fast"].tolist() == [True, False]
    assert not any(array.flags.writeable for array in found.values())
    assert all(array.flags.writeable for array in given.values())


def test_a_column_that_is_given_is_not_computed() -> None:
    found = GRAPH.evaluate(trips(speed=np.array([1.0, 99.0])), ["is_fast"])
    assert found["is_fast"].tolist() == [False, True]


def test_a_prediction_that_is_given_is_kept() -> None:
    group = named("group", lambda fare: 1 / 0, label, Texts)
    band = learnt("band", group, classes=["low", "high"])
    fitted = DummyClassifier().fit([[0.0], [1.0], [2.0]], ["low", "high", "low"])
    given = np.array(["high", "high"], dtype=object)
    graph = build(group, band, record=Trip, outcome=Fare).graph
    found = graph.evaluate(
        trips(band=given), ["band", "band_low"], {"band": ReferencePredictor(band, fitted)}
    )
    assert found["band"].tolist() == ["high", "high"]
    assert found["band_low"].tolist() == [2 / 3, 2 / 3]


def test_a_warning_of_numpy_about_numbers_is_not_shown() -> None:
    found = GRAPH.evaluate(trips(minutes=np.zeros(2)), ["speed"])
    assert found["speed"].tolist() == [np.inf, np.inf]


@pytest.mark.parametrize(
    ("given", "wanted", "error", "message"),
    [
        ({"distance": np.zeros(1)}, "speed", InputError, "The field 'minutes' is needed"),
        (trips(), "velocity", KeyError, "There is no column 'velocity'"),
        (trips(), "offered_price", NotFittedError, r"^Model expected_price \(.* is not fitted"),
    ],
    ids=["no field", "no column", "no fitted model"],
)
def test_what_is_needed_and_not_there_is_named(
    given: Columns, wanted: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        GRAPH.evaluate(given, [wanted])


def test_a_function_that_raises_is_named() -> None:
    @feature
    def rate(zone: Texts) -> Floats:
        return np.array([{"north": 1.0}[name] for name in zone])

    graph = build(rate, record=Trip).graph
    with pytest.raises(FunctionError) as found:
        graph.evaluate(trips(), ["rate"])
    assert str(found.value) == f"{rate.title} raised KeyError: 'south'"
    assert found.value.column == "rate"
    assert isinstance(found.value.__cause__, KeyError)


def by_count(passengers: Ints) -> Floats:
    return np.array([{1: 2.5, 2: 5.0}[count] for count in passengers.tolist()])


def test_a_function_that_raises_on_example_rows_alone_is_let_through() -> None:
    rate = feature(by_count)
    graph = build(rate, record=Trip).graph
    assert graph.unprobed == {"by_count": f"{rate.title} raised KeyError: 0"}
    assert graph.evaluate(trips(), ["by_count"])["by_count"].tolist() == [2.5, 5.0]


def test_a_function_that_raises_and_does_not_say_what_it_returns_is_refused() -> None:
    def rate(passengers):  # type: ignore[no-untyped-def]
        return by_count(passengers)

    with pytest.raises(FunctionError, match=r"raised KeyError: 0 on example rows, .* -> Floats"):
        build(feature(rate), record=Trip)


@pytest.mark.parametrize("kinds", [{}, {"minutes": Floats, "return": Floats}])
def test_a_function_that_writes_to_its_input_is_named_at_building(kinds: dict[str, Any]) -> None:
    def filled(minutes):  # type: ignore[no-untyped-def]
        minutes[np.isnan(minutes)] = 0
        return minutes

    filled.__annotations__ = kinds
    with pytest.raises(FunctionError, match=r"^Feature filled .* destination is read-only\. Arra"):
        build(feature(filled), record=Trip)


def test_a_function_that_writes_to_its_input_is_named_at_evaluation() -> None:
    @feature
    def capped(passengers: Ints) -> Ints:
        if passengers.max() > 1:
            passengers.sort()
        return passengers

    graph = build(capped, record=Trip).graph
    with pytest.raises(FunctionError, match=r"^Feature capped .* sort array is read-only\. Arrays"):
        graph.evaluate(trips(), ["capped"])
