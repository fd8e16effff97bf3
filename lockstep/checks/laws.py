"""Laws as a check: which of them a batch breaks, and what that says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lockstep.checks.impacts import impact_figures, impact_of
from lockstep.checks.quarantined import Aside
from lockstep.checks.results import CheckResult, coverage, with_unjudged
from lockstep.columns.kinds import Array
from lockstep.columns.plain import counted

if TYPE_CHECKING:
    from lockstep.laws.bands import Standing
    from lockstep.laws.book import Book
    from lockstep.laws.law import Broken, Law
    from lockstep.laws.rows import Rows
    from lockstep.parity.counterfactuals import Impact

_MOST_TOLD = 3
"""Broken laws that a summary tells of."""
_ACCEPTED = "accepted"
"""What is told of a broken law of which a person accepted that it is."""
_EXAMPLES = 5
"""Keys that are named of a broken law."""
_NEAREST = 20
"""Statistics that are listed, the nearest to their limits, whether they are beyond them or not."""


def check_laws(
    book: Book,
    rows: Rows,
    accepted: Sequence[str] = (),
    ask: Callable[[str, Array], Impact] | None = None,
    aside: Aside | None = None,
    *,
    still: Collection[str] = (),
) -> CheckResult:
    """Whether a batch keeps the laws of a version; where a person accepted that, it only warns.

    Args:
        book: The laws.
        rows: The rows of the batch.
        accepted: Columns of which a person accepted that laws are broken: all laws of which one
            of them is the first suspect.
        ask: Tells what the values of a column in some rows do to the outputs; asked of the first
            suspects of the laws that are told of.
        aside: Tells what is missing of columns since its rows were quarantined.
        still: What laws say whose breach a person accepted of the very same rows; see
            `accepted_laws`.
    """
    if not book.laws:
        why = next(iter(book.unjudged.values()))  # the same of every field
        return CheckResult.not_judged(f"No law is kept: {why}.", book.unjudged)
    if not len(rows):
        return CheckResult.not_judged("There are no rows.")
    broken_ones = book.find(rows)
    excused = [
        one.strict and (one.columns[0] in accepted or _law(one.law) in still) for one in broken_ones
    ]
    found = [
        replace(one, strict=one.strict and not is_excused)
        for one, is_excused in zip(broken_ones, excused, strict=True)
    ]
    errors = [broken for broken in found if broken.strict]
    impacts = _impacts(found, ask)
    told = ". ".join(broken.message for broken in found[:_MOST_TOLD])
    more = len(found) - _MOST_TOLD
    standings = book.standings(rows)
    nearest = standings[:_NEAREST]
    looked_at = [law.looks_at(rows) for law in book.laws]
    idle = [law for law, count in zip(book.laws, looked_at, strict=True) if not count]
    if not found and len(idle) == len(book.laws):
        return CheckResult.not_judged(_coverage(idle, 0, 0, 0).strip(), book.unjudged)
    told = f"Accepted by a person: {told}" if any(excused) and not errors else told
    said = f"{told}{f'. And {more} more' if more > 0 else ''}." if found else _kept(book, idle)
    sampled = [one for one in looked_at if 0 < one < len(rows)]
    columns = list(dict.fromkeys(column for broken in found for column in broken.columns))
    said += aside(columns) if aside is not None else ""
    said += f" {impacts[0]}." if impacts and impacts[0] is not None else ""
    said += _stated(book, standings, nearest=not errors)
    of_late = sum(one.is_of_late for one in standings)
    said += _as_of_late(of_late)
    said += _coverage(idle, len(sampled), min(sampled, default=0), len(rows))
    judged = len(rows.schema.names) - len(book.lapses) - len(book.unjudged)
    return CheckResult(
        passed=not found,
        summary=with_unjudged(said, book.unjudged),
        severity="ERROR" if errors else "WARN",
        column=columns[0] if columns else None,
        also=tuple(columns[1:]),
        keys=tuple(_keys(found[0], rows)) if found else (),
        numbers={
            **coverage(len(rows), judged, book.unjudged),
            "laws": len(book.laws),
            "broken laws": len(errors),
            "unusual": len(found) - len(errors),
            "laws with nothing to compare": len(idle),
            "beyond training, as of late": of_late,
            "nearest statistic, of its limit": max((one.share for one in nearest), default=0.0),
            **_rates(book),
            "rows looked at least": min((one for one in looked_at if one), default=0),
            **impact_figures(effect for one in impacts[:1] if one for effect in one.effects),
        },
        table=_table(found, excused, impacts, standings, rows),
        unjudged=book.unjudged,
    )


def accepted_laws(found: CheckResult) -> list[str]:
    """What the broken laws say of which a person accepted that they are, as a result tells it."""
    return [row["law"] for row in found.table if row.get("is") == _ACCEPTED]


def _kept(book: Book, idle: Sequence[Law]) -> str:
    judged = len(book.laws) - len(idle)
    verb = "is" if judged == 1 else "are"
    return (
        f"{counted(judged, 'law')} {verb} kept; of all {len(book.laws)}, training never broke "
        f"{book.strict}."
    )


def _coverage(idle: Sequence[Law], sampled: int, fewest: int, rows: int) -> str:
    """What was not compared, if anything was not."""
    said = ""
    for lacks, count in Counter(law.lacks for law in idle).items():
        said += f" {counted(count, 'law')} had nothing to compare: {lacks}."
    if sampled:
        looked_at = f"{fewest:,} or more of the {counted(rows, 'row')}"
        said += f" {counted(sampled, 'law')} looked at {looked_at}."
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


def _table(
    found: Sequence[Broken],
    excused: Sequence[bool],
    impacts: Sequence[Impact | None],
    standings: Sequence[Standing],
    rows: Rows,
) -> list[dict[str, Any]]:
    """Every broken law, then the other statistics that are nearest to their limits.

    What the first suspect of several laws does to decisions stands beside the first of them.
    """
    known = {(id(one.law), one.name): one for one in standings}
    told = [(id(broken.law), next(iter(broken.numbers), "")) for broken in found]
    suspects = [broken.columns[0] for broken in found]
    decisions = [
        str(impact) if impact is not None and suspects.index(suspect) == place else ""
        for place, (suspect, impact) in enumerate(zip(suspects, impacts, strict=True))
    ]
    broken_ones = [
        {**_told(broken, is_excused, said, rows), **_stands(known.get(which))}
        for broken, is_excused, said, which in zip(found, excused, decisions, told, strict=True)
    ]
    others = (one for one in standings[:_NEAREST] if (id(one.law), one.name) not in told)
    return _filled(broken_ones + [{**_kept_by(one), **_stands(one)} for one in others])


def _filled(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A table without the columns that tell nothing in any of its rows."""
    empty = {name for name in (table[0] if table else ()) if not any(row[name] for row in table)}
    return [{name: one for name, one in row.items() if name not in empty} for row in table]


