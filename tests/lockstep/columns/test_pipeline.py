"""Pipelines: fit, predict, trace and lineage, for each sort of model."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from lockstep.columns.decode import decode
from lockstep.columns.decorators import feature, label, model, output
from lockstep.columns.kinds import Array, Bools, Columns, Floats, Ints, Kind, Texts
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import matrix
from lockstep.columns.records import EventTime, Key, Outcome, Record
from lockstep.errors import FunctionError, InputError, InvalidRecordsError, NotFittedError

Build = Callable[..., Pipeline]


class Plant(Record):
    """A plant in a bed."""

    plant_id: Key[str]
    planted_at: EventTime
    height: float  # centimetres
    leaves: int
    bed: Literal["sun", "shade"]
    note: str | None
    watered: bool | None


class Harvest(Outcome):
    """What it bore."""

    weight: float | None  # grams
    quality: Literal["poor", "good", "best"] | None


@feature
def density(height: Floats, leaves: Ints) -> Floats:
    """Leaves per centimetre."""
    return leaves / height


@label
def has_borne(weight: Floats) -> Bools:
    """Whether it bore more than 50 grams."""
    return weight > 50


@label
def weight_(weight: Floats) -> Floats:
    """Grams."""
    return weight


@label
def quality_(quality: Texts) -> Texts:
    """Its quality."""
    return quality


USES: list[Any] = ["height", "leaves", "bed", "note", "watered", "planted_at", density]


def prepare() -> Any:
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["bed"]),
        (StandardScaler(), ["height", "leaves", "density"]),
    )


@model(learns=has_borne, uses=USES, ulps=64)
def linear() -> Any:
    """Probability that it bears, linear."""
    return make_pipeline(prepare(), LogisticRegression())


@model(learns=has_borne, uses=USES)
def boosted() -> Any:
    """Probability that it bears, by trees."""
    return make_pipeline(prepare(), HistGradientBoostingClassifier(max_iter=5, random_state=0))


@output
def bearing_probability(linear: Floats, boosted: Floats) -> Floats:
    """Mean of both."""
    return (linear + boosted) / 2


@output
def bears(bearing_probability: Floats) -> Bools:
    """Whether it will bear."""
    return bearing_probability >= 0.5


@model(learns=weight_, uses=[bearing_probability, "height"], ulps=64)
def expected_weight() -> Any:
    """Grams expected; a second stage."""
    return LinearRegression()


@output
def grams(expected_weight: Floats) -> Ints:
    """Whole grams expected."""
    return np.round(expected_weight).astype(np.int64)


@model(learns=quality_, uses=["height", "leaves"], classes=["poor", "good", "best"])
def likely_quality() -> Any:
    """The most probable quality."""
    return DecisionTreeClassifier(max_depth=2, random_state=0)


@output
def risk(likely_quality_poor: Floats) -> Floats:
    """Probability of poor quality."""
    return likely_quality_poor


ALL = (
    density, has_borne, weight_, quality_, linear, boosted, bearing_probability, bears,
    expected_weight, grams, likely_quality, risk,
)  # fmt: skip


@pytest.fixture
def pipeline(build: Build) -> Pipeline:
    return build(*ALL, record=Plant, outcome=Harvest)


@pytest.fixture(scope="module")
def fitted(build: Build) -> Pipeline:
    return build(*ALL, record=Plant, outcome=Harvest).fit(history())


def history(count: int = 60) -> pd.DataFrame:
    """Plants whose harvest follows from their height."""
    random = np.random.default_rng(0)
    height = random.uniform(10, 50, count).round(2)
    weight = height * 2 + random.normal(0, 5, count)
    frame = plants(count).assign(height=height, weight=weight)
    frame["quality"] = pd.cut(weight, [0, 40, 70, 200], labels=["poor", "good", "best"])
    frame.loc[0, ["weight", "quality"]] = None
    return frame


def plants(count: int = 4) -> pd.DataFrame:
    """Plants, of which some are not known whole."""
    numbers = np.arange(count)
    return pd.DataFrame(
        {
            "plant_id": [f"plant {number}" for number in numbers],
            "planted_at": pd.Timestamp("2020-03-01", tz="UTC") + pd.to_timedelta(numbers, "D"),
            "height": 12.5 + 10 * numbers,
            "leaves": 3 + numbers % 7,
            "bed": np.where(numbers % 2, "sun", "shade"),
            "note": pd.Series([None if number % 3 else "fine" for number in numbers], dtype=object),
            "watered": pd.Series([None if n % 4 == 3 else n % 2 == 0 for n in numbers]),
        }
    )


def same(first: Array, second: Array) -> bool:
    return first.dtype == second.dtype and np.array_equal(
        first, second, equal_nan=first.dtype.kind in "fM"
    )


# Fitting


def test_fit_sets_a_model_a_column_and_returns_the_pipeline(pipeline: Pipeline) -> None:
    assert pipeline.fit(history()) is pipeline
    assert set(pipeline.models_) == {"linear", "boosted", "expected_weight", "likely_quality"}
    assert pipeline.is_fitted


def test_fit_takes_columns_that_were_decoded_before(pipeline: Pipeline, fitted: Pipeline) -> None:
    columns = decode(history(), pipeline.joint_schema).columns

    again = pipeline.fit(columns)

    assert again.predict(plants()).equals(fitted.predict(plants()))


def test_fit_refuses_invalid_records(pipeline: Pipeline) -> None:
    frame = history().astype({"leaves": float})
    frame.loc[3, "leaves"] = 2.5

    with pytest.raises(InvalidRecordsError) as found:
        pipeline.fit(frame)
    assert str(found.value) == (
        "Plant with Harvest: 1 of 60 rows is not a valid record: row 3 (plant 3): leaves: 2.5 is "
        "not an integer. Correct them, or use decode() to set them aside."
    )
    assert [row.key for row in found.value.rejected] == ["plant 3"]


def test_fit_needs_the_outcome(pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="lacks the columns weight, quality of Plant with Harvest"):
        pipeline.fit(plants())


def test_unfitted_leaves_the_fitted_pipeline_alone(fitted: Pipeline) -> None:
    assert not fitted.unfitted().is_fitted
    assert fitted.is_fitted


def test_with_models_predicts_the_same(fitted: Pipeline) -> None:
    copy = fitted.unfitted().with_models(fitted.models_)

    assert copy.predict(plants()).equals(fitted.predict(plants()))


def test_with_models_needs_all_of_them(pipeline: Pipeline) -> None:
    with pytest.raises(NotFittedError, match="no fitted model for likely_quality, boosted, exp"):
        pipeline.with_models({"linear": LogisticRegression()})


# Predicting


def test_predict_gives_key_time_and_outputs(fitted: Pipeline) -> None:
    predicted = fitted.predict(plants())

    assert list(predicted.columns)[:2] == ["plant_id", "planted_at"]
    assert set(predicted.columns[2:]) == {"bearing_probability", "bears", "grams", "risk"}
    assert predicted["plant_id"].tolist() == plants()["plant_id"].tolist()


def test_predict_gives_explicit_dtypes(fitted: Pipeline) -> None:
    dtypes = fitted.predict(plants()).dtypes.astype(str).to_dict()

    assert dtypes == {
        "plant_id": "object",
        "planted_at": "datetime64[us, UTC]",
        "bearing_probability": "float64",
        "bears": "bool",
        "grams": "int64",
        "risk": "float64",
    }


def test_predict_keeps_the_index_of_a_frame(fitted: Pipeline) -> None:
    frame = plants().set_index(pd.Index([7, 7, 3, 1], name="bench"))

    assert fitted.predict(frame).index.equals(frame.index)


def test_predict_gives_the_same_for_every_form_of_data(fitted: Pipeline) -> None:
    frame = plants()
    records = [
        {name: None if value is pd.NA else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    columns = decode(frame, fitted.record_schema).columns
    expected = fitted.predict(frame)

    assert fitted.predict(records).equals(expected)
    assert fitted.predict(columns).equals(expected)
    table = pa.Table.from_pylist(
        [row | {"planted_at": row["planted_at"].to_pydatetime()} for row in records]
    )
    assert fitted.predict(table).equals(expected)


def test_predict_takes_one_record(fitted: Pipeline) -> None:
    record = {
        "plant_id": "p",
        "planted_at": "2020-03-01T00:00:00Z",
        "height": 40,
        "leaves": 5,
        "bed": "sun",
    }

    predicted = fitted.predict(record)

    assert len(predicted) == 1
    assert predicted["grams"].iloc[0] > 50


def test_no_rows_give_no_rows_of_the_same_dtypes(fitted: Pipeline) -> None:
    empty = fitted.predict(plants().iloc[:0])

    assert len(empty) == 0
    assert empty.dtypes.equals(fitted.predict(plants()).dtypes)


def test_no_records_give_no_rows(fitted: Pipeline) -> None:
    assert len(fitted.predict([])) == 0


def test_predict_needs_a_fit(pipeline: Pipeline) -> None:
    with pytest.raises(NotFittedError, match=r"is not fitted: call fit\(history\)"):
        pipeline.predict(plants())


def test_what_no_model_is_behind_needs_no_fit(pipeline: Pipeline) -> None:
    columns = decode(plants(), pipeline.record_schema).columns

    assert pipeline.evaluate(columns, ("density",))["density"].tolist() == pytest.approx(
        (plants()["leaves"] / plants()["height"]).tolist()
    )


def test_predict_refuses_an_invalid_record_with_its_reasons(fitted: Pipeline) -> None:
    with pytest.raises(InvalidRecordsError) as found:
        fitted.predict({"plant_id": "p", "height": "tall"})
    assert str(found.value) == (
        "Plant: 1 of 1 row is not a valid record: row 0 (p): planted_at: missing, and declared "
        "datetime (never missing), height: 'tall' is text, not a number, leaves: missing, and "
        "declared int (never missing), bed: missing, and declared Literal['sun', 'shade'] (never "
        "missing). Correct them, or use decode() to set them aside."
    )


def test_a_thousand_invalid_records_make_a_short_message(fitted: Pipeline) -> None:
    with pytest.raises(InvalidRecordsError, match="; and 997 more") as found:
        fitted.predict([{"plant_id": str(number)} for number in range(1000)])
    assert len(str(found.value)) < 1500


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"height": np.array([1, 2, 3, 4])},
            "height is an array of int64 and shape (4,), not of float64 and shape (4,)",
        ),
        (
            {"density": np.ones(4, dtype=np.float32)},
            "density is an array of float32 and shape (4,), not of float64 and shape (4,)",
        ),
        (
            {"height": np.ones(3)},
            "height is an array of float64 and shape (3,), not of float64 and shape (4,)",
        ),
        (
            {"more": np.ones((4, 2))},
            "more is an array of float64 and shape (4, 2), not of float64 and shape (4,)",
        ),
    ],
)
def test_columns_that_are_not_canonical_are_refused(
    fitted: Pipeline, changes: Columns, message: str
) -> None:
    columns = decode(plants(), fitted.record_schema).columns

    with pytest.raises(InputError) as found:
        fitted.predict(columns | changes)
    assert str(found.value) == (f"{fitted.name}: {message}; decode() makes columns of any table.")


def test_columns_without_a_field_are_refused(fitted: Pipeline) -> None:
    columns = decode(plants(), fitted.record_schema).columns
    del columns["height"]

    with pytest.raises(InputError, match="The field 'height' is needed, and it is not given"):
        fitted.predict(columns)


# Each sort of model


def test_a_binary_model_gives_the_probability_of_true(fitted: Pipeline) -> None:
    trace = fitted.trace(plants()).columns
    frame = matrix(fitted.graph.nodes["linear"], trace)

    expected = fitted.models_["linear"].predict_proba(frame)[:, 1]

    assert fitted.models_["linear"].classes_.tolist() == [False, True]
    assert same(trace["linear"], expected)


def test_a_regression_model_gives_its_prediction(fitted: Pipeline) -> None:
    trace = fitted.trace(plants()).columns
    frame = matrix(fitted.graph.nodes["expected_weight"], trace)

    assert same(trace["expected_weight"], fitted.models_["expected_weight"].predict(frame))


def test_a_multiclass_model_gives_a_class_and_its_probabilities(fitted: Pipeline) -> None:
    trace = fitted.trace(plants()).columns
    names = ["likely_quality_poor", "likely_quality_good", "likely_quality_best"]

    probabilities = np.stack([trace[name] for name in names], axis=1)

    assert probabilities.sum(axis=1) == pytest.approx(np.ones(4))
    assert [["poor", "good", "best"][index] for index in probabilities.argmax(axis=1)] == (
        trace["likely_quality"].tolist()
    )
    assert (
        trace["likely_quality"].tolist()
        == fitted.models_["likely_quality"]
        .predict(matrix(fitted.graph.nodes["likely_quality"], trace))
        .tolist()
    )


def test_an_ensemble_is_an_output_over_models(fitted: Pipeline) -> None:
    trace = fitted.trace(plants()).columns

    assert same(trace["bearing_probability"], (trace["linear"] + trace["boosted"]) / 2)


def test_a_second_stage_sees_the_first_through_an_output(fitted: Pipeline) -> None:
    assert fitted.graph.models_behind("expected_weight") == {"linear", "boosted"}
    assert fitted.models_["expected_weight"].feature_names_in_.tolist() == [
        "bearing_probability",
        "height",
    ]


def test_a_classifier_that_predicts_another_shape_is_named(build: Build) -> None:
    @model(learns=weight_, uses=["height"])
    def odd() -> Any:
        raise NotImplementedError

    class Wide:
        """Predicts two columns."""

        def predict(self, frame: pd.DataFrame) -> Array:
            return np.zeros((len(frame), 2))

    pipeline = build(weight_, odd, record=Plant, outcome=Harvest).with_models({"odd": Wide()})

    with pytest.raises(FunctionError, match=r"the estimator predicted \(4, 2\) for 4 rows"):
        pipeline.trace(plants())


# Matrices


def test_a_matrix_has_the_canonical_dtypes(fitted: Pipeline) -> None:
    columns = fitted.trace(plants()).columns

    frame = matrix(fitted.graph.nodes["linear"], columns)

    assert frame.dtypes.astype(str).to_dict() == {
        "height": "float64",
        "leaves": "int64",
        "bed": "object",
        "note": "object",
        "watered": "float64",
        "planted_at": "datetime64[us, UTC]",
        "density": "float64",
    }


def test_a_matrix_of_nothing_but_missing_texts_has_the_same_dtypes(fitted: Pipeline) -> None:
    columns = fitted.trace(plants().iloc[1:2]).columns

    frame = matrix(fitted.graph.nodes["linear"], columns)

    assert frame["note"].dtype == object
    assert frame["note"].tolist() == [None]


# Traces


def test_a_trace_holds_all_served_columns_in_graph_order(fitted: Pipeline) -> None:
    trace = fitted.trace(plants())

    assert tuple(trace.columns) == fitted.graph.served
    assert trace.keys.tolist() == plants()["plant_id"].tolist()
    assert trace.matrices == {}


def test_a_trace_with_labels_holds_all_columns(fitted: Pipeline) -> None:
    trace = fitted.trace(history(), labels=True)

    assert tuple(trace.columns) == fitted.graph.order


def test_a_trace_holds_what_its_kinds_say(fitted: Pipeline) -> None:
    trace = fitted.trace(history(), labels=True)

    for name, array in trace.columns.items():
        assert array.dtype == fitted.graph.kind(name).dtype
        assert not array.flags.writeable


def test_matrices_are_what_the_final_estimators_get(fitted: Pipeline) -> None:
    trace = fitted.trace(plants(), matrices=True)

    assert {name: given.shape for name, given in trace.matrices.items()} == {
        "linear": (4, 5),
        "boosted": (4, 5),
        "expected_weight": (4, 2),
        "likely_quality": (4, 2),
    }
    final = fitted.models_["linear"][-1]
    assert same(final.predict_proba(trace.matrices["linear"])[:, 1], trace.columns["linear"])


def test_matrices_of_no_rows_have_their_columns(fitted: Pipeline) -> None:
    trace = fitted.trace(plants().iloc[:0], matrices=True)

    assert trace.matrices["linear"].shape == (0, 5)
    assert trace.matrices["expected_weight"].shape == (0, 2)


def test_a_trace_asks_the_transformers_once(
    fitted: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaler = fitted.models_["linear"][0].named_transformers_["standardscaler"]
    transform, asked = scaler.transform, []
    monkeypatch.setattr(
        scaler, "transform", lambda given, **named: asked.append(len(given)) or transform(given)
    )
    fitted.trace(plants(), matrices=True)

    assert asked == [4]


def test_a_trace_of_columns_that_are_given_holds_their_matrices(fitted: Pipeline) -> None:
    computed = fitted.trace(plants(), matrices=True)
    given = fitted.trace(dict(computed.columns), matrices=True)

    assert same(given.matrices["linear"], computed.matrices["linear"])


@pytest.mark.parametrize("name", ["linear", "boosted", "expected_weight", "likely_quality"])
def test_a_model_says_what_scikit_learn_says_of_its_frame(fitted: Pipeline, name: str) -> None:
    columns = fitted.trace(plants()).columns
    node: Any = fitted.graph.columns[name]
    estimator, frame = fitted.models_[name], matrix(node, columns)
    if node.classes is not None:
        found = np.column_stack([columns[one] for one in node.probabilities])
        order = [list(estimator.classes_).index(one) for one in node.classes]
        assert same(found, estimator.predict_proba(frame)[:, order])
    elif hasattr(estimator, "classes_"):
        assert same(columns[name], estimator.predict_proba(frame)[:, 1])
    else:
        assert same(columns[name], estimator.predict(frame))


# Description


def test_lineage_is_the_fields_in_the_end(pipeline: Pipeline) -> None:
    assert pipeline.lineage("grams") == {
        "height", "leaves", "bed", "note", "watered", "planted_at",
    }  # fmt: skip
    assert pipeline.lineage("risk") == {"height", "leaves"}
    assert pipeline.lineage("likely_quality_best") == {"height", "leaves"}


def test_lineage_of_no_column_is_told(pipeline: Pipeline) -> None:
    with pytest.raises(KeyError, match="has no column 'colour'"):
        pipeline.lineage("colour")


def test_schema_is_what_a_record_holds(pipeline: Pipeline) -> None:
    assert pipeline.record_schema == Plant.schema()
    assert pipeline.record_schema["watered"].kind is Kind.FLOAT


def test_a_pipeline_is_named_by_its_module(pipeline: Pipeline) -> None:
    assert pipeline.module == f"made.{pipeline.name}"
    assert repr(pipeline) == f"<Pipeline {pipeline.name}: 12 columns, not fitted>"


def test_a_pipeline_without_models_needs_no_fit(build: Build) -> None:
    @output
    def height_in_metres(height: Floats) -> Floats:
        return height / 100

    pipeline = build(height_in_metres, record=Plant)

    assert pipeline.is_fitted
    assert pipeline.predict(plants())["height_in_metres"].tolist() == [0.125, 0.225, 0.325, 0.425]


def test_the_event_time_of_a_prediction_is_in_utc(fitted: Pipeline) -> None:
    frame = plants()
    frame["planted_at"] = frame["planted_at"].dt.tz_convert("Asia/Tokyo")

    predicted = fitted.predict(frame)

    assert predicted["planted_at"].iloc[0] == datetime(2020, 3, 1, tzinfo=UTC)
    assert str(predicted["planted_at"].dt.tz) == "UTC"
