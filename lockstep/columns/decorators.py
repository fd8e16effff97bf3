"""The decorators that declare columns: feature, label, model, output."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints, overload

from lockstep.columns.kinds import Kind, kind_of_alias
from lockstep.columns.nodes import Column, Function, Model, Node, location
from lockstep.columns.plain import listed, show
from lockstep.columns.setting_checks import Allowed, checked
from lockstep.errors import DeclarationError

Role = Literal["feature", "label", "output"]

_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


Decorator = Callable[[Function], Column]
Decorated: TypeAlias = Annotated[Function, Allowed(meant="a function, by @ above it")]
Ulps: TypeAlias = Annotated[int, Allowed(least=0)]


ColumnOrName: TypeAlias = Annotated[
    Node | str, Allowed(meant="a decorated function or the name of a field")
]


def _as_uses(given: object) -> str:
    name = given.name if isinstance(given, Node) else given
    return f"a list of columns, such as [{name if isinstance(name, str) else 'COLUMN'}]"


Uses: TypeAlias = Annotated[Iterable[ColumnOrName], Allowed(meant=_as_uses)]


@overload
def feature(function: Function) -> Column: ...
@overload
def feature(*, ulps: Ulps | None = None) -> Decorator: ...
@checked
def feature(function: Decorated | None = None, *, ulps: Ulps | None = None) -> Column | Decorator:
    """Declare a feature: a column computed from fields and other columns.

    The function's parameter names are its inputs. It gets one-dimensional arrays in canonical
    form and returns one of the same length; each value depends on its own row alone.

    Args:
        ulps: See `Column.ulps`; leave it out unless the function calls BLAS.
    """
    return _decorate("feature", function, ulps)


@checked
def label(function: Decorated) -> Column:
    """Declare a label: a column that models learn, computed from the outcome's fields."""
    return _column("label", function, None)


@overload
def output(function: Function) -> Column: ...
@overload
def output(*, ulps: Ulps | None = None) -> Decorator: ...
@checked
def output(function: Decorated | None = None, *, ulps: Ulps | None = None) -> Column | Decorator:
    """Declare an output: a column that consumers read, mostly computed from models' columns."""
    return _decorate("output", function, ulps)


@checked
def model(
    *,
    learns: ColumnOrName,
    uses: Uses,
    classes: Sequence[Any] | None = None,
    ulps: Ulps = 0,
    folds: Annotated[int, Allowed(least=2)] = 5,
) -> Callable[[Callable[[], Any]], Model]:
    """Declare a model: a column computed by a scikit-learn estimator.

    The function takes nothing and returns an unfitted estimator. The column holds the
    probability of True for a classifier of a boolean label, the predicted number for a
    regressor, and the most probable class for a classifier with `classes`, which also gives
    one column of probabilities a class, named `<model>_<class>`.

    Args:
        learns: The label.
        uses: Columns of the estimator's matrix, in order: features, look-ups and windows with all
            their columns, fields and single columns by name, other models' columns or outputs (the
            estimator is then a second stage and is fitted on their out-of-fold values).
        classes: The values of a multiclass label.
        ulps: See `Column.ulps`; 0 for trees, some 16 for estimators that go through BLAS.
        folds: Parts for out-of-fold values, at least 2.

    Raises:
        DeclarationError: The declaration has no meaning; the message says why.
    """

    def decorate(function: Callable[[], Any]) -> Model:
        name, title = function.__name__, title_of("model", function)
        if inspect.signature(function).parameters:
            raise DeclarationError(
                f"{title}: its function takes no parameters; name its columns in uses=[...]."
            )
        if not uses:
            raise DeclarationError(f"{title} uses no columns; name them in uses=[...].")
        names = tuple(name for used in uses for name in _column_names(used, f"{title}, uses"))
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
    """The name of a column given as itself or by name."""
    if isinstance(column, Node):
        return column.name
    if isinstance(column, str):
        return column
    raise DeclarationError(
        f"{where}: {show(column)} is no column; give a decorated function or the name of a field."
    )


def _column_names(column: Node | str, where: str) -> tuple[str, ...]:
    return column.stands_for if isinstance(column, Node) else (column_name(column, where),)


def _decorate(role: Role, function: Function | None, ulps: int | None) -> Column | Decorator:
    if function is None:
        return lambda decorated: _column(role, decorated, ulps)
    return _column(role, function, ulps)


def _column(role: Role, function: Function, ulps: int | None) -> Column:
    kind = _annotated_kind(function, "return", _hints(function))
    return Column(kind=kind, ulps=ulps, **common_of(role, function))


def common_of(role: str, function: Function) -> dict[str, Any]:
    """What all columns of functions have in common; parameters name the inputs."""
    hints = _hints(function)
    parameters = inspect.signature(function).parameters.values()
    if not parameters or any(parameter.kind not in _BY_POSITION for parameter in parameters):
        raise DeclarationError(
            f"{title_of(role, function)}: its parameters are the names of its input "
            "columns, so it needs at least one, and none like *args, **kwargs or those after a *."
        )
    names = tuple(parameter.name for parameter in parameters)
    return {
        "name": function.__name__,
        "role": role,
        "function": function,
        "doc": _doc(function),
        "inputs": names,
        "input_kinds": tuple(_annotated_kind(function, name, hints) for name in names),
    }


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


def title_of(role: str, function: Function) -> str:
    """How messages call a decorated function."""
    return f"{role.capitalize()} {function.__name__} ({location(function)})"


def _doc(function: Function) -> str:
    return inspect.getdoc(function) or ""
