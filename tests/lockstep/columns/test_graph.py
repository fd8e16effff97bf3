"""Building and evaluating the column graph."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor

from lockstep.columns.decorators import feature, label, model, output
from lockstep.columns.kinds import Bools, Columns, Floats, Ints, Kind, Texts
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

Build = Callable[..., Pipeline]


class Trip(Record):
    """A trip in a taxi."""

    trip_id: Key[str]
    distance: float
    minutes: float | None
    passengers: int
    zone: Literal["north", "south"]


class Fare(Outcome):
    """What it cost in the end."""

    fare: float | None


@feature
def speed(distance: Floats, minutes: Floats) -> Floats:
    """Miles per hour."""
    return 60 * distance / minutes


@feature
def is_fast(speed: Floats) -> Bools:
    """Whether it was faster than 30 miles per hour."""
    return speed > 30


@label
def price(fare: Floats) -> Floats:
    """Dollars."""
    return fare


@label
def is_dear(price: Floats) -> Bools:
    """Whether it cost more than 50 dollars."""
    return price > 50


@model(learns=price, uses=[speed, "distance"], ulps=16)
def expected_price() -> Any:
    """Expected dollars."""
    return DummyRegressor()


@model(learns=is_dear, uses=["distance", expected_price], ulps=4)
def dear_probability() -> Any:
    """Probability that it is dear."""
    return DummyClassifier()


@output
def offered_price(expected_price: Floats) -> Floats:
    """Dollars, in full cents."""
    return np.round(expected_price, 2)


ALL = (offered_price, dear_probability, expected_price, is_dear, price, is_fast, speed)


@pytest.fixture
def pipeline(build: Build) -> Pipeline:
    return build(*ALL, record=Trip, outcome=Fare)


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


def refused(build: Build, *columns: Column, error: type[Exception]) -> str:
    """The message with which a graph of these columns is refused."""
    with pytest.raises(error) as found:
        build(*columns, record=Trip, outcome=Fare)
    assert found.type is error
    return str(found.value)


# Structure


def test_columns_are_ordered_after_their_inputs(pipeline: Pipeline) -> None:
    order = pipeline.graph.order

    assert order[:6] == ("trip_id", "distance", "minutes", "passengers", "zone", "fare")
    assert set(order[6:]) == {column.name for column in ALL}
    for column in ALL:
        assert all(order.index(name) < order.index(column.name) for name in column.inputs)


def test_columns_are_listed_by_role(pipeline: Pipeline) -> None:
    graph = pipeline.graph

    assert set(graph.features) == {"speed", "is_fast"}
    assert graph.labels == ("price", "is_dear")
    assert graph.models == ("expected_price", "dear_probability")
    assert graph.outputs == ("offered_price",)


def test_served_columns_need_no_outcome(pipeline: Pipeline) -> None:
    assert not {"fare", "price", "is_dear"} & set(pipeline.graph.served)
    assert len(pipeline.graph.served) == len(pipeline.graph.order) - 3


def test_lineage_is_the_fields_in_the_end(pipeline: Pipeline) -> None:
    graph = pipeline.graph

    assert graph.lineage("is_fast") == {"distance", "minutes"}
    assert graph.lineage("offered_price") == {"distance", "minutes"}
    assert graph.lineage("is_dear") == {"fare"}
    assert graph.lineage("zone") == {"zone"}


def test_ancestors_are_all_columns_on_the_way(pipeline: Pipeline) -> None:
    assert pipeline.graph.ancestors("is_fast") == {"speed", "distance", "minutes"}


def test_models_behind_a_column_are_those_it_depends_on(pipeline: Pipeline) -> None:
    graph = pipeline.graph

    assert graph.models_behind("dear_probability") == {"expected_price"}
    assert graph.models_behind("expected_price") == frozenset()
    assert graph.models_behind("offered_price") == {"expected_price"}


def test_a_budget_is_inherited_by_floats_alone(build: Build) -> None:
    @output
    def is_offered(offered_price: Floats) -> Bools:
        return offered_price > 0

    @output(ulps=2)
    def rough_price(expected_price: Floats) -> Floats:
        return np.round(expected_price)

    graph = build(*ALL, is_offered, rough_price, record=Trip, outcome=Fare).graph

    budgets = {name: graph.ulps(name) for name in graph.order if graph.ulps(name)}
    assert budgets == {
        "expected_price": 16,
        "dear_probability": 16,
        "offered_price": 16,
        "rough_price": 2,
    }


def test_budgets_of_a_deep_graph_are_found_quickly(build: Build) -> None:
    columns: list[Column] = []
    for depth in range(60):
        below = f"sum_{depth - 1}" if depth else "distance"
        space: dict[str, Any] = {}
        exec(f"def sum_{depth}({below}, passengers):\n    return {below} + passengers", space)
        columns.append(feature(space[f"sum_{depth}"]))
        exec(f"def twin_{depth}({below}, sum_{depth}):\n    return sum_{depth}", space)
        columns.append(feature(space[f"twin_{depth}"]))

    graph = build(*columns, record=Trip).graph

    assert graph.ulps("twin_59") == 0  # takes 2^60 steps if paths are walked one by one


def test_a_kind_without_annotation_is_seen_on_example_rows(build: Build) -> None:
    @feature
    def group(passengers):  # type: ignore[no-untyped-def]
        return np.where(passengers > 1, "many", "one").astype(object)

    @feature
    def half(passengers):  # type: ignore[no-untyped-def]
        return passengers / 2

    graph = build(group, half, record=Trip).graph

    assert (graph.kind("group"), graph.kind("half")) == (Kind.TEXT, Kind.FLOAT)


# What a graph cannot be


def test_an_unknown_input_is_named_with_the_nearest_name(build: Build) -> None:
    @feature
    def cost(distanse: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, cost, error=UnknownInputError) == (
        f"{cost.title} asks for 'distanse', which is neither a field of Trip with Fare nor a "
        "column. Did you mean 'distance'?"
    )


def test_an_unknown_input_like_no_other_is_named(build: Build) -> None:
    @feature
    def cost(xyzzy: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, cost, error=UnknownInputError) == (
        f"{cost.title} asks for 'xyzzy', which is neither a field of Trip with Fare nor a column."
    )


def test_an_unknown_column_of_a_model_is_named(build: Build) -> None:
    @model(learns=price, uses=["sped"])
    def cost() -> Any:
        raise NotImplementedError

    assert refused(build, cost, price, speed, error=UnknownInputError) == (
        f"{cost.title} asks for 'sped', which is neither a field of Trip with Fare nor a column. "
        "Did you mean 'speed'?"
    )


def test_an_unknown_label_of_a_model_is_named(build: Build) -> None:
    @model(learns="prise", uses=["distance"])
    def cost() -> Any:
        raise NotImplementedError

    assert refused(build, cost, price, error=UnknownInputError) == (
        f"{cost.title} asks for 'prise', which is neither a field of Trip with Fare nor a column. "
        "Did you mean 'price'?"
    )


def test_a_circle_is_spelled_out(build: Build) -> None:
    @feature
    def first(third: Floats) -> Floats:
        raise NotImplementedError

    @feature
    def second(first: Floats) -> Floats:
        raise NotImplementedError

    @feature
    def third(second: Floats, distance: Floats) -> Floats:
        raise NotImplementedError

    message = refused(build, first, second, third, error=CycleError)

    circles = [
        "first ← third ← second ← first",
        "second ← first ← third ← second",
        "third ← second ← first ← third",
    ]
    assert message in [f"Columns depend on each other in a circle: {one}." for one in circles]


def test_a_column_of_itself_is_a_circle(build: Build) -> None:
    @feature
    def own(own: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, own, error=CycleError) == (
        "Columns depend on each other in a circle: own ← own."
    )


def test_two_columns_of_one_name_are_both_located(build: Build) -> None:
    def make(factor: int) -> Column:
        @feature
        def cost(distance: Floats) -> Floats:
            return factor * distance

        return cost

    first, second = make(1), make(2)

    assert refused(build, first, second, error=DuplicateNameError) == (
        f"'cost' is defined twice: at {first.location} and at {second.location}."
    )


def test_a_column_named_like_a_field_is_refused(build: Build) -> None:
    @feature
    def fare(distance: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, fare, error=DuplicateNameError) == (
        f"{fare.title} has the name of a field of Fare; rename one."
    )


def test_a_field_of_record_and_outcome_is_refused(build: Build) -> None:
    class Later(Outcome):
        distance: float

    with pytest.raises(DuplicateNameError) as found:
        build(record=Trip, outcome=Later)
    assert str(found.value) == "'distance' is a field of both Trip and Later; rename one."


def test_a_probability_named_like_a_column_is_refused(build: Build) -> None:
    @model(learns=price, uses=["distance"], classes=["low", "high"])
    def band() -> Any:
        raise NotImplementedError

    @feature
    def band_low(distance: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, price, band_low, band, error=DuplicateNameError) == (
        f"{band.title} gives a column 'band_low', a name that is taken already; rename one."
    )


def test_a_function_defined_twice_in_a_module_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "defined_twice.py").write_text(
        "from lockstep import Key, Pipeline, Record, feature\n"
        "class Trip(Record):\n"
        "    trip_id: Key[str]\n"
        "    distance: float\n"
        "@feature\n"
        "def cost(distance):\n"
        "    return distance\n"
        "@feature\n"
        "def cost(distance):\n"
        "    return 2 * distance\n"
        "Pipeline(__name__, record=Trip)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(DuplicateNameError) as found:
        importlib.import_module("defined_twice")
    assert str(found.value) == (
        "defined_twice: 'cost' is defined twice, in lines 6 and 9; rename one."
    )
    sys.modules.pop("defined_twice", None)


def test_a_pipeline_of_no_module_is_refused() -> None:
    with pytest.raises(DefinitionError) as found:
        Pipeline("no.such.module", record=Trip)
    assert str(found.value) == (
        "There is no module 'no.such.module': write Pipeline(__name__, ...) in the module that "
        "defines the columns."
    )


@pytest.mark.parametrize("decorate", [feature, output])
def test_an_outcome_read_before_it_is_known_is_a_leak(
    build: Build, decorate: Callable[..., Column]
) -> None:
    @decorate
    def cost(distance: Floats, fare: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, cost, error=LeakageError) == (
        f"{cost.title} depends on 'fare', which is known only after the fact (cost ← fare). Only "
        "labels may read the outcome."
    )


def test_a_label_used_by_a_model_is_a_leak(build: Build) -> None:
    @model(learns=is_dear, uses=["distance", price])
    def cost() -> Any:
        raise NotImplementedError

    assert refused(build, price, is_dear, cost, error=LeakageError) == (
        f"{cost.title} depends on 'price', which is known only after the fact (cost ← price). "
        "Only labels may read the outcome."
    )


def test_a_leak_through_other_columns_is_followed(build: Build) -> None:
    @output
    def cost(rounded: Floats) -> Floats:
        raise NotImplementedError

    @feature
    def rounded(shown: Floats) -> Floats:
        raise NotImplementedError

    @feature
    def shown(is_dear: Bools) -> Floats:
        raise NotImplementedError

    message = refused(build, cost, rounded, shown, price, is_dear, error=LeakageError)

    assert message == (
        f"{cost.title} depends on 'is_dear', which is known only after the fact (cost ← rounded ← "
        "shown ← is_dear). Only labels may read the outcome."
    )


def test_a_model_learns_a_label(build: Build) -> None:
    @model(learns=speed, uses=["distance"])
    def cost() -> Any:
        raise NotImplementedError

    assert refused(build, speed, cost, error=DeclarationError) == (
        f"{cost.title} learns 'speed', which is no label; decorate the function that computes it "
        "with @label."
    )


def test_a_model_of_texts_says_which_there_are_before_anything_asks_for_its_columns(
    build: Build,
) -> None:
    @label
    def fare_class(minutes: Ints) -> Texts:
        raise NotImplementedError

    @model(learns=fare_class, uses=["distance"])
    def likely_class() -> Any:
        raise NotImplementedError

    @output
    def chance(likely_class_cheap: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, fare_class, likely_class, chance, error=DeclarationError) == (
        f"{likely_class.title} learns 'fare_class', which holds Texts, and does not say which "
        "there are: give them as classes=[...]."
    )


def test_a_label_depends_on_no_model(build: Build) -> None:
    @label
    def surprise(price: Floats, expected_price: Floats) -> Floats:
        raise NotImplementedError

    assert refused(build, *ALL, surprise, error=DeclarationError) == (
        f"{surprise.title} depends on the model 'expected_price'; a label is what models learn, so "
        "it is computed before any is fitted."
    )


def test_an_input_annotated_as_another_kind_is_refused(build: Build) -> None:
    @feature
    def waited(minutes: Ints) -> Ints:
        raise NotImplementedError

    assert refused(build, waited, error=DeclarationError) == (
        f"{waited.title} says that minutes holds Ints, but it holds Floats (declared float | None)."
    )


def test_a_column_annotated_as_another_kind_is_refused(build: Build) -> None:
    @feature
    def pace(speed: Texts) -> Texts:
        raise NotImplementedError

    assert refused(build, speed, pace, error=DeclarationError) == (
        f"{pace.title} says that speed holds Texts, but it holds Floats."
    )


# Evaluation


def test_evaluation_adds_what_is_wanted_and_needed(pipeline: Pipeline) -> None:
    found = pipeline.graph.evaluate(trips(), ["is_fast"])

    assert set(found) == {*trips(), "speed", "is_fast"}
    assert found["is_fast"].tolist() == [True, False]


def test_a_column_that_is_given_is_not_computed(pipeline: Pipeline) -> None:
    found = pipeline.graph.evaluate(trips(speed=np.array([1.0, 99.0])), ["is_fast"])

    assert found["is_fast"].tolist() == [False, True]


def test_a_prediction_that_is_given_is_kept(build: Build) -> None:
    @label
    def group(fare: Floats) -> Texts:
        raise NotImplementedError

    @model(learns=group, uses=["distance"], classes=["low", "high"])
    def band() -> Any:
        return DummyClassifier(strategy="prior")

    graph = build(group, band, record=Trip, outcome=Fare).graph
    fitted = DummyClassifier().fit([[0.0], [1.0], [2.0]], ["low", "high", "low"])
    given = np.array(["high", "high"], dtype=object)

    found = graph.evaluate(
        trips(band=given), ["band", "band_low"], {"band": ReferencePredictor(band, fitted)}
    )

    assert found["band"].tolist() == ["high", "high"]
    assert found["band_low"].tolist() == [2 / 3, 2 / 3]


def test_every_column_is_read_only(pipeline: Pipeline) -> None:
    given = trips()

    found = pipeline.graph.evaluate(given, ["is_fast"])

    assert not any(array.flags.writeable for array in found.values())
    assert all(array.flags.writeable for array in given.values())


def test_a_warning_of_numpy_about_numbers_is_not_shown(pipeline: Pipeline) -> None:
    found = pipeline.graph.evaluate(trips(minutes=np.zeros(2)), ["speed"])

    assert found["speed"].tolist() == [np.inf, np.inf]


def test_no_rows_give_no_rows(pipeline: Pipeline) -> None:
    empty = {name: array[:0] for name, array in trips().items()}

    found = pipeline.graph.evaluate(empty, ["is_fast"])

    assert (found["is_fast"].shape, found["is_fast"].dtype) == ((0,), np.dtype(bool))


def test_a_field_that_is_needed_and_not_given_is_named(pipeline: Pipeline) -> None:
    with pytest.raises(InputError) as found:
        pipeline.graph.evaluate({"distance": np.zeros(1)}, ["speed"])
    assert str(found.value) == "The field 'minutes' is needed, and it is not given."


def test_a_column_that_does_not_exist_is_named(pipeline: Pipeline) -> None:
    with pytest.raises(KeyError, match="There is no column 'velocity'"):
        pipeline.graph.evaluate(trips(), ["velocity"])


def test_a_model_that_is_needed_and_not_fitted_is_named(pipeline: Pipeline) -> None:
    with pytest.raises(NotFittedError) as found:
        pipeline.graph.evaluate(trips(), ["offered_price"])
    assert str(found.value) == (
        f"{expected_price.title} is not fitted: call fit(history) of its pipeline, or load a "
        "version from the registry."
    )


def test_a_function_that_raises_is_named(build: Build) -> None:
    @feature
    def rate(zone: Texts) -> Floats:
        return np.array([{"north": 1.0}[name] for name in zone])

    graph = build(rate, record=Trip).graph

    with pytest.raises(FunctionError) as found:
        graph.evaluate(trips(), ["rate"])
    assert str(found.value) == f"{rate.title} raised KeyError: 'south'"
    assert found.value.column == "rate"
    assert isinstance(found.value.__cause__, KeyError)


def test_a_function_that_raises_on_example_rows_alone_is_let_through(build: Build) -> None:
    @feature
    def rate(passengers: Ints) -> Floats:
        return np.array([{1: 2.5, 2: 5.0}[count] for count in passengers.tolist()])

    graph = build(rate, record=Trip).graph

    assert graph.unprobed == {"rate": f"{rate.title} raised KeyError: 0"}
    assert graph.evaluate(trips(), ["rate"])["rate"].tolist() == [2.5, 5.0]


def test_a_function_that_raises_and_does_not_say_what_it_returns_is_refused(build: Build) -> None:
    @feature
    def rate(passengers):  # type: ignore[no-untyped-def]
        return np.array([{1: 2.5}[count] for count in passengers.tolist()])

    with pytest.raises(FunctionError) as found:
        build(rate, record=Trip)
    assert str(found.value) == (
        f"{rate.title} raised KeyError: 0 on example rows, so what it returns cannot be told: "
        "annotate it with -> Floats, Ints, Bools, Texts or Times."
    )


@pytest.mark.parametrize("annotated", [True, False])
def test_a_function_that_writes_to_its_input_is_named_at_building(
    build: Build, annotated: bool
) -> None:
    def filled(minutes):  # type: ignore[no-untyped-def]
        minutes[np.isnan(minutes)] = 0
        return minutes

    if annotated:
        filled.__annotations__ = {"minutes": Floats, "return": Floats}
    column = feature(filled)

    with pytest.raises(FunctionError) as found:
        build(column, record=Trip)
    assert str(found.value) == (
        f"{column.title} raised ValueError: assignment destination is read-only. Arrays are "
        "read-only, since other columns read them too: work on a copy of it"
    )


def test_a_function_that_writes_to_its_input_is_named_at_evaluation(build: Build) -> None:
    @feature
    def capped(passengers: Ints) -> Ints:
        if passengers.max() > 1:
            passengers.sort()
        return passengers

    graph = build(capped, record=Trip).graph

    with pytest.raises(FunctionError, match=r"^Feature capped .* sort array is read-only\. Arrays"):
        graph.evaluate(trips(), ["capped"])
