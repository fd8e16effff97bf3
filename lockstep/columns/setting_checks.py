"""Settings of declarations, held against their annotations when a declaration is read."""

from __future__ import annotations

import inspect
from collections import abc
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import cache, wraps
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    ParamSpec,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from lockstep.columns.plain import listed, meant, show
from lockstep.errors import DeclarationError

_UNIONS = (Union, UnionType)
_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    timedelta: "a timedelta, such as timedelta(days=30)",
    abc.Callable: "a function",
    Any: "any value",
    None: "None",
    NoneType: "None",
}


@dataclass(frozen=True)
class Allowed:
    """What a setting has to be beside its type: a mark in its `Annotated`."""

    above: Any = None
    least: Any = None
    below: Any = None
    most: Any = None
    # What to give, or a function from what was given to that; by type and limits by default.
    meant: str | Callable[[Any], str] = ""

    def hold(self, given: Any) -> bool:
        """Whether a value of the type is within them; NaN is within none."""
        return (
            (self.above is None or given > self.above)
            and (self.least is None or given >= self.least)
            and (self.below is None or given < self.below)
            and (self.most is None or given <= self.most)
        )

    def __str__(self) -> str:
        ends = {"above": self.above, "from": self.least, "below": self.below, "up to": self.most}
        return " and ".join(f"{word} {end}" for word, end in ends.items() if end is not None)


class Misfit(NamedTuple):
    """A value that does not fit its annotation."""

    place: str  # in a setting, such as `[2]`; empty for the setting itself
    given: object
    hint: Any


def demand_setting(is_right: bool, setting: str, given: object, to_give: str) -> None:
    """Raise a `DeclarationError` unless a setting, such as `Calendar: weekdays`, is right."""
    if not is_right:
        raise DeclarationError(f"{setting} is {show(given)}; give {to_give}.")


def demand_fit(setting: str, given: object, hint: Any, *, is_shown: bool = True) -> None:
    """Raise a `DeclarationError` unless a setting fits its annotation; see `misfit`.

    Without `is_shown`, the message does not show what was given: it may hold a password.
    """
    wrong = misfit(given, hint)
    if wrong is None:
        return
    if not is_shown:
        raise DeclarationError(
            f"{setting} is of the type {type(given).__name__}, or holds what it may not; give "
            f"{wanted(hint, None)}."
        )
    to_give = wanted(wrong.hint, wrong.given)
    demand_setting(False, f"{setting}{wrong.place}", wrong.given, to_give)


