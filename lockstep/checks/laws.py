"""Laws as a check: which of them a batch breaks, and what that says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lockstep.checks.results import CheckResult, others, with_unjudged
from lockstep.columns.plain import counted

if TYPE_CHECKING:
    from lockstep.laws.book import Book
    from lockstep.laws.law import Broken
    from lockstep.laws.rows import Rows

_MOST_TOLD = 3
"""Broken laws that a summary tells of."""
_EXAMPLES = 5
"""Keys that are named of a broken law."""


def check_laws(book: Book, rows: Rows, accepted: Sequence[str] = ()) -> CheckResult:
    """Whether a batch keeps the laws of a version; where a person accepted that, it only warns.

    Args:
        book: The laws.
        rows: The rows of the batch.
        accepted: Columns of which a person accepted that laws are broken: all laws of which one
            of them is the first suspect.
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
    told = "; ".join(broken.message for broken in found[:_MOST_TOLD])
    more = len(found) - _MOST_TOLD
    said = f"{told}{f'; and {more} more' if more > 0 else ''}." if found else _kept(book)
    looked_at = [law.looks_at(rows) for law in book.laws]
    idle, sampled = looked_at.count(0), [one for one in looked_at if 0 < one < len(rows)]
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
            "laws": len(book.laws),
            "broken laws": len(errors),
            "unusual": len(found) - len(errors),
            "columns not judged": len(book.unjudged),
            "laws with nothing to compare": idle,
            "rows looked at least": min((one for one in looked_at if one), default=0),
        },
        table=[_told(broken, rows) for broken in found],
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


def _told(broken: Broken, rows: Rows) -> dict[str, Any]:
    law = broken.law
    return {
        "law": law.says,
        "columns": ", ".join(broken.columns),
        "is": "an error" if broken.strict else "unusual",
        "found": broken.message,
        "rows": len(broken.rows),
        "keys": ", ".join(_keys(broken, rows)),
        "training days": law.days,
        "of these broke it": law.broken,
    }


def _keys(broken: Broken, rows: Rows) -> list[str]:
    key = rows.schema.key
    return [str(one) for one in rows.columns[key][broken.rows[:_EXAMPLES]]] if key else []
