"""Transformers: what a model's columns go through before its estimator, as steps on blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from lockstep.columns.compiled.blocks import (
    Block,
    Layout,
    Row,
    RowStep,
    Step,
    are_numbers,
    as_fitted,
    columns_of,
    demand_numbers,
    numbers,
    take,
    to_matrix,
)
from lockstep.columns.compiled.encodings import Look, composed
from lockstep.columns.compiled.lookups import compile_encoder
from lockstep.columns.compiled.refusals import RefusedNumbers, refusing
from lockstep.columns.kinds import Array, Kind, example_array, kind_of_dtype, picker
from lockstep.errors import NotCompiledError

Compile = Callable[[Any, Layout], Step]


def compile_transformer(transformer: Any, given: Layout) -> Step:
    """Compile a fitted transformer to a step on blocks; `"passthrough"` and None change nothing."""
    if transformer is None or isinstance(transformer, str):
        return _nothing(transformer, given)
    # The exact type only: a subclass may do something else.
    compiler = _COMPILERS.get(type(transformer))
    if compiler is None:
        if not isinstance(transformer, SelectorMixin):
            raise NotCompiledError(f"{type(transformer).__name__} has no compiled form")
        compiler = _selector
    step = compiler(transformer, given)
    return step if compiler in _REFUSE_THEMSELVES else _refusing(step, transformer, given)


def _refusing(step: Step, transformer: Any, given: Layout) -> Step:
    """A compiled transformer that refuses what the fitted one refuses."""
    ask = lambda row: transformer.transform(as_fitted(transformer, row))  # noqa: E731
    return refusing(step, RefusedNumbers.of(transformer, given, ask))


def chain(steps: Sequence[Step], given: Layout) -> Step:
    """Steps one after the other, as one."""
    if len(steps) == 1:
        return steps[0]
    runs = [step.run for step in steps]

    def run(block: Block) -> Block:
        for each in runs:
            block = each(block)
        return block

    def run_row(row: Row) -> Row:
        for each in rows:
            row = each(row)
        return row

    rows = [step.run_row for step in steps if step.run_row is not None]
    has_rows = len(rows) == len(steps)
    looks: tuple[Look, ...] | None = tuple((place, None) for place in range(len(given)))
    for step in steps:
        looks = composed(looks, step.looks)
    gives = steps[-1].gives if steps else given
    return in_one_pass(Step(run, gives, run_row if has_rows else None, looks))


def in_one_pass(step: Step) -> Step:
    """The step, filling its matrix column by column if it only looks values up."""
    looks = step.looks
    if looks is None or not are_numbers(step.gives) or all(known is None for _, known in looks):
        return step

    def run(block: Block) -> Block:
        arrays = columns_of(block)
        return to_matrix(
            [arrays[place] if known is None else known.of(arrays[place]) for place, known in looks]
        )

    def run_row(row: Row) -> Row:
        return [row[place] if known is None else known[row[place]] for place, known in looks]

    return replace(step, run=run, run_row=run_row)


def beside(steps: Sequence[tuple[Step, Sequence[int], float | None]], given: Layout) -> Step:
    """Steps side by side, each on columns at some places and with a weight, if any, as one step."""
    parts = [_part(step, list(places), given, weight) for step, places, weight in steps]
    gives = tuple(kind for step, _, _ in steps for kind in step.gives)
    run_row, looks = _rows_beside(steps), _looks_beside(steps)
    if len(parts) == 1:
        return Step(parts[0], gives, run_row, looks)
    if not are_numbers(gives):
        return Step(
            lambda block: [array for part in parts for array in columns_of(part(block))],
            gives,
            run_row,
            looks,
        )
    return in_one_pass(
        Step(
            lambda block: np.concatenate([to_matrix(part(block)) for part in parts], axis=1),
            numbers(len(gives)),
            run_row,
            looks,
        )
    )


def _looks_beside(
    steps: Sequence[tuple[Step, Sequence[int], float | None]],
) -> tuple[Look, ...] | None:
    """Steps side by side, as looks; None if one is no look, or has a weight."""
    looks: list[Look] = []
    for step, places, weight in steps:
        if step.looks is None or weight is not None:
            return None
        looks += [(places[place], known) for place, known in step.looks]
    return tuple(looks)


def _rows_beside(steps: Sequence[tuple[Step, Sequence[int], float | None]]) -> RowStep | None:
    """Steps side by side, for a single row; None if one has no such form, or has a weight."""
    parts = [
        (step.run_row, picker(places))
        for step, places, weight in steps
        if step.run_row is not None and weight is None
    ]
    if len(parts) < len(steps):
        return None

    def run_row(row: Row) -> Row:
        values: list[Any] = []
        for run, pick in parts:
            values += run(pick(row))
        return values

    return run_row


def _part(
    step: Step, places: list[int], given: Layout, weight: float | None
) -> Callable[[Block], Block]:
    run = step.run
    is_all = places == list(range(len(given)))

    def part(block: Block) -> Block:
        result = run(block if is_all else take(block, places))
        return result if weight is None else to_matrix(result) * weight

    return part


def _nothing(transformer: str | None, given: Layout) -> Step:
    if transformer not in {None, "passthrough"}:
        raise NotCompiledError(f"{transformer!r} has no compiled form")
    looks = tuple((place, None) for place in range(len(given)))
    return Step(lambda block: block, given, lambda row: row, looks)


def _pipeline(pipeline: Pipeline, given: Layout) -> Step:
    return compile_steps([step for _, step in pipeline.steps], given)


def compile_steps(transformers: Sequence[Any], given: Layout) -> Step:
    """Fitted transformers one after the other, as one step."""
    steps: list[Step] = []
    layout = given
    for transformer in transformers:
        steps.append(compile_transformer(transformer, layout))
        layout = steps[-1].gives
    return chain(steps, given)


def _column_transformer(transformer: ColumnTransformer, given: Layout) -> Step:
    weights = transformer.transformer_weights or {}
    steps: list[tuple[Step, Sequence[int], float | None]] = []
    for name, inner, columns in transformer.transformers_:
        if isinstance(inner, str) and inner == "drop":
            continue
        if isinstance(columns, str):
            raise NotCompiledError(
                f"{name} of ColumnTransformer gets column {columns!r} by itself, not in a list"
            )
        places = list(transformer._transformer_to_input_indices[name])
        if not places:
            continue
        step = compile_transformer(inner, tuple(given[place] for place in places))
        steps.append((step, places, weights.get(name)))
    if not steps:
        raise NotCompiledError("ColumnTransformer gives no column")
    return beside(steps, given)


def _feature_union(union: FeatureUnion, given: Layout) -> Step:
    weights = union.transformer_weights or {}
    everything = range(len(given))
    return beside(
        [
            (compile_transformer(inner, given), everything, weights.get(name))
            for name, inner in union.transformer_list
            if not (isinstance(inner, str) and inner == "drop")
        ],
        given,
    )


def _selector(selector: Any, given: Layout) -> Step:
    places = selector.get_support(indices=True).tolist()
    return Step(
        lambda block: take(block, places),
        tuple(given[place] for place in places),
        picker(places),
        tuple((place, None) for place in places),
    )


# Numbers


def _standard_scaler(scaler: StandardScaler, given: Layout) -> Step:
    demand_numbers(scaler, given)
    return _shifted(scaler.mean_ if scaler.with_mean else None, scaler.scale_, given)


def _robust_scaler(scaler: RobustScaler, given: Layout) -> Step:
    demand_numbers(scaler, given)
    center = scaler.center_ if scaler.with_centering else None
    return _shifted(center, scaler.scale_ if scaler.with_scaling else None, given)


def _max_abs_scaler(scaler: MaxAbsScaler, given: Layout) -> Step:
    demand_numbers(scaler, given)
    if getattr(scaler, "clip", False):
        raise NotCompiledError("MaxAbsScaler that clips has no compiled form")
    return _shifted(None, scaler.scale_, given)


def _shifted(center: Array | None, scale: Array | None, given: Layout) -> Step:
    def run(block: Block) -> Block:
        matrix = to_matrix(block)
        if center is not None:
            matrix = matrix - center
        return matrix if scale is None else matrix / scale

    less = (center if center is not None else np.zeros(len(given))).tolist()
    by = (scale if scale is not None else np.ones(len(given))).tolist()

    def run_row(row: Row) -> Row:
        return [(value - shift) / size for value, shift, size in zip(row, less, by, strict=True)]

    return Step(run, numbers(len(given)), run_row)


def _min_max_scaler(scaler: MinMaxScaler, given: Layout) -> Step:
    demand_numbers(scaler, given)
    low, high = scaler.feature_range

    def run(block: Block) -> Block:
        scaled = to_matrix(block) * scaler.scale_ + scaler.min_
        clipped: Array = np.clip(scaled, low, high) if scaler.clip else scaled
        return clipped

    return Step(run, numbers(len(given)))


def _bins(binner: KBinsDiscretizer, given: Layout) -> Step:
    demand_numbers(binner, given)
    inner = [edges[1:-1] for edges in binner.bin_edges_]
    counts = binner.n_bins_.tolist()
    tables = None if binner.encode == "ordinal" else [np.eye(count) for count in counts]

    def run(block: Block) -> Block:
        codes = [
            np.searchsorted(edges, array, side="right")
            for edges, array in zip(inner, columns_of(to_matrix(block)), strict=True)
        ]
        if tables is None:
            return to_matrix(codes)
        return np.concatenate(
            [table[code] for table, code in zip(tables, codes, strict=True)], axis=1
        )

    return Step(run, numbers(len(given) if tables is None else sum(counts)))


def _imputer(imputer: SimpleImputer, given: Layout) -> Step:
    if all(kind is Kind.TEXT for kind in given):
        return _text_imputer(imputer, given)
    demand_numbers(imputer, given)
    missing = imputer.missing_values
    if not (isinstance(missing, float) and np.isnan(missing)):
        raise NotCompiledError(f"SimpleImputer whose missing value is {missing!r}")
    statistics = np.asarray(imputer.statistics_, dtype=np.float64)
    keeps_all = imputer.strategy == "constant" or imputer.keep_empty_features
    kept = np.arange(len(given)) if keeps_all else np.flatnonzero(~np.isnan(statistics))
    fills, is_whole = statistics[kept], len(kept) == len(given)
    flags = imputer.indicator_.features_ if imputer.add_indicator else np.empty(0, dtype=int)

    def run(block: Block) -> Block:
        matrix = to_matrix(block)
        absent = np.isnan(matrix)
        filled = (
            np.where(absent, statistics, matrix)
            if is_whole
            else np.where(absent[:, kept], fills, matrix[:, kept])
        )
        return np.concatenate([filled, absent[:, flags]], axis=1) if len(flags) else filled

    by_place = fills.tolist()
    pick, pick_flags = picker(kept.tolist()), picker(flags.tolist())

    def run_row(row: Row) -> Row:
        values = row if is_whole else pick(row)
        filled = [
            fill if value != value else value for value, fill in zip(values, by_place, strict=True)
        ]
        return [*filled, *(value != value for value in pick_flags(row))] if len(flags) else filled

    return Step(run, numbers(len(kept) + len(flags)), run_row)


def _text_imputer(imputer: SimpleImputer, given: Layout) -> Step:
    """The fill for a missing text is asked of the imputer."""
    if imputer.add_indicator:
        raise NotCompiledError("SimpleImputer of texts that adds indicators")
    nothing = [np.array([None], dtype=object) for _ in given]
    fills = np.asarray(imputer.transform(as_fitted(imputer, nothing)))[0].tolist()
    if len(fills) != len(given):
        raise NotCompiledError("SimpleImputer that drops columns of texts")

    def run(block: Block) -> Block:
        arrays = []
        for array, fill in zip(columns_of(block), fills, strict=True):
            filled = np.empty(len(array), dtype=object)
            filled[:] = [fill if value is None else value for value in array.tolist()]
            arrays.append(filled)
        return arrays

    def run_row(row: Row) -> Row:
        return [fill if value is None else value for value, fill in zip(row, fills, strict=True)]

    return Step(run, given, run_row)


def _function(transformer: FunctionTransformer, given: Layout) -> Step:
    """A ufunc gets a matrix; another function gets the columns in the form of its fit."""
    function, options = transformer.func, transformer.kw_args or {}
    if function is None:
        return _nothing(None, given)
    if are_numbers(given) and (transformer.validate or isinstance(function, np.ufunc)):
        run: Callable[[Block], Any] = lambda block: function(to_matrix(block), **options)  # noqa: E731
    else:
        if transformer.validate:
            raise NotCompiledError("FunctionTransformer that validates columns of texts")
        run = lambda block: function(as_fitted(transformer, columns_of(block)), **options)  # noqa: E731
    examples: Block = [example_array(kind) for kind in given]
    try:
        gives = _layout_of(run(examples))
    except Exception as error:
        raise NotCompiledError(
            f"FunctionTransformer: its function raised {type(error).__name__} on example rows"
        ) from error
    step = Step(lambda block: _block_of(run(block)), gives)
    return _refusing(step, transformer, given) if transformer.validate else step


def _block_of(value: Any) -> Block:
    """The return value of a FunctionTransformer's function, as a block."""
    if hasattr(value, "columns"):
        arrays = [np.asarray(value[name]) for name in value.columns]
        is_matrix = all(array.dtype.kind in "fiub" for array in arrays)
        return to_matrix(arrays) if is_matrix else arrays
    array = np.asarray(value)
    return array.astype(np.float64, copy=False) if array.dtype.kind in "fiub" else list(array.T)


def _layout_of(value: Any) -> Layout:
    kinds = [kind_of_dtype(array.dtype) for array in columns_of(_block_of(value))]
    if any(kind is None for kind in kinds):
        raise TypeError("it gives columns of no canonical kind")
    return tuple(kind for kind in kinds if kind is not None)


_REFUSE_THEMSELVES = (_pipeline, _column_transformer, _feature_union, _function, compile_encoder)
"""Those of which a part refuses what is refused."""
_COMPILERS: dict[type, Compile] = {
    Pipeline: _pipeline,
    ColumnTransformer: _column_transformer,
    FeatureUnion: _feature_union,
    StandardScaler: _standard_scaler,
    RobustScaler: _robust_scaler,
    MaxAbsScaler: _max_abs_scaler,
    MinMaxScaler: _min_max_scaler,
    KBinsDiscretizer: _bins,
    SimpleImputer: _imputer,
    FunctionTransformer: _function,
    OneHotEncoder: compile_encoder,
    OrdinalEncoder: compile_encoder,
    TargetEncoder: compile_encoder,
}
