"""Which columns' code differs between two sources."""

import ast
import io
import tokenize
import warnings
from collections.abc import Collection, Iterator
from contextlib import suppress

import pytest

from lockstep import Key, Record
from lockstep.errors import SourceError
from lockstep.parity.code_changes import changed_columns, column_digests, field_digests

PIPELINE = '''"""Flights."""

import numpy as np

import transforms.units as units
from lockstep import EventTime, Floats, Ints, Key, Outcome, Pipeline, Record
from lockstep import feature, label, model, output
from transforms.clock import minute_of_day
from transforms.weather import wind_chill

LATE = 15  # minutes
HOURS = {"morning": 6}
HOURS["evening"] = 18
Delay = float | None


class Departure(Record):
    """A departure."""

    flight_id: Key[str]
    sched_dep_time: int
    temp: float | None  # degrees Fahrenheit


class Arrival(Outcome):
    arr_delay: Delay


def _square(x: Floats) -> Floats:
    return x * x


@feature
def departure_minute(sched_dep_time: Ints) -> Ints:
    """Minutes after midnight."""
    return minute_of_day(sched_dep_time)


@feature(ulps=2)
def heat(temp: Floats) -> Floats:
    return _square(units.celsius(temp))


@feature
def is_evening(departure_minute: Ints) -> Floats:
    return (departure_minute >= HOURS["evening"] * 60).astype(float)


@feature
def squared_twice(temp: Floats) -> Floats:
    return heat(temp) ** 2


@label
def late(arr_delay):
    return np.isnan(arr_delay) | (arr_delay > LATE)


USED = [departure_minute, heat]


@model(learns=late, uses=USED)
def probability():
    return _estimator()


def _estimator():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.5)


@output
def will_be_late(probability):
    return probability >= 0.5


PIPELINE = Pipeline(__name__, record=Departure, outcome=Arrival)
'''
UNITS = """
FACTOR = 5 / 9
def celsius(fahrenheit):
    return (fahrenheit - 32) * FACTOR
def unused(x):
    return x
"""
CLOCK = """
from transforms.units import *
def minute_of_day(hhmm):
    return hhmm // 100 * 60 + hhmm % 100
"""
WEATHER = """
from lockstep import feature
@feature
def wind_chill(temp):
    return temp - 1
"""
SOURCES = {
    "transforms.flights": PIPELINE,
    "transforms.units": UNITS,
    "transforms.clock": CLOCK,
    "transforms.weather": WEATHER,
}
COLUMNS = [
    "wind_chill",
    "departure_minute",
    "heat",
    "is_evening",
    "squared_twice",
    "late",
    "probability",
    "will_be_late",
]


def changes(module: str, old: str, new: str, columns: Collection[str] = COLUMNS) -> dict[str, str]:
    """The columns that change when a piece of one module's source is replaced."""
    name = f"transforms.{module}"
    assert SOURCES[name].count(old) == 1, f"{old!r} must be in the source, once"
    after = {**SOURCES, name: SOURCES[name].replace(old, new)}
    before = column_digests(SOURCES, "transforms.flights", COLUMNS)
    return changed_columns(before, column_digests(after, "transforms.flights", columns))


