"""Code whose outcome may depend on the order of a set."""

import pytest

from lockstep.artifacts.sets import may_depend_on_order

DEPENDS = [
    "first = list({*'abc'})[0]",
    "for one in {'a', 'b'}: print(one)",
    "def f(x): return [one for one in set(x)]",
    "def f(x): return frozenset(x)",
    "KNOWN = {'a', 'b'}\ndef f(): return list(KNOWN)",
    "def f(x, y): return list(x.keys() & y.keys())",
    "def f(x, y): return [*x.union(y)]",
    "def f(x): return hash(x) % 4",
]
LOOKS_UP = [
    "KNOWN = {'a', 'b'}\ndef f(x): return [one in KNOWN for one in x]",
    "KNOWN: frozenset[str] = frozenset(('a', 'b'))\ndef f(x): return set(x) <= KNOWN",
    "def f(x): return len({*x}) + max(set(x))",
    "def f(x): return sorted({one.lower() for one in x})",
    "KNOWN = {'a': 1}\ndef f(x): return [KNOWN[one] for one in x]",
]


@pytest.mark.parametrize("code", DEPENDS)
def test_what_is_done_with_a_set_may_depend_on_its_order(code: str) -> None:
    assert may_depend_on_order(["", code])


@pytest.mark.parametrize("code", LOOKS_UP)
def test_a_set_in_which_something_is_looked_up_has_no_order(code: str) -> None:
    assert not may_depend_on_order([code, ""])


def test_a_set_counts_by_what_another_module_does_with_it() -> None:
    assert may_depend_on_order(["KNOWN = {'a', 'b'}", "import one\nfound = list(one.KNOWN)"])