def _told(broken: Broken, is_excused: bool, decisions: str, rows: Rows) -> dict[str, Any]:
    keys = ", ".join(_keys(broken, rows))
    return {
        "columns": ", ".join(broken.columns),
        "is": "an error" if broken.strict else _ACCEPTED if is_excused else "unusual",
        "found": f"{broken.message}. {decisions}" if decisions else broken.message,
        "law": _law(broken.law),
        "rows": f"{len(broken.rows):,}{f': {keys}' if keys else ''}" if len(broken.rows) else "",
    }


def _kept_by(one: Standing) -> dict[str, Any]:
    return {
        "columns": ", ".join(one.law.columns),
        "is": "" if one.share <= 1 else "beyond its limit",
        "found": "",
        "law": _law(one.law),
        "rows": "",
    }


def _law(law: Law) -> str:
    return f"{law.says.removesuffix('.')} ({law.broken} of {law.days} {law.tried_on} broke it)"


def _stands(one: Standing | None) -> dict[str, Any]:
    """A statistic beside its band and its limits; nothing of a law that has none."""
    if one is None:
        names = ("statistic", "today", "training days", "limits", "of its limit")
        return dict.fromkeys(names, "")
    usual, noise = one.band, one.reading.noise
    return {
        "statistic": one.title,
        "today": f"{one.reading.value:.4g}",
        "training days": one.histogram,
        "limits": f"usually {usual.lowest:.4g} to {usual.highest:.4g}; "
        f"warns {_outside(one, usual.limits(usual.warns_beyond, noise))}; "
        f"blocks {_outside(one, usual.limits(usual.blocks_beyond, noise))}",
        "of its limit": f"{one.share:.2g}",
    }


def _outside(one: Standing, limits: tuple[float, float]) -> str:
    low, high = limits
    above = f"above {high:.4g}"
    return above if one.law.only_above else f"below {low:.4g} or {above}"


def _rates(book: Book) -> dict[str, float]:
    """What the margins of statistics are calibrated to."""
    stated = book.margins
    if stated is None:
        return {}
    return {
        "stated rate of unusual days": stated.rate,
        "stated rate of impossible days": stated.error_rate,
    }


def _stated(book: Book, standings: Sequence[Standing], *, nearest: bool) -> str:
    """How near the nearest statistic is to its limit, and how often any passes it by chance.

    Beside a law that cannot be broken, how near the others are would read as if it were harmless.
    """
    if book.margins is None or not standings:
        return ""
    stated = book.margins
    count = counted(len(standings), "statistic")
    said = (
        f"Of {count}, the nearest goes {standings[0].share:.0%} of the way to its limit; of"
        if nearest
        else f"Limits of {count}: of"
    )
    return (
        f" {said} {1 / stated.rate:,.0f} days without any change, one passes any of their limits, "
        f"and of {1 / stated.error_rate:,.0f} one that blocks."
    )


def _as_of_late(count: int) -> str:
    """How many statistics are usual for the batches of late alone, if any are."""
    if not count:
        return ""
    verb = "is" if count == 1 else "are"
    return f" {counted(count, 'statistic')} {verb} beyond the limits of training, as of late."


def _keys(broken: Broken, rows: Rows) -> list[str]:
    key = rows.schema.key
    return [str(one) for one in rows.columns[key][broken.rows[:_EXAMPLES]]] if key else []