HARMLESS = {
    "docstring": ("flights", '"""Minutes after midnight."""', '"""Since midnight."""'),
    "docstring removed": ("flights", '    """Minutes after midnight."""\n', ""),
    "module's docstring": ("flights", '"""Flights."""', ""),
    "record's docstring": ("flights", '    """A departure."""\n\n', ""),
    "comment": ("flights", "# minutes", "# more than these minutes"),
    "layout": ("flights", "x * x", "(x  *  x)"),
    "spelling of constants": ("flights", '{"morning": 6}', "{\n    'morning': 0x6,\n}"),
    "unused helper": ("units", "    return x\n", "    return x + 1\n"),
    "main": ("flights", "PIPELINE = ", "if __name__ == '__main__':\n    print(1)\nPIPELINE = "),
}
HEATS = ["heat", "squared_twice"]
COUNT = {
    "function": ("flights", "departure_minute >=", "departure_minute >", ["is_evening"]),
    "helper, and the column that calls the column": ("flights", "x * x", "x * x * x", HEATS),
    "constant": ("flights", "LATE = 15", "LATE = 20", ["late"]),
    "item of a constant": ("flights", "= 18", "= 19", ["is_evening"]),
    "imported library": ("flights", "import numpy as np", "import jax.numpy as np", ["late"]),
    "decorator's argument": ("flights", "ulps=2", "ulps=3", HEATS),
    "constant in a decorator": ("flights", "[departure_minute, heat]", "[heat]", ["probability"]),
    "helper of a model": ("flights", "C=0.5", "C=0.25", ["probability"]),
    "label of a model": ("flights", "learns=late", "learns=Late", ["probability"]),
    "output": ("flights", ">= 0.5", ">= 0.4", ["will_be_late"]),
    "annotation": (
        "flights",
        "temp: Floats) -> Floats:\n    return _",
        "temp):\n    return _",
        HEATS,
    ),
    "function imported by name": ("clock", "% 100", "% 60", ["departure_minute"]),
    "constant behind a module's alias": ("units", "5 / 9", "0.5556", HEATS),
    "imported column": ("weather", "temp - 1", "temp - 2", ["wind_chill"]),
}


