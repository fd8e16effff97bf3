"""Deeds: what people have Lockstep do, each in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.fixtures.terminal import lockstep
from tests.stateful import actions

Partition = tuple[str, str]
"""A stream and the name of one of its partitions."""
Kind = Literal["score", "take in", "train", "promote", "materialize", "look"]


@dataclass(frozen=True)
class Deed:
    """Something that is done.

    Attributes:
        kind: What it is.
        action: What is carried out in the process.
        arguments: Its arguments.
        touches: Partitions of which something else may be published after it.
        reads: Those of them whose rows it reads from where they were delivered.
        accepts: Whether a person accepts what is unusual about the rows.
        wants: Number of the version that it puts through the gate.
    """

    kind: Kind
    action: Callable[..., None]
    arguments: tuple[Any, ...]
    touches: frozenset[Partition] = frozenset()
    reads: frozenset[Partition] = frozenset()
    accepts: bool = False
    wants: int | None = None

    @property
    def goes_all_the_way(self) -> bool:
        """Whether it begins with what was delivered and ends with what is published."""
        return self.kind in ("score", "take in")


def score(partition: Partition, file: Path | None, *, accept: bool = False) -> Deed:
    """Score a day, or a file that lies somewhere."""
    what = ("--day", partition[1]) if file is None else ("--file", str(file))
    accepted = ("--accept", "outside") if accept else ()
    return Deed(
        "score",
        lockstep,
        ("score", "meters", *what, *accepted, "--json"),
        touches=frozenset({partition}),
        reads=frozenset({partition}),
        accepts=accept,
    )


def take_in(new: frozenset[Partition]) -> Deed:
    return Deed("take in", actions.take_in, (), touches=new, reads=new)


def train() -> Deed:
    return Deed("train", lockstep, ("train", "meters", "--json"))


def promote(version: int) -> Deed:
    """Promote a version, whatever its checks found when it was trained."""
    command = ("promote", "meters", str(version), "--anyway", "wanted", "--json")
    return Deed("promote", lockstep, command, wants=version)


def materialize(asset: str, champion: int | None = None) -> Deed:
    """Materialize an asset that has no partitions alone."""
    wants = champion if asset == "champion" else None
    return Deed("materialize", actions.materialize, (asset,), wants=wants)


def materialize_of(asset: str, partition: Partition) -> Deed:
    stream, name = partition
    return Deed(
        "materialize",
        actions.materialize,
        (f"{stream}/{asset}", name),
        touches=frozenset({partition}),
        reads=frozenset({partition}) if asset == "batch" else frozenset(),
    )


def look_at_checks() -> Deed:
    return Deed("look", lockstep, ("checks", "meters", "--json"))
