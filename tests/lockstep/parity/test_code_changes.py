"""Which columns' code differs between two sources."""

import ast
import inspect
import io
import tokenize
import warnings
from collections.abc import Collection, Iterator
from contextlib import suppress

import pytest

from lockstep import Key, Record
from lockstep.errors import SourceError
from lockstep.parity.code_changes import changed_columns, column_digests, field_digests
from transforms import flight_delay

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
    assert SOURCES[module].count(old) == 1, f"{old!r} must be in the source, once"
    after = {**SOURCES, module: SOURCES[module].replace(old, new)}
    before = column_digests(SOURCES, "transforms.flights", COLUMNS)
    return changed_columns(before, column_digests(after, "transforms.flights", columns))


def changed(module: str, old: str, new: str) -> list[str]:
    found = changes(module, old, new)
    assert set(found.values()) <= {"changed"}
    return list(found)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("transforms.flights", '"""Minutes after midnight."""', '"""Since midnight."""'),
        ("transforms.flights", '    """Minutes after midnight."""\n', ""),
        ("transforms.flights", '"""Flights."""', ""),
        ("transforms.flights", '    """A departure."""\n\n', ""),
        ("transforms.flights", "# minutes", "# more than these minutes"),
        ("transforms.flights", "x * x", "(x  *  x)"),
        ("transforms.flights", '{"morning": 6}', "{\n    'morning': 0x6,\n}"),
        ("transforms.units", "    return x\n", "    return x + 1\n"),
        (
            "transforms.flights",
            "PIPELINE = ",
            "if __name__ == '__main__':\n    print(1)\nPIPELINE = ",
        ),
    ],
    ids=[
        "docstring",
        "docstring removed",
        "module's docstring",
        "record's docstring",
        "comment",
        "layout",
        "spelling of constants",
        "unused helper",
        "main",
    ],
)
def test_what_no_column_computes_with_changes_none(module: str, old: str, new: str) -> None:
    assert changed(module, old, new) == []


@pytest.mark.parametrize(
    ("module", "old", "new", "columns"),
    [
        ("transforms.flights", "departure_minute >=", "departure_minute >", ["is_evening"]),
        ("transforms.flights", "x * x", "x * x * x", ["heat", "squared_twice"]),
        ("transforms.flights", "LATE = 15", "LATE = 20", ["late"]),
        ("transforms.flights", "= 18", "= 19", ["is_evening"]),
        ("transforms.flights", "import numpy as np", "import jax.numpy as np", ["late"]),
        ("transforms.flights", "ulps=2", "ulps=3", ["heat", "squared_twice"]),
        ("transforms.flights", "[departure_minute, heat]", "[departure_minute]", ["probability"]),
        ("transforms.flights", "C=0.5", "C=0.25", ["probability"]),
        ("transforms.flights", "learns=late", "learns=Late", ["probability"]),
        ("transforms.flights", ">= 0.5", ">= 0.4", ["will_be_late"]),
        (
            "transforms.flights",
            "(temp: Floats) -> Floats:\n    return _sq",
            "(temp) -> Floats:\n    return _sq",
            ["heat", "squared_twice"],
        ),
        ("transforms.clock", "% 100", "% 60", ["departure_minute"]),
        ("transforms.units", "5 / 9", "0.5556", ["heat", "squared_twice"]),
        ("transforms.weather", "temp - 1", "temp - 2", ["wind_chill"]),
    ],
    ids=[
        "function",
        "helper, and the column that calls the column",
        "constant",
        "item of a constant",
        "imported library",
        "decorator's argument",
        "constant in a decorator",
        "helper of a model",
        "label of a model",
        "output",
        "annotation",
        "function imported by name",
        "constant behind a module's alias",
        "imported column",
    ],
)
def test_a_change_of_code_names_the_columns_that_use_it(
    module: str, old: str, new: str, columns: list[str]
) -> None:
    assert changed(module, old, new) == columns


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
    found = changes("transforms.flights", "def is_evening(", "def at_night(", renamed)
    assert found == {"at_night": "added", "is_evening": "removed"}


def test_a_statement_executed_at_import_changes_every_column_of_its_module() -> None:
    found = changed("transforms.flights", "PIPELINE = ", "np.seterr(all='raise')\nPIPELINE = ")
    assert found == [name for name in COLUMNS if name != "wind_chill"]


def column(*lines: str, imports: str = "") -> str:
    """The source of a pipeline with one column, `a`."""
    return "\n".join([imports, "from lockstep import feature", *lines])


def differs(before: dict[str, str], after: dict[str, str], module: str = "p") -> bool:
    """Whether the column `a` has other code in the later sources."""
    found = changed_columns(
        column_digests(before, module, ["a"]), column_digests(after, module, ["a"])
    )
    assert found in ({}, {"a": "changed"})
    return bool(found)


def test_a_parameter_hides_the_helper_of_its_name() -> None:
    source = column("def temp(): return 1", "@feature", "def a(temp): return temp")
    assert not differs({"p": source}, {"p": source.replace("return 1", "return 2")})


def test_an_import_inside_a_function_is_followed() -> None:
    before = {
        "p": column("@feature", "def a(x):", "    from lib.units import f", "    return f(x)"),
        "lib.units": "def f(x): return x * 2",
    }
    assert differs(before, {**before, "lib.units": "def f(x): return x * 3"})


