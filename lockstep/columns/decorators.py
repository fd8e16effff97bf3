"""The decorators that declare columns: feature, lookup, window, label, model, output."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints, overload

from lockstep.columns.asof.lookup_nodes import Lookup, Window
from lockstep.columns.asof.table_types import LONGEST_SPAN, Event, Table, TableSchema
from lockstep.columns.asof.windows import OF_NUMBERS, Reduction
from lockstep.columns.kinds import Kind, kind_of_alias
from lockstep.columns.nodes import Column, Function, Model, Node, location
from lockstep.columns.plain import did_you_mean, listed, show
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
def lookup(table: type[Table], *, within: timedelta | None = None) -> Callable[[Function], Lookup]:
    """Declare a look-up: columns of the latest row of a key, as known at a time.

    The function's parameter names are its inputs, as of a feature. It returns `Asked`: the keys to
    look up, and as of when. A look-up `weather` gives a column `weather_<field>` for each field of
    the table that is neither key nor time, and `weather_age`, the seconds since the row was valid.
    All are missing where there is no row; integers and flags come as floats.

    Args:
        table: The table. Of the rows with the key that were valid and known at the time, the one
            with the greatest valid and known time is found.
        within: How long a row may have been valid; an older one is not found.

    Raises:
        DeclarationError: The declaration has no meaning; the message says why.
    """

    def decorate(function: Function) -> Lookup:
        title = _title("lookup", function)
        schema = table.declaration()
        _check_span(title, "within", within)
        if schema.static and within is not None:
            raise DeclarationError(
                f"{title}: the table {schema.name!r} is static, so its rows have no age; leave out "
                "within."
            )
        if not schema.values:
            raise DeclarationError(
                f"{title}: the table {schema.name!r} has no field beside its key and times, so "
                "there is nothing to look up."
            )
        if "age" in schema.values and not schema.static:
            raise DeclarationError(
                f"{title}: the table {schema.name!r} has a field 'age', which is the name of the "
                "row's own age; rename it."
            )
        return Lookup(table=schema, within=within, **_common("lookup", function))

    return decorate


@checked
def window(
    event: type[Event],
    *,
    over: timedelta,
    of: str | None = None,
    how: Sequence[Reduction] = ("count",),
) -> Callable[[Function], Window]:
    """Declare a window: what the events of a key in a span of time come to, as known at its end.

    The function's parameter names are its inputs, as of a feature. It returns `Asked`: the keys,
    and the end of each window. A window `late_before` gives a column `late_before_<how>` for each
    reduction. An empty one gives 0 for `count`; all others are missing.

    Args:
        event: The events. Those in a window were valid after `as_of - over` and at or before
            `as_of`, and known by then.
        over: The length of the window.
        of: The field that is reduced; events in which it is missing do not count. It may be left
            out where `count` is the only reduction.
        how: `"count"`, `"sum"`, `"mean"`, `"min"`, `"max"`, `"last"` or `"distinct"`, any number of
            them.

    Raises:
        DeclarationError: The declaration has no meaning; the message says why.
    """

    def decorate(function: Function) -> Window:
        title = _title("window", function)
        schema = event.declaration()
        _check_span(title, "over", over)
        _check_reductions(title, schema, of, how)
        common = _common("window", function)
        return Window(table=schema, over=over, of=of, how=tuple(how), **common)

    return decorate


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
        name, title = function.__name__, _title("model", function)
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
    return Column(kind=kind, ulps=ulps, **_common(role, function))


def _common(role: str, function: Function) -> dict[str, Any]:
    """What all columns of functions have in common; parameters name the inputs."""
    hints = _hints(function)
    parameters = inspect.signature(function).parameters.values()
    if not parameters or any(parameter.kind not in _BY_POSITION for parameter in parameters):
        raise DeclarationError(
            f"{_title(role, function)}: its parameters are the names of its input "
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


def _check_span(title: str, name: str, span: Any) -> None:
    if span is None:
        return
    if not (isinstance(span, timedelta) and span > timedelta(0)):
        raise DeclarationError(f"{title}: {name} is a timedelta above 0, not {show(span)}.")
    if span > LONGEST_SPAN:
        todo = f"give a shorter one{', or leave it out' if name == 'within' else ''}"
        raise DeclarationError(
            f"{title}: {name} is {span.days:,} days, and times reach back "
            f"{LONGEST_SPAN.days:,} days at most; {todo}."
        )


def _check_reductions(title: str, table: TableSchema, of: str | None, how: Sequence[str]) -> None:
    if not how:
        raise DeclarationError(f"{title}: how is a list of reductions, such as how=['count'].")
    if len(set(how)) < len(how):
        raise DeclarationError(f"{title}: how names a reduction twice.")
    if of is None:
        if set(how) != {"count"}:
            some = next(iter(table.values), "...")
            raise DeclarationError(f"{title}: say which field it reduces, as in of={some!r}.")
        return
    if of not in table.values:
        raise DeclarationError(
            f"{title}: {of!r} is no field of {table.schema.name} that can be reduced."
            f"{did_you_mean(of, table.values)}"
        )
    numbers = [name for name in how if name in OF_NUMBERS]
    if numbers and table.optional_kind(of) is not Kind.FLOAT:
        raise DeclarationError(
            f"{title}: {listed(numbers)} of {of!r}, which is declared "
            f"{table.schema[of].declared_name}; they are of numbers and flags."
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
