"""Refused rows: which, and for which reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TYPE = "type"
"""The rule that a value breaks which does not fit its declaration."""
_NO_RULES = frozenset({TYPE, "line", "function", "as_of", "process"})
"""What stands for a rule where there is no row to score, whatever a person says of it."""


@dataclass(frozen=True)
class Reason:
    """Why a row was refused.

    Attributes:
        column: The column at fault; empty where none is, as of a malformed line.
        rule: The rule that refused it: `"type"`, `"line"`, or the name of a row rule.
        refusal: The message without any value, for readers who must not see the record.
    """

    column: str
    rule: str
    message: str
    refusal: str

    @property
    def is_of_a_rule(self) -> bool:
        """Whether a row rule refused the row, which a person may overrule."""
        return self.rule not in _NO_RULES

    def __str__(self) -> str:
        return f"{self.column}: {self.message}" if self.column else self.message


@dataclass(frozen=True)
class Rejected:
    """A refused row with all its reasons.

    Attributes:
        row: Its position in the input, from 0.
        key: Its key as text; None where the key itself cannot be read.
        record: Its values as they came.
    """

    row: int
    key: str | None
    reasons: tuple[Reason, ...]
    record: dict[str, Any]

    @property
    def is_misfit(self) -> bool:
        """Whether it does not fit its declaration; a malformed line has none."""
        return self.reasons[0].rule == TYPE

    def __str__(self) -> str:
        name = f"row {self.row}" + (f" ({self.key})" if self.key is not None else "")
        return f"{name}: {', '.join(map(str, self.reasons))}"