def misfit(given: object, hint: Any, place: str = "") -> Misfit | None:
    """The innermost value that does not fit an annotation; None if all do.

    The annotation is a class, a protocol, a union, a `Literal`, `type[...]`, a function, a sequence
    or mapping of such, or one of these `Annotated` with `Allowed`.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inside = misfit(given, parts[0], place)
        limits = [part for part in parts[1:] if isinstance(part, Allowed)]
        if inside is None and all(limit.hold(given) for limit in limits):
            return None
        is_inside = inside is not None and inside.place != place
        return inside if is_inside else Misfit(place, given, hint)
    if origin in _UNIONS:
        wrong = [misfit(given, part, place) for part in parts]
        inner = [each for each in wrong if each is not None and each.place != place]
        return None if None in wrong else next(iter(inner), Misfit(place, given, hint))
    if not _is_a(given, origin or hint, parts):
        return Misfit(place, given, hint)
    return next(filter(None, (misfit(*each) for each in _items(given, parts, place))), None)


def _is_a(given: object, kind: Any, parts: tuple[Any, ...]) -> bool:
    """Whether a value is of a type, whatever it holds."""
    if kind is Any or kind is None:
        return kind is Any or given is None
    if kind is Literal:
        return any(type(given) is type(part) and given == part for part in parts)
    if kind is type:
        return inspect.isclass(given) and issubclass(given, parts)
    if kind is abc.Callable:
        return callable(given)
    if kind is float:
        return isinstance(given, int | float) and not isinstance(given, bool)
    if kind in _LOOKALIKES:
        return isinstance(given, kind) and not isinstance(given, _LOOKALIKES[kind])
    return isinstance(given, kind) and not (_is_many(kind) and isinstance(given, str | bytes))


_LOOKALIKES: dict[Any, type] = {int: bool, date: datetime}
"""By type, its subclass that means something else."""


def _is_many(kind: Any) -> bool:
    return kind in (abc.Sequence, abc.Iterable, abc.Collection, tuple, list)


def _items(given: Any, parts: tuple[Any, ...], place: str) -> Iterator[tuple[object, Any, str]]:
    """What a value holds, with annotation and place; not of an iterator, which is read once."""
    if isinstance(given, Mapping) and len(parts) == 2:
        for name, value in given.items():
            yield name, parts[0], f"{place}, a name in it,"
            yield value, parts[1], f"{place}[{show(name)}]"
    elif isinstance(given, Collection) and not isinstance(given, str) and parts:
        for number, item in enumerate(given):
            yield item, parts[0], f"{place}[{number}]"


def wanted(hint: Any, given: object) -> str:
    """What to give for an annotation, in words, where something else was given."""
    origin, parts = get_origin(hint) or hint, get_args(hint)
    if origin is Annotated:
        limits = next((part for part in parts[1:] if isinstance(part, Allowed)), Allowed())
        if callable(limits.meant):
            return limits.meant(given)
        return limits.meant or f"{wanted(parts[0], given)} {limits}"
    if origin in _UNIONS:
        return " or ".join(wanted(part, given) for part in parts)
    if origin is Literal and len(parts) == 1:
        return repr(parts[0])
    if origin is Literal:
        close = meant(given, parts) if isinstance(given, str) else ""
        return f"one of {listed(map(repr, parts))}{close}"
    if origin is date:
        return f"a day, such as {_as_day(given)}"
    if _is_many(origin):
        if parts[0] is str:
            return "a list of texts, such as ['NAME']"
        each = wanted(parts[0], given)
        return f"[{each}]" if each.endswith(")") and " " not in each else f"a list, each {each}"
    if origin is type:
        return f"a class that is declared as {parts[0].__name__}"
    if origin is abc.Mapping:
        return f"a dictionary, by name {wanted(parts[1], given)}"
    return _WORDS.get(origin) or f"{origin.__name__}(...)"


def _as_day(given: object) -> str:
    """How to write a day that was given as something else."""
    day = given
    if isinstance(given, str):
        try:
            day = date.fromisoformat(given)
        except ValueError:
            day = None
    return f"date({day.year}, {day.month}, {day.day})" if isinstance(day, date) else _SOME_DAY


_SOME_DAY = "date(2024, 1, 31)"
Age: TypeAlias = Annotated[
    timedelta,
    Allowed(least=timedelta(), meant="a timedelta from 0 on, such as timedelta(days=30)"),
]
Text: TypeAlias = Annotated[str, Allowed(above="", meant="a text that is not empty")]
Declared = TypeVar("Declared", bound=type)
Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")


def declaration(declared: Declared) -> Declared:
    """Have a class check what its instances are made with, as `checked` does."""
    make: Callable[..., None] = declared.__init__  # type: ignore[misc]
    listed_fields = fields(declared) if is_dataclass(declared) else ()
    hidden = frozenset(each.name for each in listed_fields if not each.repr)
    declared.__init__ = checked(make, declared.__name__, hidden)  # type: ignore[misc]
    return declared


def checked(
    function: Callable[Parameters, Returned], title: str = "", hidden: Set[str] = frozenset()
) -> Callable[Parameters, Returned]:
    """Have a function check what it is called with: names, types and limits of its arguments.

    `title` is what a message calls it; by default its name as a decorator's. No message shows what
    was given for a `hidden` argument: it may hold a password.
    """
    taken, title = inspect.signature(function), title or f"@{function.__name__}"
    known = [name for name in taken.parameters if name != "self"]

    @cache
    def hints() -> dict[str, Any]:
        found = get_type_hints(function, include_extras=True)
        many = [each.name for each in taken.parameters.values() if each.kind is each.VAR_POSITIONAL]
        return {**found, **{name: GenericAlias(tuple, (found[name], ...)) for name in many}}

    @wraps(function)
    def call(*values: Parameters.args, **options: Parameters.kwargs) -> Returned:
        unknown = next((name for name in options if name not in known), None)
        if unknown is not None:
            close = get_close_matches(unknown, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {listed(known, 20)}."
            raise DeclarationError(f"{title} takes no {unknown!r}; {hint}")
        try:
            given = taken.bind(*values, **options).arguments
        except TypeError as error:
            raise DeclarationError(f"{title}: {error}; it takes {listed(known, 20)}.") from None
        for name in filter(given.__contains__, known):
            is_shown = name not in hidden
            demand_fit(f"{title}: {name}", given[name], hints()[name], is_shown=is_shown)
        return function(*values, **options)

    return call
