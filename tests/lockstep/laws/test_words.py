"""Words of texts are those that a regular expression finds."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lockstep.columns.schema import Field, Schema
from lockstep.laws import words
from lockstep.laws.rows import Rows
from lockstep.laws.words import Parted

SCHEMA = Schema("Ticket", (Field("ticket", "str", role="key"),))
SIGN = st.text("-/ –€", min_size=1, max_size=3)
EDGE = st.just("") | SIGN
WORD = st.text("aé1€\n", max_size=3)


@st.composite
def signed(draw: st.DrawFn) -> tuple[tuple[str, ...], list[str | None]]:
    """Signs, and texts of which many have these between their words."""
    between = draw(st.lists(SIGN, min_size=1, max_size=3))
    signs = (draw(EDGE), *between, draw(EDGE))

    def written(parts: list[str]) -> str:
        return signs[0] + "".join(word + sign for word, sign in zip(parts, signs[1:], strict=True))

    parted = st.lists(WORD, min_size=len(signs) - 1, max_size=len(signs) - 1).map(written)
    other = st.none() | st.text("aé-/ –€", max_size=6)
    return signs, draw(st.lists(parted | parted | other, max_size=12))


@pytest.mark.parametrize("block", [2, 65_536])
@settings(max_examples=150, deadline=None)
@given(drawn=signed(), data=st.data())
@example(drawn=(("", "-", ""), ["a-b", "-b", "a-", "a--b", "a-b-", None, "", "é-€"]), data=None)
def test_words_are_those_of_a_regular_expression(block, drawn, data) -> None:
    signs, texts = drawn
    word = f"[^{re.escape(''.join(signs))}]+"
    pattern = re.escape(signs[0]) + "".join(f"({word}){re.escape(sign)}" for sign in signs[1:])
    start = 0 if data is None else data.draw(st.integers(0, len(signs) - 2))
    end = 1 if data is None else data.draw(st.integers(start + 1, len(signs) - 1))
    rows = Rows({"ticket": np.array(texts, dtype=object)}, SCHEMA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "_BLOCK", block)
        found = Parted.of(rows, "ticket", signs).words(start, end)
    said = [found.found[place] if place >= 0 else None for place in found.places.tolist()]
    matches = [re.fullmatch(pattern, text or "") for text in texts]
    assert said == [
        None if match is None else match.string[match.start(start + 1) : match.end(end)]
        for match in matches
    ]
