"""The decorators that declare columns: feature, label, model, output."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, get_type_hints, overload

from lockstep.columns.kinds import Kind, kind_of_alias
from lockstep.columns.nodes import Column, Function, Model, Node, location
from lockstep.columns.plain import listed, show
from lockstep.errors import DeclarationError

Role = Literal["feature", "label", "output"]

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


Decorator = Callable[[Function], Column]


@overload
def feature(function: Function) -> Column: ...
@overload
def feature(*, ulps: int | None = None) -> Decorator: ...
def feature(function: Function | None = None, *, ulps: int | None = None) -> Column | Decorator:
    """Declare a feature: a column computed from fields and other columns.

    The function's parameter names are its inputs. It gets one-dimensional arrays in canonical
    form and returns one of the same length; each value depends on its own row alone.

    Args:
        function: Set by Python when the decorator is used without brackets.
        ulps: See `Column.ulps`; leave it out unless the function calls BLAS.
    """
    return _decorate("feature", function, ulps)


def label(function: Function) -> Column:
    """Declare a label: a column that models learn, computed from the outcome's fields."""
    return _column("label", function, None)


@overload
def output(function: Function) -> Column: ...
@overload
def output(*, ulps: int | None = None) -> Decorator: ...
def output(function: Function | None = None, *, ulps: int | None = None) -> Column | Decorator:
    """Declare an output: a column that consumers read, mostly computed from models' columns."""
    return _decorate("output", function, ulps)


def model(
    *,
    learns: Node | str,
    uses: Sequence[Node | str],
    classes: Sequence[Any] | None = None,
    ulps: int = 0,
    folds: int = 5,
) -> Callable[[Callable[[], Any]], Model]:
    """Declare a model: a column computed by a scikit-learn estimator.

    The function takes nothing and returns an unfitted estimator. The column holds the
    probability of True for a classifier of a boolean label, the predicted number for a
    regressor, and the most probable class for a classifier with `classes`, which also gives
    one column of probabilities a class, named `<model>_<class>`.

    Args:
        learns: The label.
        uses: Columns of the estimator's matrix, in order: features, fields by name, other
            models' columns or outputs (the estimator is then a second stage and is fitted on
            their out-of-fold values).
        classes: The values of a multiclass label.
        ulps: See `Column.ulps`; 0 for trees, some 16 for estimators that go through BLAS.
        folds: Parts for out-of-fold values, at least 2.

    Raises:
        DeclarationError: The declaration has no meaning; the message says why.
    """

    def decorate(function: Callable[[], Any]) -> Model:
        name, title = function.__name__, _title("model", function)
        if inspect.signature(function).parameters:
            raise DeclarationError(
                f"{title}: its function takes no parameters; name its columns in uses=[...]."
            )
        if isinstance(uses, str | Node):
            column = column_name(uses, title)
            raise DeclarationError(f"{title}: uses is a list of columns; write uses=[{column}].")
        if not uses:
            raise DeclarationError(f"{title} uses no columns; name them in uses=[...].")
        if folds < 2:
            raise DeclarationError(f"{title}: folds must be 2 or more, not {folds}.")
        names = tuple(column_name(used, f"{title}, uses") for used in uses)
        twice = sorted(used for used, times in Counter(names).items() if times > 1)
        if twice:
            raise DeclarationError(f"{title} uses {listed(twice)} twice.")
        return Model(
            name=name,
            role="model",
            function=function,
            inputs=names,
            kind=_kind_of_classes(title, classes),
            input_kinds=(None,) * len(names),
            ulps=ulps,
            doc=_doc(function),
            learns=column_name(learns, f"{title}, learns"),
            classes=tuple(classes) if classes is not None else None,
            folds=folds,
            probabilities=_probability_names(name, title, classes or ()),
        )

    return decorate


def column_name(column: Node | str, where: str) -> str:
    """The name of a column given as itself or by name.

    Raises:
        DeclarationError: It is neither a node nor a text.
    """
    if isinstance(column, Node):
        return column.name
    if isinstance(column, str):
        return column
    raise DeclarationError(
        f"{where}: {show(column)} is no column; give a decorated function or the name of a field."
    )


def _decorate(role: Role, function: Function | None, ulps: int | None) -> Column | Decorator:
    if function is None:
        return lambda decorated: _column(role, decorated, ulps)
    return _column(role, function, ulps)


def _column(role: Role, function: Function, ulps: int | None) -> Column:
    parameters = inspect.signature(function).parameters.values()
    if not parameters or any(parameter.kind not in _BY_POSITION for parameter in parameters):
        raise DeclarationError(
            f"{_title(role, function)}: its parameters are the names of its input "
            "columns, so it needs at least one, and none like *args, **kwargs or those after a *."
        )
    hints = _hints(function)
    inputs = tuple(parameter.name for parameter in parameters)
    return Column(
        name=function.__name__,
        role=role,
        function=function,
        inputs=inputs,
        kind=_annotated_kind(function, "return", hints),
        input_kinds=tuple(_annotated_kind(function, name, hints) for name in inputs),
        ulps=ulps,
        doc=_doc(function),
    )


def _hints(function: Function) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except NameError as error:
        raise DeclarationError(
            f"{function.__name__} ({location(function)}): an annotation is not defined: {error}."
        ) from error


def _annotated_kind(function: Function, name: str, hints: dict[str, Any]) -> Kind | None:
    if name not in hints:
        return None
    kind = kind_of_alias(hints[name])
    if kind is None:
        raise DeclarationError(
            f"{function.__name__} ({location(function)}): {name} is annotated {hints[name]!r}; "
            "columns are Floats, Ints, Bools, Texts or Times."
        )
    return kind


def _kind_of_classes(title: str, classes: Iterable[Any] | None) -> Kind:
    if classes is None:
        return Kind.FLOAT
    types = [type(value) for value in classes]
    if len(types) > 1 and set(types) == {str}:
        return Kind.TEXT
    if len(types) > 1 and set(types) == {int}:
        return Kind.INT
    raise DeclarationError(f"{title}: classes are two or more texts, or two or more integers.")


def _probability_names(name: str, title: str, classes: Iterable[Any]) -> tuple[str, ...]:
    names = tuple(name + "_" + re.sub(r"\W", "_", str(value)) for value in classes)
    if len(set(names)) < len(names):
        raise DeclarationError(
            f"{title}: the classes {listed(map(show, classes))} do not give different names to its "
            "columns."
        )
    return names


def _title(role: str, function: Function) -> str:
    return f"{role.capitalize()} {function.__name__} ({location(function)})"


def _doc(function: Function) -> str:
    return inspect.getdoc(function) or ""
