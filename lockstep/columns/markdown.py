"""Texts as Markdown: no value of a row becomes a link, a picture or other markup.

Dagster renders descriptions, and metadata that says so, as GitHub's Markdown, where an address
alone is a link even if its characters are escaped. In a code span it is text, so a word that could
mean something is put into one.
"""

from __future__ import annotations

import re
from itertools import groupby

_SPAN = r"(?<!`)(`+)(?!`)(?:.+?)(?<!`)\1(?!`)"
_CODE = re.compile(_SPAN)
_WORD = re.compile(rf"(?:{_SPAN}|[^ \t])+")
_MARKUP = re.compile(
    r"""[`\\\[\]<~]                             # code, escapes, links, HTML, deletions
    | &[#a-z]                                   # entities
    | (?<=.)\*|\*(?=.)                          # emphasis, but for a star alone
    | (?<![^\W_])_|_(?![^\W_])                  # emphasis, but for names such as `dep_delay`
    | ://|www\.|[\w.+-]@                        # addresses
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BLOCK = re.compile(r"#+|[-+*]+|\d+[.)]|>.*")
"""Words that begin a heading, a list, a line or a quotation at the beginning of a paragraph."""
_FENCED = re.compile(r"`{3,}(\w*)\n(.*?)\n?`*", re.DOTALL)
PICTURE = re.compile(r"!\[[^][]*\]\((data:image/(?:png|svg\+xml);base64,[\w+/=]*)\)", re.ASCII)
"""A picture that needs no other file; the group is its address."""


def to_markdown(text: str) -> str:
    """Markdown that shows a text as it is, a paragraph for each line.

    Code spans in it stay code spans. Words that Markdown would read as anything but text become
    code spans.
    """
    return "\n\n".join(_paragraph(line) for line in text.splitlines() if line.strip(" \t"))


def code_block(code: str, language: str = "") -> str:
    """Markdown that shows some lines of code, whatever they hold."""
    fence = "`" * max(3, _longest_run(code) + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def note_markdown(note: str) -> str:
    """Markdown of a note of a check result: a block of code, a picture, or else a text."""
    if PICTURE.fullmatch(note):
        return note
    block = _FENCED.fullmatch(note)
    return to_markdown(note) if block is None else code_block(block[2], block[1])


def _paragraph(line: str) -> str:
    words = [match.group() for match in _WORD.finditer(line)]
    risky = [_is_markup(word) for word in words]
    risky[0] |= _BLOCK.fullmatch(words[0]) is not None
    parts: list[str] = []
    for is_risky, run in groupby(zip(words, risky, strict=True), key=lambda pair: pair[1]):
        text = " ".join(word for word, _ in run)
        parts.append(_span(text) if is_risky else text)
    return " ".join(parts)


def _is_markup(word: str) -> bool:
    """Whether Markdown would read a word as more than text and whole code spans."""
    return any(_MARKUP.search(text) for text in _CODE.sub(" ", word).split(" "))


def _span(text: str) -> str:
    fence = "`" * (_longest_run(text) + 1)
    room = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{room}{text}{room}{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
