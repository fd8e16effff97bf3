"""Pipelines: fit, predict, trace and lineage, for each sort of model."""

from datetime import UTC, datetime
from functools import partial
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
from lockstep.columns.decorators import label, output
from lockstep.columns.kinds import Array, Bools, Ints, Texts
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.predictors import matrix
from lockstep.columns.records import EventTime, Key, Outcome, Record
from lockstep.errors import FunctionError, InputError, InvalidRecordsError, NotFittedError

from .conftest import build, named, named_model


class Plant(Record):
    plant_id: Key[str]
    planted_at: EventTime
    height: float  # centimetres
    leaves: int
    bed: Literal["sun", "shade"]
    note: str | None
    watered: bool | None


class Harvest(Outcome):
    weight: float | None  # grams
    quality: Literal["poor", "good", "best"] | None


density = named("density", lambda height, leaves: leaves / height)
has_borne = named("has_borne", lambda weight: weight > 50, label, Bools)
weight_ = named("weight_", lambda weight: weight, label)
quality_ = named("quality_", lambda quality: quality, label, Texts)


def prepare() -> Any:
    return make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["bed"]),
        (StandardScaler(), ["height", "leaves", "density"]),
    )


USES: list[Any] = ["height", "leaves", "bed", "note", "watered", "planted_at", density]
OF_USES: dict[str, Any] = {"learns": has_borne, "uses": USES}
linear = named_model(
    "linear", lambda: make_pipeline(prepare(), LogisticRegression()), ulps=64, **OF_USES
)
boosted = named_model(
    "boosted",
    lambda: make_pipeline(prepare(), HistGradientBoostingClassifier(max_iter=5, random_state=0)),
    **OF_USES,
)
bearing_probability = named(
    "bearing_probability", lambda linear, boosted: (linear + boosted) / 2, output
)
bears = named("bears", lambda bearing_probability: bearing_probability >= 0.5, output, Bools)
expected_weight = named_model(
    "expected_weight",
    LinearRegression,
    learns=weight_,
    uses=[bearing_probability, "height"],
    ulps=64,
)
grams = named(
    "grams", lambda expected_weight: np.round(expected_weight).astype(np.int64), output, Ints
)
likely_quality = named_model(
    "likely_quality",
    partial(DecisionTreeClassifier, max_depth=2, random_state=0),
    learns=quality_,
    uses=["height", "leaves"],
    classes=["poor", "good", "best"],
)
risk = named("risk", lambda likely_quality_poor: likely_quality_poor, output)
ALL = (
    density, has_borne, weight_, quality_, linear, boosted, bearing_probability, bears,
    expected_weight, grams, likely_quality, risk,
)  # fmt: skip


@pytest.fixture
def pipeline() -> Pipeline:
    return build(*ALL, record=Plant, outcome=Harvest)


@pytest.fixture(scope="module")
def fitted() -> Pipeline:
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


demand_same = partial(np.testing.assert_array_equal, strict=True)


# Fitting


def test_fit_sets_a_model_a_column_and_returns_the_pipeline(pipeline: Pipeline) -> None:
    assert pipeline.fit(history()) is pipeline
    assert set(pipeline.models_) == {"linear", "boosted", "expected_weight", "likely_quality"}
    assert pipeline.is_fitted
    assert not pipeline.unfitted().is_fitted
    assert pipeline.is_fitted


def test_fit_takes_columns_that_were_decoded_before(pipeline: Pipeline, fitted: Pipeline) -> None:
    again = pipeline.fit(decode(history(), pipeline.joint_schema).columns)
    assert again.predict(plants()).equals(fitted.predict(plants()))


def test_fit_refuses_invalid_records(pipeline: Pipeline) -> None:
    frame = history().astype({"leaves": float})
    frame.loc[3, "leaves"] = 2.5
    with pytest.raises(
        InvalidRecordsError, match=r"1 of 60 rows .* row 3 \(plant 3\): leaves: 2.5"
    ):
        pipeline.fit(frame)


def test_fit_needs_the_outcome(pipeline: Pipeline) -> None:
    with pytest.raises(InputError, match="lacks the columns weight, quality of Plant with Harvest"):
        pipeline.fit(plants())


def test_with_models_predicts_the_same_and_needs_all_of_them(fitted: Pipeline) -> None:
    copy = fitted.unfitted().with_models(fitted.models_)
    assert copy.predict(plants()).equals(fitted.predict(plants()))
    with pytest.raises(NotFittedError, match="no fitted model for likely_quality, boosted, exp"):
        fitted.unfitted().with_models({"linear": LogisticRegression()})


