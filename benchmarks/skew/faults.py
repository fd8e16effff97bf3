"""Faults: what is done, where it is, which checks are to find it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Class = Literal["code", "environment", "artifact", "data", "promotion", "online"]

CLASSES: tuple[Class, ...] = ("code", "environment", "artifact", "data", "promotion", "online")

ABOUT_ROWS = (
    *("decoding", "input_suite", "laws", "constraints", "sudden_shift", "restated"),
    *("computation", "feature_suite", "output_suite", "row_conservation"),
)
"""Checks that say that rows are wrong, rather than that the population has changed."""
ABOUT_POPULATION = ("input_drift", "prediction_drift")
ABOUT_CODE = (
    *("row_locality", "training_parity", "round_trip", "wire_formats", "compiled_parity"),
    *("golden_replay", "reference_sample", "computation", "code_parity", "evidence"),
)
"""Checks that say that a column is not computed as it was, or not from its own row."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        name: Its name.
        kind: Its class.
        story: What happens, in a sentence.
        where: Any of these names of columns, functions or files says where it is.
        checks: The checks of the right kind for it.
        blocks: Whether nothing of it may be published, or go live.
        unfound: Why nothing can find it; empty where something should.
    """

    name: str
    kind: Class
    story: str
    where: tuple[str, ...]
    checks: tuple[str, ...] = ABOUT_ROWS
    blocks: bool = True
    unfound: str = ""


@dataclass(frozen=True)
class Trial:
    """What came of a fault, tried once.

    Attributes:
        detected: Whether a check of the right kind fails with it, and not without.
        located: Whether that names the right column, function or file.
        contained: Whether nothing wrong was published that should be blocked.
        by: The check that found it; empty where none did.
        said: What that check said.
        seconds: How long the try took, the fault itself included.
    """

    detected: bool
    located: bool
    contained: bool
    by: str = ""
    said: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of a fault, tried on one or more days.

    Attributes:
        fault: The fault.
        trials: What came of each try, by the day or by what was done.
    """

    fault: Fault
    trials: Mapping[str, Trial] = field(default_factory=dict)

    @property
    def detected(self) -> bool:
        """Whether it was found in most of the tries."""
        return _most([one.detected for one in self.trials.values()])

    @property
    def located(self) -> bool:
        """Whether most of the tries in which it was found name the right place."""
        return self.detected and _most(
            [one.located for one in self.trials.values() if one.detected]
        )

    @property
    def contained(self) -> bool:
        """Whether nothing of it got out in any of the tries."""
        return all(one.contained for one in self.trials.values())

    @property
    def by(self) -> str:
        """The check that found it most often."""
        found = [one.by for one in self.trials.values() if one.by]
        return max(sorted({*found}), key=found.count, default="")

    @property
    def seconds(self) -> float:
        """How long a try took, on average."""
        return sum(one.seconds for one in self.trials.values()) / max(len(self.trials), 1)


def _most(found: Sequence[bool]) -> bool:
    return sum(found) * 2 > len(found)
