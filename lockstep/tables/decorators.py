"""The decorators that declare columns of the rows of tables: lookup, window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from lockstep.columns.decorators import common_of, title_of
from lockstep.columns.kinds import Kind
from lockstep.columns.nodes import Function
from lockstep.columns.plain import did_you_mean, listed, show
from lockstep.columns.setting_checks import checked
from lockstep.columns.table_schema import LONGEST_SPAN, TableSchema
from lockstep.errors import DeclarationError
from lockstep.tables.declaration import Event, Table
from lockstep.tables.lookups import Lookup
from lockstep.tables.reductions import OF_NUMBERS, Reduction
from lockstep.tables.windows import Window


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
        title = title_of("lookup", function)
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
        return Lookup(table=schema, within=within, **common_of("lookup", function))

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
        title = title_of("window", function)
        schema = event.declaration()
        _check_span(title, "over", over)
        _check_reductions(title, schema, of, how)
        common = common_of("window", function)
        return Window(table=schema, over=over, of=of, how=tuple(how), **common)

    return decorate


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
