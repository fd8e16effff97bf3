"""Ingest: parts the rows of a source before anything is computed from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lockstep.checks.check_results import coverage
from lockstep.checks.suite_checks import Keep, Quarantined, suite_result
from lockstep.columns.aside import Aside, set_aside
from lockstep.columns.decode import Decoded
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.malformed import LINE
from lockstep.columns.plain import all_of, counted, cut, listed, plain, verb
from lockstep.columns.schema import Field, Schema
from lockstep.errors import UnreadableError
from lockstep.refusals import Reason
from lockstep.rules.record_rules import RecordRules
from lockstep.rules.row_rules import part
from lockstep.rules.suite_counts import SuiteCounts
from lockstep.store.results import CheckResult

_EXAMPLES = 5
"""Rows that a message names."""
_LEAST_SHARE = 0.5
"""Least share of a value's rows that is quarantined for the value to be named."""
_LEAST_ROWS = 3
"""Least number of a value's rows that are quarantined for the value to be named."""
_NAMED = 3
"""Values that a message names."""
_LONGEST = 40
"""Characters shown of a value."""
_TRAINED = "and train and promote a version of that"
_FORMS = {"float": "a finite number", "str": "text in UTF-8"}
_IGNORED = "Declare the columns, and train and promote a version of that, or have them left out."
_UNREADABLE = (
    "Have it delivered anew as it is declared; or declare it as it is delivered, and train and "
    "promote a version of that."
)
_MALFORMED = (
    "Have that line corrected where the file is written: a text that holds a separator or a line "
    'break stands in double quotes, a double quote in it is doubled (""), and all is in one '
    "encoding."
)
_NO_ROWS = (
    "Ask upstream whether rows are lacking, and have them delivered; then: AGAIN. WITHOUT_ROWS."
)
_REPEATED = (
    "Have each row delivered once; or declare as Key a column that no two rows share, if need be "
    "one made of several. Then: AGAIN"
)