def test_a_helper_behind_a_star_import_is_followed() -> None:
    before = {
        "p": column("@feature", "def a(x): return f(x)", imports="from lib import *"),
        "lib": "def f(x): return x * 2",
    }
    assert differs(before, {**before, "lib": "def f(x): return x * 3"})


def test_a_relative_import_and_a_re_export_are_followed() -> None:
    before = {
        "lib.p": column("@feature", "def a(x): return units.f(x)", imports="from . import units"),
        "lib.units": "from .deep import f",
        "lib.deep": "def f(x): return x * 2",
    }
    assert differs(before, {**before, "lib.deep": "def f(x): return x * 3"}, "lib.p")


def test_a_relative_import_starts_from_the_package_that_a_module_is() -> None:
    before = {
        "p": column("@feature", "def a(x): return f(x)", imports="from lib import f"),
        "lib": "from .deep import f",
        "lib.deep": "def f(x): return x * 2",
    }
    assert differs(before, {**before, "lib.deep": "def f(x): return x * 3"})


def test_helpers_that_call_each_other_are_followed_once() -> None:
    source = column(
        "def odd(n): return n and even(n - 1)",
        "def even(n): return not n or odd(n - 1)",
        "@feature",
        "def a(x): return even(x)",
    )
    assert differs({"p": source}, {"p": source.replace("return n and", "return n or")})


def test_a_class_is_followed_as_a_whole() -> None:
    source = column(
        "class Table:",
        "    def value(self, x): return x + OFFSET",
        "OFFSET = 1",
        "@feature",
        "def a(x): return Table().value(x)",
    )
    assert differs({"p": source}, {"p": source.replace("OFFSET = 1", "OFFSET = 2")})


def test_a_column_in_a_default_argument_is_used() -> None:
    source = column(
        "@feature",
        "def b(x): return x",
        "def applied(x, f=partial(b)): return f(x)",
        "@feature",
        "def a(x): return applied(x)",
    )
    before = column_digests({"p": source}, "p", ["a", "b"])
    after = column_digests({"p": source.replace("b(x): return x", "b(x): return -x")}, "p", "ab")
    assert list(changed_columns(before, after)) == ["a", "b"]


def test_a_definition_behind_a_condition_is_followed() -> None:
    source = column(
        "if FAST:", "    f = int", "else:", "    f = float", "@feature", "def a(x): return f(x)"
    )
    assert differs(
        {"p": source}, {"p": source.replace("else:\n    f = float", "else:\n    f = round")}
    )


def test_a_module_passed_on_as_a_whole_counts_as_a_whole() -> None:
    before = {
        "p": column("@feature", "def a(x): return getattr(lib, 'f')(x)", imports="import lib"),
        "lib": "def f(x): return x",
    }
    assert differs(before, {**before, "lib": "def f(x): return -x"})


def test_modules_that_import_from_each_other_in_a_circle_end() -> None:
    sources = {
        "p": column("@feature", "def a(x): return f(x)", imports="from q import f"),
        "q": "from p import f",
    }
    assert list(column_digests(sources, "p", ["a"])) == ["a"]


def test_a_number_and_a_truth_value_are_not_the_same_code() -> None:
    source = column("@feature", "def a(x): return x * 1")
    assert differs({"p": source}, {"p": source.replace("* 1", "* True")})


def test_a_source_that_is_no_python_is_named_with_its_line() -> None:
    with pytest.raises(SourceError, match=r"transforms\.flights, line 2"):
        column_digests({"transforms.flights": "x = 1\ndef (:\n"}, "transforms.flights", ["a"])


def test_a_pipeline_without_source_is_named() -> None:
    with pytest.raises(SourceError, match=r"no source of transforms\.gone"):
        column_digests(SOURCES, "transforms.gone", COLUMNS)


def test_a_feature_of_the_flights_that_changes_is_the_only_one_named() -> None:
    source = inspect.getsource(flight_delay)
    old = "return sched_dep_time // 100 * 60 + sched_dep_time % 100"
    assert source.count(old) == 1
    name, columns = flight_delay.__name__, flight_delay.PIPELINE.graph.columns
    before = column_digests({name: source}, name, columns)
    after = column_digests({name: source.replace(old, "return sched_dep_time")}, name, columns)
    assert changed_columns(before, after) == {"departure_minute": "changed"}


# Every token counts

REACHABLE = {
    "p": """
import numpy as np
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

@feature(ulps=2)
def a(x: np.ndarray, y):
    try:
        found = [Table(HOURS).at(k) for k in "abc" if k != y]
    except (KeyError, ValueError) as error:
        raise SystemExit(f"no {error!r:>10}") from None
    return np.where(~np.isnan(x) & (x >= 0.5), t.shifted(twice(x)), found[1:])
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
FACTOR, UNUSED_BUT_BOUND_WITH_IT = 4, "m"
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
        yield token.string + "1"
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
    before = column_digests(REACHABLE, "p", ["a"])
    edits = list(edited_sources())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        missed = [where for where, after in edits if column_digests(after, "p", ["a"]) == before]
    assert len(edits) > 300
    assert missed == []
