"""Texts as Markdown: whatever a value holds, it is shown as it is."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from lockstep.columns.markdown import code_block, note_markdown, to_markdown
from lockstep.columns.svg import in_markdown

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ADDRESS = re.compile(r"(https?://|www(?=\.))([-.\w]+)|[-.\w+]+@[-\w]+(\.[-\w]+)+", re.IGNORECASE)
"""What GitHub's Markdown takes for an address in any text, escaped or not."""
WORDS = [
    *("![x](http://127.0.0.1/x.png)", "<img src=http://127.0.0.1/y>", "https://example.org"),
    *("www.example.org", "a.b+c@example.org", "[a]: b", "[a]", "<a@b.c>", "&lt;", "&#33;", "~~x~~"),
    *("*x*", "_x_", "__x", "dep_delay", "#", "1.", "2)", "-", "---", ">", "|", "`", "``", "```"),
    *("\\", "\\`", "!", "`lockstep score`", "$x$", "<!-- -->"),
    *("\u00a0", "\t", "    ", "\n", "===="),
]
TEXTS = st.lists(
    st.one_of(st.sampled_from(WORDS), st.text(alphabet="`*_[]()<>!&;#@:/.w~|\\ -+=1ax\n")),
    max_size=12,
).flatmap(lambda words: st.sampled_from(["", " "]).map(lambda joint: joint.join(words)))


def tokens(markdown: str) -> list[Token]:
    """What a page is made of, text and markup."""
    return [
        inner
        for block in RENDERER.parse(markdown)
        for inner in (block.children or [] if block.type == "inline" else [block])
    ]


def bare(text: str) -> str:
    """A text without white space and the marks of code spans."""
    return re.sub(r"[\s`]|\x00|\ufffd", "", text)


@given(TEXTS)
@example("``` `x`")
@example("\u00a0")
@example("`a` `![x](http://127.0.0.1)")
@example("\\`<a href=http://127.0.0.1>`")
@example("1. x\n- y\n# z\n> a\n[a]: http://127.0.0.1\n[a]")
def test_a_text_is_shown_as_it_is_without_links_pictures_and_markup(text: str) -> None:
    shown = tokens(to_markdown(text))
    assert {token.type for token in shown} <= {
        *("paragraph_open", "paragraph_close", "text", "code_inline")
    }
    assert bare("".join(token.content for token in shown)) == bare(text)
    parts = ["" if token.type == "code_inline" else token.content for token in shown]
    assert not ADDRESS.search("".join(parts))


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("fare_amount: 3 of 5 rows (60 %), usually 2.5.", None),
        ("Correct it, then: `lockstep score orders --day 2020-03-01`.", None),
        ("a * b, @live and 1 < 2", "a * b, @live and 1 `<` 2"),
        ("key ![x](http://h/x y.png), a", "key `![x](http://h/x` y.png), a"),
        ("key a`b@c.org", "key ``a`b@c.org``"),
        ("1. April", "`1.` April"),
        ("found\nWhere: column x", "found\n\nWhere: column x"),
    ],
)
def test_only_what_needs_it_becomes_code(text: str, markdown: str | None) -> None:
    assert to_markdown(text) == (text if markdown is None else markdown)


@given(TEXTS)
@example("```\n![x](http://127.0.0.1)")
def test_a_block_of_code_holds_whatever_it_is_given(code: str) -> None:
    (block,) = RENDERER.parse(code_block(code, "python"))
    assert (block.type, block.info) == ("fence", "python")
    assert bare(block.content) == bare(code)


@given(TEXTS)
def test_a_note_is_code_or_text(note: str) -> None:
    for written in (note, f"```json\n{note}\n```", f"![a](http://127.0.0.1/{note})"):
        types = {token.type for token in tokens(note_markdown(written))}
        assert types <= {"paragraph_open", "paragraph_close", "text", "code_inline", "fence"}


def test_a_picture_stays_a_picture() -> None:
    picture = in_markdown("<svg xmlns='http://www.w3.org/2000/svg'/>", "a graph")
    assert note_markdown(picture) == picture
