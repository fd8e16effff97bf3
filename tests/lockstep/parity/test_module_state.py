"""What modules hold at first, and hold again."""

from __future__ import annotations

from types import ModuleType

import pytest

from lockstep.parity.module_state import ModuleState

SOURCE = """
CODES = {"DE": 0}
ROWS = [1, 2]
SEEN = {1}
RATE = 2.0

class Memo:
    known = {}

def grow():
    CODES["FR"] = 1
    ROWS.append(3)
    SEEN.add(2)
    Memo.known[1] = 2
"""


@pytest.fixture
def module() -> ModuleType:
    made = ModuleType("root.fees")
    exec(SOURCE, vars(made))
    return made


def test_nothing_grew_of_what_is_as_it_was(module: ModuleType) -> None:
    assert ModuleState.of([module]).grown == ()


def test_what_grew_is_named_and_holds_again_what_it_held_at_first(module: ModuleType) -> None:
    state = ModuleState.of([module])
    first = state.first_of(state.containers)
    module.grow()
    assert set(state.grown) == {"fees.CODES", "fees.ROWS", "fees.SEEN", "fees.Memo.known"}
    first.restore()
    assert ({"DE": 0}, [1, 2], {1}) == (module.CODES, module.ROWS, module.SEEN)
    assert module.Memo.known == {}
    assert state.grown == ()
