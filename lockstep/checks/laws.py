"""Laws as a check: which of them a batch breaks, and what that says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lockstep.checks.impacts import impact_figures, impact_of
from lockstep.checks.results import CheckResult, coverage, others, with_unjudged
from lockstep.columns.kinds import Array
from lockstep.columns.plain import counted

if TYPE_CHECKING:
    from lockstep.laws.book import Book
    from lockstep.laws.law import Broken
    from lockstep.laws.rows import Rows
    from lockstep.parity.counterfactuals import Impact

_MOST_TOLD = 3
"""Broken laws that a summary tells of."""
_EXAMPLES = 5
"""Keys that are named of a broken law."""


def check_laws(
    book: Book,
    rows: Rows,
    accepted: Sequence[str] = (),
    ask: Callable[[str, Array], Impact] | None = None,
) -> CheckResult:
    """Whether a batch keeps the laws of a version; where a person accepted that, it only warns.

    Args:
        book: The laws.
        rows: The rows of the batch.
        accepted: Columns of which a person accepted that laws are broken: all laws of which one
            of them is the first suspect.
        ask: Tells what the values of a column in some rows do to the outputs; asked of the first
            suspects of the laws that are told of.
    """
    if not book.laws:
        return CheckResult.not_judged(
            f"Nothing held in the training rows that could be a law: there were {book.days} days.",
            book.unjudged,
        )
    if not len(rows):
        return CheckResult.not_judged("There are no rows.")
    found = [
        replace(broken, strict=broken.strict and broken.columns[0] not in accepted)
        for broken in book.find(rows)
    ]
    errors = [broken for broken in found if broken.strict]
    impacts = _impacts(found, ask)
    told = "; ".join(broken.message for broken in found[:_MOST_TOLD])
    more = len(found) - _MOST_TOLD
    said = f"{told}{f'; and {more} more' if more > 0 else ''}." if found else _kept(book)
    looked_at = [law.looks_at(rows) for law in book.laws]
    idle, sampled = looked_at.count(0), [one for one in looked_at if 0 < one < len(rows)]
    said += f" {impacts[0]}." if impacts and impacts[0] is not None else ""
    said += _coverage(idle, len(sampled), min(sampled, default=0), len(rows))
    columns = list(dict.fromkeys(column for broken in found for column in broken.columns))
    return CheckResult(
        passed=not found,
        summary=with_unjudged(said, book.unjudged),
        severity="ERROR" if errors else "WARN",
        column=columns[0] if columns else None,
        where=others(columns),
        keys=tuple(_keys(found[0], rows)) if found else (),
        numbers={
            **coverage(len(rows), len(rows.columns) - len(book.unjudged), book.unjudged),
            "laws": len(book.laws),
            "broken laws": len(errors),
            "unusual": len(found) - len(errors),
            "laws with nothing to compare": idle,
            "rows looked at least": min((one for one in looked_at if one), default=0),
            **impact_figures(effect for one in impacts[:1] if one for effect in one.effects),
        },
        table=[_told(*one, rows) for one in zip(found, impacts, strict=True)],
        unjudged=book.unjudged,
    )


def _kept(book: Book) -> str:
    return (
        f"All {counted(len(book.laws), 'law')} are kept; training never broke {book.strict} of them"
    ) + "."


def _coverage(idle: int, sampled: int, fewest: int, rows: int) -> str:
    """What was not compared, if anything was not."""
    said = ""
    if idle:
        said += (
            f" {counted(idle, 'law')} compare days, of which the batch has none as large as those "
            "of training."
        )
    if sampled:
        said += f" {counted(sampled, 'law')} looked at {fewest:,} or more of the {rows:,} rows."
    return said


def _impacts(
    found: Sequence[Broken], ask: Callable[[str, Array], Impact] | None
) -> list[Impact | None]:
    """What the first suspects of the laws that are told of do to the outputs, each asked once."""
    if ask is None:
        return [None] * len(found)
    known: dict[str, Impact] = {}
    for suspect, rows in ((broken.columns[0], broken.rows) for broken in found[:_MOST_TOLD]):
        if suspect not in known:
            known[suspect] = impact_of(partial(ask, suspect, rows))
    return [known.get(broken.columns[0]) for broken in found]


def _told(broken: Broken, impact: Impact | None, rows: Rows) -> dict[str, Any]:
    law = broken.law
    return {
        "columns": ", ".join(broken.columns),
        "is": "an error" if broken.strict else "unusual",
        "found": broken.message,
        "decisions": "" if impact is None else str(impact),
        "law": law.says,
        "training": f"{law.broken} of {law.days} days broke it",
        "rows": len(broken.rows),
        "keys": ", ".join(_keys(broken, rows)),
    }


def _keys(broken: Broken, rows: Rows) -> list[str]:
    key = rows.schema.key
    return [str(one) for one in rows.columns[key][broken.rows[:_EXAMPLES]]] if key else []