@dataclass(frozen=True)
class Ingested:
    """The parted rows of an input, or of a unit of it; those of units add up.

    Attributes:
        accepted: Number of rows that go on, each key once.
        refused: Rows that do not fit their declaration.
        broken: Rows that break a critical row rule.
        duplicates: Rows whose key an earlier row has.
        held_back: Rows of days that are held back whole.
    """

    schema: Schema
    accepted: int
    refused: Aside
    broken: Aside
    duplicates: Aside
    ignored: tuple[str, ...]
    total: int
    max_quarantined: float
    held_back: Aside = field(default_factory=Aside)

    def __add__(self, other: Ingested) -> Ingested:
        """The rows of both."""
        return Ingested(
            schema=self.schema,
            accepted=self.accepted + other.accepted,
            refused=self.refused + other.refused,
            broken=self.broken + other.broken,
            duplicates=self.duplicates + other.duplicates,
            ignored=tuple(dict.fromkeys((*self.ignored, *other.ignored))),
            total=self.total + other.total,
            max_quarantined=self.max_quarantined,
            held_back=self.held_back + other.held_back,
        )

    def holding(self, rows: Aside) -> Ingested:
        """The same rows, of which those of some days are held back."""
        accepted = self.accepted - rows.count
        return replace(self, accepted=accepted, held_back=self.held_back + rows)

    def repeating(self, rows: Aside) -> Ingested:
        """The same rows, of which some repeat a key of an earlier unit."""
        return replace(self, accepted=self.accepted - rows.count, duplicates=self.duplicates + rows)

    def bounded(self) -> Ingested:
        """The same with the first few of the rows that are set aside; see `Aside.bounded`."""
        return replace(
            self,
            refused=self.refused.bounded(),
            broken=self.broken.bounded(),
            duplicates=self.duplicates.bounded(),
        )

    @property
    def quarantined(self) -> Quarantined:
        """The number of quarantined rows, and its limit."""
        rows = len(self.refused) + len(self.broken)
        return Quarantined(rows, self.total, self.accepted, self.max_quarantined)

    @property
    def too_many_duplicates(self) -> bool:
        """Whether so many rows repeat a key that it no longer identifies them."""
        count = len(self.duplicates)
        return Quarantined(count, self.total, self.accepted, self.max_quarantined).too_many

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of rows: in, accepted, quarantined, duplicates, and any that are held back."""
        held_back = {"held_back": len(self.held_back)} if self.held_back else {}
        return {
            "rows_in": self.total,
            "accepted": self.accepted,
            "quarantined": self.quarantined.rows,
            "duplicates": len(self.duplicates),
            **held_back,
        }


def ingest(
    data: Decoded,
    schema: Schema,
    rules: RecordRules,
    max_quarantined: float,
    accepted: Collection[int] = (),
) -> tuple[Ingested, Array]:
    """Part the decoded rows of an input into accepted, quarantined and duplicates.

    Args:
        accepted: Positions of fitting rows that no row rule refuses.

    Returns:
        The parted rows, and which of the decoded ones go on: bool.
    """
    key = schema.key or ""
    broken = dict(part(data.columns, [rules.fields], accepted).refused)
    for place, reasons in zip(broken, rules.further(data.columns, [*broken]), strict=True):
        broken[place] += reasons
    unfit = iter(rules.of_unfit(data.unfit, data.misfits))
    rejected = [
        replace(row, reasons=next(unfit)) if row.is_misfit else row for row in data.rejected
    ]
    keep = np.ones(len(data.columns[key]), dtype=np.bool_)
    keep[list(broken)] = False
    repeated = {
        row: (duplicate(key, int(data.rows[first])),)
        for row, first in _repeated(data.columns[key], keep).items()
    }
    keep[list(repeated)] = False
    ingested = Ingested(
        schema=schema,
        accepted=int(np.count_nonzero(keep)),
        refused=Aside.of(rejected),
        broken=Aside.of(set_aside(data.columns, broken, schema, data.rows)),
        duplicates=Aside.of(set_aside(data.columns, repeated, schema, data.rows)),
        ignored=data.ignored,
        total=data.total,
        max_quarantined=max_quarantined,
    )
    return ingested, keep


def check_readable(error: UnreadableError) -> CheckResult:
    """The result of `decoding` for an input that cannot be read."""
    return CheckResult(
        False,
        error.what,
        column=error.column,
        where=error.where,
        todo=f"{error.todo or _UNREADABLE} Then: AGAIN",
    )


def check_decoding(ingested: Ingested) -> CheckResult:
    """Check that every row fits its declaration and every column is declared."""
    problems = []
    refused = ingested.refused
    columns, malformed = refused.columns, refused.rules[LINE]
    of_what = [*([counted(malformed, "malformed line")] if malformed else []), *columns]
    if ingested.refused:
        problems.append(
            f"{len(ingested.refused):,} of {counted(ingested.total, 'row')} "
            f"{verb(len(ingested.refused), 'does', 'do')} not fit {ingested.schema.name} "
            f"({', '.join(of_what)}) and "
            f"{verb(len(ingested.refused), 'is', 'are')} set aside, such as "
            f"{ingested.refused.rows[0]}{ingested.quarantined.excess}"
        )
    if ingested.ignored:
        problems.append(
            f"columns that {ingested.schema.name} does not declare are ignored: "
            f"{', '.join(ingested.ignored)}; declare them or leave them out"
        )
    if not ingested.total:
        problems.append("no rows came: the delivery has columns, and no row")
    todo = _refused(ingested) if ingested.refused else _IGNORED if ingested.ignored else ""
    return CheckResult(
        passed=not problems,
        summary="; ".join(problems)
        or f"{all_of(ingested.total, 'row', 'fits', 'fit')} {ingested.schema.name}, "
        "and no column is unknown.",
        severity="ERROR" if ingested.refused and ingested.quarantined.too_many else "WARN",
        column=next(iter((*columns, *ingested.ignored)), None),
        where=_row_numbers(ingested.refused),
        keys=_keys(ingested.refused),
        numbers={
            **coverage(ingested.total, len(ingested.schema.names), {}),
            "refused": len(ingested.refused),
        },
        table=[
            {
                "row": row.row,
                "key": row.key,
                "column": reason.column or None,
                "reason": reason.message,
            }
            for row in ingested.refused.rows[:20]
            for reason in row.reasons
        ],
        todo=f"{todo} Then: AGAIN" if todo else "" if ingested.total else _NO_ROWS,
    )


def _refused(ingested: Ingested) -> str:
    """What to do about rows that do not fit, by the first reason of the first row."""
    row = ingested.refused.rows[0]
    if row.reasons[0].rule == LINE:
        return _MALFORMED
    field = ingested.schema[row.reasons[0].column]
    return todo_of(field, row.record.get(field.alias or field.name))


def todo_of(field: Field, value: Any) -> str:
    """A sentence that says what to do about a refused value."""
    name, optional = field.name, " | None" if field.optional else ""
    if plain(value) is None:
        return (
            f"Have {name} delivered in every row; or, if it may be missing, declare it "
            f"`{field.declared_name} | None`, {_TRAINED}."
        )
    if field.choices is not None:
        return (
            f"Have {name} corrected; or, if the value is meant to stay, declare it among those "
            f"of the Literal, {_TRAINED}."
        )
    if isinstance(value, str) and field.declared in ("float", "int"):
        return (
            f"Have {name} delivered in digits with a decimal point, without units, blanks or "
            'thousands separators; a text that stands for no value is declared by Missing("..."), '
            f"{_TRAINED}."
        )
    if field.declared == "int":
        return (
            f"Have {name} delivered in whole numbers; or, if fractions are meant, declare it "
            f"`float{optional}`, {_TRAINED}."
        )
    if field.declared == "datetime":
        return (
            f"Have {name} delivered in ISO 8601 with its zone, such as 2013-04-01T09:30:00Z; or, "
            f'where only the zone is lacking, declare it by Zone("..."), {_TRAINED}.'
        )
    if field.declared == "bool":
        return f"Have {name} delivered as true or false, or as 1 or 0."
    return (
        f"Have {name} delivered as {_FORMS[field.declared]}; or declare it as it is delivered, "
        f"{_TRAINED}."
    )


def check_input_suite(
    ingested: Ingested,
    rows: Columns,
    suite: Mapping[str, Any],
    keep: Keep,
    counts: SuiteCounts | None = None,
) -> CheckResult:
    """Check that the rows meet the input suite; some were set aside for breaking it.

    Args:
        rows: The rows that fit their declaration; of a large batch, a sample.
        counts: What is counted of all rows; by default, `rows` are all.
    """
    key = ingested.schema.key or ""
    counts = counts or SuiteCounts.of(suite, rows, key)
    broken = len(ingested.broken)
    checked = suite_result(suite, rows, key, ingested.quarantined, keep, counts, broken)
    if not ingested.total and not checked.passed:
        checked = replace(checked, summary=f"No rows came. {checked.summary}", todo=_NO_ROWS)
    numbers = {
        **checked.numbers,
        "quarantined": ingested.quarantined.rows,
        "duplicates": len(ingested.duplicates),
    }
    if not ingested.duplicates:
        return replace(checked, numbers=numbers)
    problems = [_repetition(ingested)]
    if not checked.passed:
        problems.insert(len(problems) if ingested.too_many_duplicates else 0, checked.summary)
    by_key = ingested.too_many_duplicates or checked.passed
    return replace(
        checked,
        passed=False,
        summary="; ".join(problems),
        severity="ERROR" if ingested.too_many_duplicates else checked.severity,
        column=ingested.schema.key if by_key else checked.column,
        where=_row_numbers(ingested.duplicates) if by_key else "",
        keys=_keys(ingested.duplicates) if by_key else checked.keys,
        numbers=numbers,
        todo=_REPEATED if by_key else checked.todo,
    )


def _repetition(ingested: Ingested) -> str:
    """A message about rows that repeat a key, with the limit if they are too many."""
    key, example = ingested.schema.key, ingested.duplicates.rows[0]
    message = (
        f"{len(ingested.duplicates):,} of {counted(ingested.total, 'row')} "
        f"{verb(len(ingested.duplicates), 'repeats', 'repeat')} the {key} of an earlier row "
        f"and {verb(len(ingested.duplicates), 'is', 'are')} set aside, such as {example}"
    )
    if ingested.too_many_duplicates:
        share = f"{100 * ingested.max_quarantined:.4g} %"
        message += f"; at most {share} of the rows may (max_quarantined)"
    return message


def _row_numbers(aside: Aside) -> str:
    if not aside:
        return ""
    shown = [row.row for row in aside.rows[:_EXAMPLES]]
    more = f" and {len(aside) - len(shown)} more" if len(aside) > len(shown) else ""
    return f"{'rows' if len(aside) > 1 else 'row'} {listed(shown)}{more} (counted from 0)"


def _keys(aside: Aside) -> tuple[str, ...]:
    return tuple(row.key for row in aside.rows[:_EXAMPLES] if row.key is not None)


def duplicate(key: str, first: int) -> Reason:
    """The reason to set a row aside whose key an earlier row has."""
    message = f"row {first} has this key already"
    return Reason(key, "duplicate", message, message)


def _repeated(keys: Array, among: Array) -> dict[int, int]:
    """By row, the earlier row that has its key; both among the rows that count."""
    first: dict[Any, int] = {}
    repeated: dict[int, int] = {}
    for row in np.flatnonzero(among).tolist():
        earlier = first.setdefault(keys[row], row)
        if earlier != row:
            repeated[row] = earlier
    return repeated


@dataclass(frozen=True, eq=False)
class QuarantinedValues:
    """The quarantined rows of a batch, which a missing value may come from.

    Attributes:
        kept: The other rows; of a large batch, a sample.
        of_each: How many rows each of the others stands for.
    """

    aside: Aside
    kept: Columns
    schema: Schema
    of_each: float = 1.0

    def told(self, columns: Sequence[str]) -> str:
        """A sentence about values most of whose rows were quarantined; empty if there are none."""
        sources = {field: name for name, field in self.schema.aliases.items()}
        parts = []
        for name in columns:
            if not self.aside or name not in self.kept or self.kept[name].dtype != object:
                continue
            by_name, came = self.aside.values, Counter[str]()
            for source in dict.fromkeys((name, sources.get(name, name))):
                came += by_name.get(source, Counter())
            for value, gone in came.most_common(_NAMED):
                kept = np.count_nonzero(self.kept[name] == value)
                total = gone + round(float(kept) * self.of_each)
                if gone >= _LEAST_ROWS and gone >= _LEAST_SHARE * total:
                    shown = cut(value, _LONGEST)
                    parts.append(f"{gone:,} of {counted(total, 'row')} of {name} {shown}")
        if not parts:
            return ""
        return (
            f" In this batch {', '.join(parts[:_NAMED])} were quarantined, which decoding and "
            "input_suite tell: that they are missing here is no other cause."
        )
