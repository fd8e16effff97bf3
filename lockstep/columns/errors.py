"""What can go wrong, as a tree.

LockstepError
├── DefinitionError            the pipeline's module is wrong; raised when it is built
│   ├── DeclarationError       a record type or a decorator is declared wrongly
│   ├── UnknownInputError      a function asks for a column that does not exist
│   ├── DuplicateNameError     two columns share a name
│   ├── CycleError             columns that depend on each other
│   └── LeakageError           something served depends on an outcome
├── FunctionError              a column's function raised or returned something unusable
├── FitError                   a model cannot be fitted on the rows that it was given
├── InputError                 a table, file or text cannot be read as the record type at all
│   ├── UnavailableError       it cannot be had now; another try may work
│   │   └── NotDeliveredError  it is not there yet
│   └── UnreadableError        it is there, and its content is not what is declared
├── InvalidRecordsError        some rows were refused where every row was needed
├── NotFittedError             a prediction was asked of a pipeline without fitted models
└── NotCompiledError           a fitted model has a step that has no compiled form
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lockstep.columns.decode import Rejected


class LockstepError(Exception):
    """Base of every error that Lockstep raises on purpose: one clear line for its reader."""


class DefinitionError(LockstepError):
    """A pipeline's module cannot be built into a column graph."""


class DeclarationError(DefinitionError):
    """A record type or a decorated function is declared in a way that has no meaning."""


class UnknownInputError(DefinitionError):
    """A function names an input that is neither a field nor a column."""


class DuplicateNameError(DefinitionError):
    """A name is used for two columns."""


class CycleError(DefinitionError):
    """Columns depend on each other in a circle."""


class LeakageError(DefinitionError):
    """A feature, model or output depends on an outcome, which is unknown when it is served."""


class FunctionError(LockstepError):
    """A column's function raised, or returned something that is not a column.

    Attributes:
        column: Name of the column whose function failed.
        origin: Name of the column at fault, where it is one that was computed before: a model
            fails on what is missing or infinite there.
    """

    def __init__(self, column: str, message: str, *, origin: str | None = None) -> None:
        super().__init__(message)
        self.column, self.origin = column, origin

    @property
    def blamed(self) -> str:
        """Name of the column at fault."""
        return self.column if self.origin is None else self.origin


class FitError(LockstepError):
    """A model cannot be fitted on the rows that it was given."""


class InputError(LockstepError):
    """A table, file or text cannot be read as the record type at all."""


class UnavailableError(InputError):
    """What is to be read cannot be had now: it is not delivered yet, or nothing answers for it."""


class NotDeliveredError(UnavailableError):
    """What is to be read is not there yet."""


class UnreadableError(InputError):
    """What is to be read is there, and its content is not what is declared.

    Attributes:
        what: What is wrong with it.
        column: The column that is at fault, if one is.
        where: Where that is, such as a file with its line.
        todo: What to do about it, in sentences; empty where `what` tells all that there is to say.
    """

    def __init__(
        self, what: str, column: str | None = None, *, where: str = "", todo: str = ""
    ) -> None:
        super().__init__(f"{what} {todo}" if todo else what)
        self.what, self.column, self.where, self.todo = what, column, where, todo


class InvalidRecordsError(LockstepError):
    """Rows were refused where every row was needed.

    Attributes:
        rejected: The refused rows, each with its reasons.
    """

    def __init__(self, rejected: Sequence[Rejected], total: int, source: str) -> None:
        from lockstep.columns.plain import counted, verb  # it imports pandas, others do without

        shown = "; ".join(str(row) for row in rejected[:3])
        more = f"; and {len(rejected) - 3} more" if len(rejected) > 3 else ""
        super().__init__(
            f"{source}: {len(rejected)} of {counted(total, 'row')} "
            f"{verb(len(rejected), 'is not a valid record', 'are not valid records')}: "
            f"{shown}{more}. "
            "Correct them, or use decode() to set them aside."
        )
        self.rejected = tuple(rejected)


class NotFittedError(LockstepError):
    """A fitted pipeline is needed, and this one is not."""


class NotCompiledError(LockstepError):
    """A step of a fitted model has no compiled form: the reference predictor serves."""