# Predicting


def test_predict_gives_key_time_and_outputs_of_explicit_dtypes(fitted: Pipeline) -> None:
    frame = plants()
    frame["planted_at"] = frame["planted_at"].dt.tz_convert("Asia/Tokyo")
    predicted = fitted.predict(frame)
    dtypes = {
        "plant_id": "object",
        "planted_at": "datetime64[us, UTC]",
        "bearing_probability": "float64",
        "bears": "bool",
        "grams": "int64",
        "risk": "float64",
    }
    assert predicted.dtypes.astype(str).to_dict() == dtypes
    assert list(predicted.columns)[:2] == ["plant_id", "planted_at"]
    assert predicted["plant_id"].tolist() == frame["plant_id"].tolist()
    assert predicted["planted_at"].iloc[0] == datetime(2020, 3, 1, tzinfo=UTC)
    for nothing in (plants().iloc[:0], []):
        empty = fitted.predict(nothing)
        assert len(empty) == 0
        assert empty.dtypes.equals(predicted.dtypes)


def test_predict_keeps_the_index_of_a_frame(fitted: Pipeline) -> None:
    frame = plants().set_index(pd.Index([7, 7, 3, 1], name="bench"))
    assert fitted.predict(frame).index.equals(frame.index)


def test_predict_gives_the_same_for_every_form_of_data(fitted: Pipeline) -> None:
    frame = plants()
    records = [
        {name: None if value is pd.NA else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    table = pa.Table.from_pylist(
        [row | {"planted_at": row["planted_at"].to_pydatetime()} for row in records]
    )
    expected = fitted.predict(frame)
    for form in (records, decode(frame, fitted.record_schema).columns, table):
        assert fitted.predict(form).equals(expected)
    assert fitted.predict(records[1])["grams"].tolist() == [expected["grams"][1]]


def test_predict_needs_a_fit_and_what_no_model_is_behind_does_not(pipeline: Pipeline) -> None:
    with pytest.raises(NotFittedError, match=r"is not fitted: call fit\(history\)"):
        pipeline.predict(plants())
    columns = decode(plants(), pipeline.record_schema).columns
    found = pipeline.evaluate(columns, ("density",))["density"]
    assert found.tolist() == (plants()["leaves"] / plants()["height"]).tolist()


def test_predict_refuses_invalid_records_with_reasons_in_short(fitted: Pipeline) -> None:
    with pytest.raises(
        InvalidRecordsError,
        match=r"^Plant: 1 of 1 row .* row 0 \(p\): planted_at: missing, .* height: 'tall' is text, "
        r"not a number, leaves: missing, .* bed: missing",
    ) as found:
        fitted.predict({"plant_id": "p", "height": "tall"})
    assert [row.key for row in found.value.rejected] == ["p"]
    with pytest.raises(InvalidRecordsError, match="; and 997 more") as found:
        fitted.predict([{"plant_id": str(number)} for number in range(1000)])
    assert len(str(found.value)) < 1500


@pytest.mark.parametrize(
    ("name", "array", "of"),
    [
        ("height", np.array([1, 2, 3, 4]), r"int64 and shape \(4,\)"),
        ("density", np.ones(4, dtype=np.float32), r"float32 and shape \(4,\)"),
        ("height", np.ones(3), r"float64 and shape \(3,\)"),
        ("more", np.ones((4, 2)), r"float64 and shape \(4, 2\)"),
    ],
)
def test_columns_that_are_not_canonical_are_refused(
    fitted: Pipeline, name: str, array: Array, of: str
) -> None:
    columns = decode(plants(), fitted.record_schema).columns
    with pytest.raises(InputError, match=f"{name} is an array of {of}, not of float64 .*decode\\("):
        fitted.predict(columns | {name: array})


# Each sort of model


@pytest.mark.parametrize("name", ["linear", "boosted", "expected_weight", "likely_quality"])
def test_a_model_says_what_scikit_learn_says_of_its_frame(fitted: Pipeline, name: str) -> None:
    columns = fitted.trace(plants()).columns
    node: Any = fitted.graph.columns[name]
    estimator, frame = fitted.models_[name], matrix(node, columns)
    if node.classes is not None:
        found = np.column_stack([columns[one] for one in node.probabilities])
        order = [list(estimator.classes_).index(one) for one in node.classes]
        demand_same(found, estimator.predict_proba(frame)[:, order])
        assert columns[name].tolist() == estimator.predict(frame).tolist()
    elif hasattr(estimator, "classes_"):
        assert estimator.classes_.tolist() == [False, True]
        demand_same(columns[name], estimator.predict_proba(frame)[:, 1])
    else:
        demand_same(columns[name], estimator.predict(frame))


def test_an_output_is_computed_of_models_and_a_second_stage_sees_it(fitted: Pipeline) -> None:
    trace = fitted.trace(plants()).columns
    demand_same(trace["bearing_probability"], (trace["linear"] + trace["boosted"]) / 2)
    assert fitted.graph.models_behind("expected_weight") == {"linear", "boosted"}
    seen = fitted.models_["expected_weight"].feature_names_in_.tolist()
    assert seen == ["bearing_probability", "height"]


def test_an_estimator_that_predicts_another_shape_is_named() -> None:
    odd = named_model("odd", object, learns=weight_, uses=["height"])

    class Wide:
        """Predicts two columns."""

        def predict(self, frame: pd.DataFrame) -> Array:
            return np.zeros((len(frame), 2))

    pipeline = build(weight_, odd, record=Plant, outcome=Harvest).with_models({"odd": Wide()})
    with pytest.raises(FunctionError, match=r"the estimator predicted \(4, 2\) for 4 rows"):
        pipeline.trace(plants())


# Matrices and traces


def test_a_matrix_has_the_canonical_dtypes_even_of_missing_texts_alone(fitted: Pipeline) -> None:
    for rows in (plants(), plants().iloc[1:2]):
        frame = matrix(fitted.graph.nodes["linear"], fitted.trace(rows).columns)
        assert frame.dtypes.astype(str).to_dict() == {
            "height": "float64",
            "leaves": "int64",
            "bed": "object",
            "note": "object",
            "watered": "float64",
            "planted_at": "datetime64[us, UTC]",
            "density": "float64",
        }
    assert frame["note"].tolist() == [None]


def test_a_trace_holds_columns_in_graph_order_as_their_kinds_say(fitted: Pipeline) -> None:
    served, whole = fitted.trace(plants()), fitted.trace(history(), labels=True)
    assert tuple(served.columns) == fitted.graph.served
    assert served.keys.tolist() == plants()["plant_id"].tolist()
    assert served.matrices == {}
    assert tuple(whole.columns) == fitted.graph.order
    for name, array in whole.columns.items():
        assert array.dtype == fitted.graph.kind(name).dtype
        assert not array.flags.writeable


@pytest.mark.parametrize("rows", [4, 0])
def test_matrices_are_what_the_final_estimators_get(fitted: Pipeline, rows: int) -> None:
    trace = fitted.trace(plants().iloc[:rows], matrices=True)
    assert {name: given.shape for name, given in trace.matrices.items()} == {
        "linear": (rows, 5),
        "boosted": (rows, 5),
        "expected_weight": (rows, 2),
        "likely_quality": (rows, 2),
    }
    if rows:
        predicted = fitted.models_["linear"][-1].predict_proba(trace.matrices["linear"])
        demand_same(predicted[:, 1], trace.columns["linear"])
    given = fitted.trace(dict(trace.columns), matrices=True)
    demand_same(given.matrices["linear"], trace.matrices["linear"])


def test_a_trace_asks_transformers_once(fitted: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = fitted.models_["linear"][0].named_transformers_["standardscaler"]
    transform, asked = scaler.transform, []
    monkeypatch.setattr(
        scaler, "transform", lambda given, **named: asked.append(len(given)) or transform(given)
    )
    fitted.trace(plants(), matrices=True)
    assert asked == [4]


# Description


def test_lineage_is_the_fields_in_the_end(pipeline: Pipeline) -> None:
    assert pipeline.lineage("grams") == {
        "height", "leaves", "bed", "note", "watered", "planted_at",
    }  # fmt: skip
    assert pipeline.lineage("risk") == pipeline.lineage("likely_quality_best")
    assert pipeline.lineage("risk") == {"height", "leaves"}
    with pytest.raises(KeyError, match="has no column 'colour'"):
        pipeline.lineage("colour")


def test_a_pipeline_is_named_by_its_module(pipeline: Pipeline) -> None:
    assert pipeline.module == f"made.{pipeline.name}"
    assert repr(pipeline) == f"<Pipeline {pipeline.name}: 12 columns, not fitted>"


def test_a_pipeline_without_models_needs_no_fit() -> None:
    pipeline = build(named("metres", lambda height: height / 100, output), record=Plant)
    assert pipeline.is_fitted
    assert pipeline.predict(plants())["metres"].tolist() == [0.125, 0.225, 0.325, 0.425]
