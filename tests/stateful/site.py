"""The site: a home in which people and Lockstep are at work, and what must hold there throughout.

After every action the home is looked at from the outside and compared with what is known of the
deliveries; see `Site._look`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.stateful import actions
from tests.stateful.deliveries import Delivery, Kind, deliver, forecast, write_history
from tests.stateful.observations import Published, aliases, published, shipped
from tests.stateful.terminal import Ended, Terminal

_PROJECT = Path(__file__).parents[1] / "projects" / "meters"
EDITIONS = {"plain": "18.0", "edited": "12.0", "averaging": "outside.mean()"}
"""From which temperature people heat, by the code of an edition of the checkout."""
Partition = tuple[str, str]
"""A stream and the name of one of its partitions."""


def make_checkouts(folder: Path) -> None:
    """Make a checkout of every edition."""
    for name, base in EDITIONS.items():
        shutil.copytree(_PROJECT, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        file = folder / name / "transforms" / "meters.py"
        file.write_text(file.read_text().replace("18.0 - outside", f"{base} - outside"))


@dataclass
class Site:
    """A home, and what is known of it by what was done there.

    Attributes:
        folder: Where it is.
        checkouts: The folder of the checkouts.
        terminal: Where actions are carried out.
        edition: The edition that is checked out.
        deliveries: What lies upstream or was sent, by partition.
        tried: What was scored of each partition, if only in part.
        accepted: Deliveries in a wrong unit that may be published all the same: a person accepted
            it, or the days before were in that unit.
        seen: What was published when the home was last looked at.
        unsettled: Partitions whose last action was killed.
        live: The version that is live by the gate; more than one may be after the gate was killed.
        let_through: All versions that were ever live by the gate.
        is_tampered: Whether aliases or tags were moved by hand since the gate last opened.
    """

    folder: Path
    checkouts: Path
    terminal: Terminal
    edition: str = "plain"
    deliveries: dict[Partition, Delivery] = field(default_factory=dict)
    tried: dict[Partition, list[Delivery]] = field(default_factory=dict)
    accepted: set[Delivery] = field(default_factory=set)
    seen: Mapping[Partition, Published] = field(default_factory=dict)
    unsettled: set[Partition] = field(default_factory=set)
    live: set[int] = field(default_factory=set)
    let_through: set[int] = field(default_factory=set)
    is_tampered: bool = False

    def __post_init__(self) -> None:
        self.home = self.folder / "home"

    def anew(self) -> Site:
        """The site as it was when it was prepared, in its own place: MLflow stores its path."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.folder.with_name("prepared"), self.folder)
        return replace(
            self,
            deliveries={},
            tried={},
            accepted=set(),
            seen={},
            unsettled=set(),
            live={2},
            let_through={2},
        )

    def deliver(self, day: str, kind: Kind = "clean", turn: int = 0) -> None:
        """Have upstream deliver a day, in the place of what it delivered before."""
        found = deliver(day, kind, turn, day=day)
        found.write(self.home / "upstream" / f"{day}.jsonl")
        self.deliveries["daily", day] = found

    def send(self, name: str, kind: Kind = "clean", turn: int = 0) -> Partition:
        """Send a file; its partition."""
        found = deliver(name, kind, turn)
        file = self.folder / "sent" / f"{name}-{kind}-{turn}.jsonl"
        found.write(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        partition = "inbox", f"{file.stem}-{digest}.jsonl"
        self.deliveries.setdefault(partition, found)
        return partition

    def score(
        self, partition: Partition, *, accept: bool = False, last_write: int | None = None
    ) -> Ended:
        """Score a partition; what must come of it does, unless the command is killed."""
        self._try(partition, accept=accept)
        ended = self.run(*self._command(partition, accept=accept), last_write=last_write)
        self._look({partition}, ended, has_scored=True)
        if not ended.was_killed:
            self._demand_scored(partition, ended)
            self.unsettled -= {one for one in self.unsettled if one[0] == partition[0]}
        return ended

    def edit(self, partition: Partition, stage: str) -> None:
        """Edit the newest stored file of a stage by hand."""
        stream, name = partition
        folder = self.home / "data" / "meters" / stream
        files = [
            file
            for file in folder.rglob("*.parquet")
            if name in str(file) and stage in (file.stem, file.parent.name)
        ]
        file = max(files, key=lambda one: one.stat().st_mtime_ns)
        table = pq.read_table(file)
        column = table.column_names.index("forecast" if stage == "scored" else "outside")
        changed = pc.add(table.column(column), 1.0)
        pq.write_table(table.set_column(column, table.column_names[column], changed), file)

    def score_twice(self, partition: Partition, *, last_write: int | None = None) -> None:
        """Score a partition in two processes at once, the first of which may be killed."""
        self._try(partition)
        command = self._command(partition)
        first = self._start(*command, last_write=last_write)
        second = self._start(*command)
        ends = first.end(), second.end()
        self._look({partition}, *ends, has_scored=True)
        self._demand_scored(partition, ends[1])

    def materialize(
        self, asset: str, partition: Partition | None = None, *, last_write: int | None = None
    ) -> Ended:
        """Materialize one asset alone; one of a stream is named by its last part."""
        if partition is None:
            wanted = aliases(self.home).get("champion")
            ended = self.run(actions.materialize, asset, last_write=last_write)
            if asset == "champion" and wanted is not None:
                self._learn_of_gate(wanted, ended)
            self._look(set(), ended)
            return ended
        if asset == "batch":
            self._try(partition)
        ended = self.run(
            actions.materialize, f"{partition[0]}/{asset}", partition[1], last_write=last_write
        )
        self._look({partition}, ended)
        return ended

    def train(self, *, last_write: int | None = None) -> Ended:
        """Train a version in the checkout as it is."""
        ended = self.run(actions.lockstep, "train", "meters", "--json", last_write=last_write)
        self._look(set(), ended)
        return ended

    def promote(self, version: int, *, last_write: int | None = None) -> Ended:
        """Promote a version, whatever its checks found when it was trained."""
        command = (actions.lockstep, "promote", "meters", str(version), "--anyway", "--json")
        ended = self.run(*command, last_write=last_write)
        self._learn_of_gate(version, ended)
        self._look(set(), ended)
        return ended

    def point(self, alias: str, version: int) -> None:
        """Move an alias by hand."""
        self._by_hand(actions.point, alias, version)

    def copy_tags(self, source: int, target: int) -> None:
        """Copy the tags of a version to another by hand."""
        self._by_hand(actions.copy_tags, source, target)

    def move(self) -> None:
        """Move the home to another place; nothing is left in the old one."""
        self.home = self.home.rename(self.folder / f"{self.home.name}-moved")

    def back_up(self) -> None:
        """Keep a copy of the registry's database."""
        shutil.copy(self.home / "mlflow" / "mlflow.db", self.folder / "backup.db")

    def restore(self) -> None:
        """Put the copy of the registry's database back."""
        self.is_tampered = True
        shutil.copy(self.folder / "backup.db", self.home / "mlflow" / "mlflow.db")

    @property
    def versions(self) -> list[int]:
        """Numbers of the versions that the registry knows."""
        return sorted(shipped(self.home))

    def run(
        self, action: Callable[..., None], *arguments: Any, last_write: int | None = None
    ) -> Ended:
        """Carry out an action in the checkout."""
        return self._start(action, *arguments, last_write=last_write).end()

    def _start(
        self, action: Callable[..., None], *arguments: Any, last_write: int | None = None
    ) -> Any:
        return self.terminal.start(
            action,
            *arguments,
            project=self.checkouts / self.edition,
            home=self.home,
            last_write=last_write,
        )

    def _command(self, partition: Partition, *, accept: bool = False) -> Sequence[Any]:
        stream, name = partition
        sent = self.folder / "sent" / f"{name[: -len('-0123456789ab.jsonl')]}.jsonl"
        what = ("--day", name) if stream == "daily" else ("--file", str(sent))
        accepted = ("--accept", "outside") if accept else ()
        return actions.lockstep, "score", "meters", *what, *accepted, "--json"

    def _by_hand(self, action: Callable[..., None], *arguments: Any) -> None:
        self.is_tampered = True
        ended = self.run(action, *arguments)
        assert ended.status == 0, ended
        self._look(set(), ended)

    def _try(self, partition: Partition, *, accept: bool = False) -> None:
        """Remember what is about to be read of a partition."""
        found = self.deliveries[partition]
        self.tried.setdefault(partition, []).append(found)
        if found.kind == "wrong unit" and (accept or not self._is_measured(partition)):
            self.accepted.add(found)

    def _is_measured(self, partition: Partition) -> bool:
        """Whether a wrong unit is told from those of the batches before, as far as one knows."""
        stream, name = partition
        before = (
            one
            for (other, earlier), tried in self.tried.items()
            if other == stream and earlier < name
            for one in tried
        )
        return stream == "daily" and not any(one in self.accepted for one in before)

    def _learn_of_gate(self, wanted: int, ended: Ended) -> None:
        """A version that the gate lets through has learnt what its own code computes."""
        if ended.was_killed:
            if shipped(self.home)[wanted].is_what_was_fitted:
                self.live |= {wanted}
                self.let_through |= {wanted}
            return
        if ended.has_passed("champion"):
            assert shipped(self.home)[wanted].is_what_was_fitted, f"skewed version {wanted} is live"
            self.live, self.is_tampered = {wanted}, False
            self.let_through |= {wanted}

    def _look(self, touched: set[Partition], *ends: Ended, has_scored: bool = False) -> None:
        """Look at what is published, after actions that may have changed some partitions.

        Nothing is lost; no other partition has changed; and what has changed are the forecasts
        of a version that was let through, for the sound rows of what was delivered.
        """
        now, before = published(self.home), self.seen
        assert before.keys() <= now.keys(), f"lost: {before.keys() - now.keys()}"
        changed = {key for key, one in now.items() if one != before.get(key)}
        assert changed <= touched | self.unsettled, f"changed: {changed}, not only {touched}"
        for partition in changed:
            allowed = self.live if has_scored and partition in touched else self.let_through
            assert now[partition].versions <= allowed, f"{now[partition].versions}, not {allowed}"
            assert self._source_of(partition, now[partition]) is not None, f"{partition} is wrong"
        if any(one.was_killed for one in ends):
            self.unsettled |= touched
        self.seen = now

    def _source_of(self, partition: Partition, found: Published) -> Delivery | None:
        """The delivery whose rows were published, and rightly so; None if there is none."""
        if len(found.versions) != 1:
            return None
        (version,) = found.versions
        base = shipped(self.home)[version].base
        for one in self.tried[partition]:
            if one.is_faulty or (one.kind == "wrong unit" and one not in self.accepted):
                continue
            keys = tuple(row["reading_id"] for row in one.sound)
            if base is not None and keys == found.keys:
                by_hand = forecast(base, one.sound)
                if np.allclose(by_hand, found.forecasts, rtol=1e-6, atol=1e-6):
                    return one
        return None

    def _demand_scored(self, partition: Partition, ended: Ended) -> None:
        """A partition that was just scored is published if it may be, and else a check failed."""
        one = self.deliveries[partition]
        may_be = not one.is_faulty and (one.kind != "wrong unit" or one in self.accepted)
        assert ended.status in (0, 1), ended
        assert may_be or ended.status != 0, f"{partition} is faulty, and nothing says so"
        if ended.status == 0:
            assert self._source_of(partition, self.seen[partition]) is one
        if self.is_tampered or len(self.live) != 1 or not self._is_measured(partition):
            return  # nobody can say whether it is blocked
        assert not may_be or ended.status == 0, ended


def prepare(folder: Path, terminal: Terminal) -> Site:
    """Make a site with two versions: 2 is live, and 1 is of another edition and never was."""
    make_checkouts(folder / "checkouts")
    site = Site(folder / "site", folder / "checkouts", terminal)
    write_history(site.home / "upstream" / "history.jsonl")
    site.edition = "edited"
    assert site.train().status == 0
    site.edition = "plain"
    assert site.train().status == 0
    assert site.promote(2).status == 0
    shutil.copytree(site.folder, site.folder.with_name("prepared"))
    return site
