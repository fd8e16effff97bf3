"""Impacts: what a finding does to decisions, as it is told beside the finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lockstep.errors import LockstepError

if TYPE_CHECKING:
    from lockstep.parity.counterfactuals import Impact
    from lockstep.parity.effect import Effect


def impact_of(ask: Callable[[], Impact]) -> Impact:
    """The impact of a finding; why it is not known, where a function fails on other values.

    Args:
        ask: Computes it.
    """
    from lockstep.parity.counterfactuals import Impact

    try:
        return ask()
    except LockstepError as error:
        why = str(error).removesuffix(".")
        return Impact(lacking=f"Its effect on the outputs is not known: {why}")


def impact_figures(effects: Iterable[Effect]) -> dict[str, float]:
    """The figures of effects, to plot.

    Args:
        effects: What was found of the outputs that are others.
    """
    return {f"{one.output}: rows that differ": one.differing for one in effects}