@pytest.mark.parametrize(("module", "old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_what_no_column_computes_with_changes_none(module: str, old: str, new: str) -> None:
    assert changes(module, old, new) == {}


@pytest.mark.parametrize(("module", "old", "new", "columns"), COUNT.values(), ids=COUNT)
def test_a_change_of_code_names_the_columns_that_use_it(
    module: str, old: str, new: str, columns: list[str]
) -> None:
    assert list(changes(module, old, new).items()) == [(name, "changed") for name in columns]


class Departure(Record):
    flight_id: Key[str]
    sched_dep_time: int
    temp: float | None  # degrees Fahrenheit


class Told(Record):
    flight_id: Key[str]
    sched_dep_time: int
    temp: float | None  # degrees Celsius


class Changed(Record):
    flight_id: Key[str]
    sched_dep_time: float
    wind: float


def test_a_changed_declaration_names_its_field() -> None:
    before, after = field_digests(Departure.schema()), field_digests(Changed.schema())
    assert changed_columns(before, after) == {
        "sched_dep_time": "changed",
        "wind": "added",
        "temp": "removed",
    }


def test_a_fields_comment_is_no_part_of_its_declaration() -> None:
    assert field_digests(Departure.schema()) == field_digests(Told.schema())


def test_a_renamed_column_is_added_and_removed() -> None:
    renamed = [name.replace("is_evening", "at_night") for name in COLUMNS]
    found = changes("flights", "def is_evening(", "def at_night(", renamed)
    assert found == {"at_night": "added", "is_evening": "removed"}


def test_a_statement_executed_at_import_changes_every_column_of_its_module() -> None:
    found = changes("flights", "PIPELINE = ", "np.seterr(all='raise')\nPIPELINE = ")
    assert found == {name: "changed" for name in COLUMNS if name != "wind_chill"}


def test_a_parameter_hides_the_helper_of_its_name() -> None:
    source = (
        "from lockstep import feature\ndef temp(): return 1\n@feature\ndef a(temp): return temp"
    )
    before, after = (
        column_digests({"p": text}, "p", ["a"])
        for text in (source, source.replace("return 1", "return 2"))
    )
    assert changed_columns(before, after) == {}


def test_modules_that_import_from_each_other_in_a_circle_end() -> None:
    source = "from q import f\nfrom lockstep import feature\n@feature\ndef a(x): return f(x)"
    assert list(column_digests({"p": source, "q": "from p import f"}, "p", ["a"])) == ["a"]


def test_a_source_that_is_no_python_is_named_with_its_line() -> None:
    with pytest.raises(SourceError, match=r"transforms\.flights, line 2"):
        column_digests({"transforms.flights": "x = 1\ndef (:\n"}, "transforms.flights", ["a"])


def test_a_pipeline_without_source_is_named() -> None:
    with pytest.raises(SourceError, match=r"no source of transforms\.gone"):
        column_digests(SOURCES, "transforms.gone", COLUMNS)


# Every token counts

REACHABLE = {
    "p": """
import numpy as np
import kit
from star import *
from . import tools as t
from lib.units import FACTOR, scale as scaled
from lockstep import feature

HOURS = {"morning": 6, "noon": [12, None]}
HOURS["evening"] = -18

class Table(dict):
    offset: float = 0.25
    def at(self, key, *, default=1.5):
        return self.get(key, default) + self.offset

def wrapped(function):
    return lambda x: function(x) if HOURS else x

@wrapped
def halved(x, by=2, *more, **named):
    for _ in range(by):
        x = x / by
    return x

if FACTOR > 3:
    twice = halved
else:
    twice = scaled

def odd(n):
    return n and even(n - 1)

def even(n):
    return not n or odd(n - 1)

@feature
def b(y):
    return y ** 3

def applied(x, function=partial(b)):
    return function(x)

@feature(ulps=2)
def a(x: np.ndarray, y):
    try:
        found = [Table(HOURS).at(k) for k in "abc" if k != y]
    except (KeyError, ValueError) as error:
        raise SystemExit(f"no {error!r:>10}") from None
    from lib.units import least
    x = starred(even(applied(getattr(kit, "f")(x))))
    return np.where(~np.isnan(x) & (x >= least), t.shifted(twice(x)), found[1:])
""",
    "p.tools": """
def shifted(x):
    global SHIFT
    SHIFT = 3
    assert x is not None, "nothing to shift"
    return x << SHIFT % 7
""",
    "lib.units": """
from .deep import scale
least = 0.5
FACTOR, UNUSED_BUT_BOUND_WITH_IT = 4, "m"
""",
    "star": """
def starred(x):
    return x * 2
""",
    "kit": """
def f(x):
    return x
""",
    "lib.deep": """
def scale(x):
    def inner():
        nonlocal x
        x = x or 1
    inner()
    return x ** 2
""",
}
OTHER = {"<": "<=", "-": "+", "+": "-", "/": "//", "*": "+", "**": "*", "&": "|", "<<": ">>"}


def other_tokens(token: tokenize.TokenInfo) -> Iterator[str]:
    """What may stand in a token's place."""
    if token.type == tokenize.NUMBER:
        yield from (f"{token.string}1", "True")
    elif token.type == tokenize.STRING:
        yield token.string[0] + "z" + token.string[1:]
        yield f"b{token.string}"
    elif token.type == tokenize.NAME:
        yield f"{token.string}_"
        yield from ("not", "or", "True", "None", "pass", "is")
    elif token.type == tokenize.OP:
        yield from {OTHER.get(token.string, ","), "", ".", "*"}


def edited_sources() -> Iterator[tuple[str, dict[str, str]]]:
    """The sources with one token changed, wherever that is still Python."""
    for module, source in REACHABLE.items():
        lines = source.splitlines(keepends=True)
        tree = ast.dump(ast.parse(source))
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            (row, start), (last, end) = token.start, token.end
            for text in other_tokens(token) if row == last else ():
                line = lines[row - 1]
                edited = [*lines[: row - 1], line[:start] + text + line[end:], *lines[row:]]
                with suppress(SyntaxError), warnings.catch_warnings():
                    warnings.simplefilter("ignore", SyntaxWarning)
                    compile("".join(edited), module, "exec")
                    if ast.dump(ast.parse("".join(edited))) != tree:
                        where = f"{module}, line {row}: {line.strip()!r} with {text!r}"
                        yield where, {**REACHABLE, module: "".join(edited)}


def test_any_token_of_the_code_that_a_column_reaches_counts() -> None:
    before = column_digests(REACHABLE, "p", "ab")["a"]
    edits = list(edited_sources())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        missed = [it for it, after in edits if column_digests(after, "p", "ab")["a"] == before]
    assert len(edits) > 300
    assert missed == []
