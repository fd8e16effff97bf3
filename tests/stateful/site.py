"""The site: a home in which people and Lockstep are at work.

After everything that is done the home is looked at from the outside and compared with what is
known of it; `tests.stateful.ledger` states what must hold.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.fixtures.terminal import Ended, Started, Terminal
from tests.stateful import actions, deeds
from tests.stateful.deeds import Deed, Partition
from tests.stateful.deliveries import Kind, deliver, write_history
from tests.stateful.ledger import Ledger
from tests.stateful.observations import (
    Version,
    aliases,
    contents,
    folder_of,
    versions,
    with_evidence,
)

_PROJECT = Path(__file__).parents[1] / "projects" / "meters"
EDITIONS = {"plain": "18.0", "edited": "12.0", "averaging": "outside.mean()"}
"""From which temperature people heat, by the code of an edition of the checkout."""
FILES = ("manifest.json", "golden/golden.json", "models/expected_use.skops")
"""Files of a version that may be damaged."""


def make_checkouts(folder: Path) -> None:
    for name, base in EDITIONS.items():
        shutil.copytree(_PROJECT, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        file = folder / name / "transforms" / "meters.py"
        file.write_text(file.read_text().replace("18.0 - outside", f"{base} - outside"))


@dataclass
class Site:
    """A home, and what is known of it.

    Attributes:
        folder: Where it is.
        checkouts: The folder of the checkouts.
        terminal: Where deeds are carried out.
        edition: The edition that is checked out.
        ledger: What is known of the home.
        dropped: Files in the inbox, and the partitions that they will be or have been.
        left: Homes of which a copy is worked on, with their contents.
        whole: What damaged files held before, by their versions, and where in the home they are.
        forged_then: Versions that had the evidence of another one when the registry was backed up.
    """

    folder: Path
    checkouts: Path
    terminal: Terminal
    edition: str = "plain"
    ledger: Ledger = field(default_factory=lambda: Ledger(frozenset(), frozenset()))
    dropped: dict[Path, Partition] = field(default_factory=dict)
    left: dict[Path, dict[str, str]] = field(default_factory=dict)
    whole: dict[Version, tuple[Path, bytes]] = field(default_factory=dict)
    forged_then: set[Version] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"

    def copied(self, folder: Path, terminal: Terminal) -> Site:
        """The prepared site in another folder, with a terminal there."""
        shutil.copytree(self.folder.with_name("prepared"), folder / "prepared")
        return replace(self, folder=folder / "site", terminal=terminal)

    def anew(self) -> Site:
        """The site as it was when it was prepared."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.folder.with_name("prepared"), self.folder)
        return replace(
            self, ledger=deepcopy(self.ledger), edition="plain", dropped={}, left={}, whole={}
        )

    # What arrives

    def deliver(self, day: str, kind: Kind = "clean", turn: int = 0) -> None:
        found = deliver(day, kind, turn, day=day)
        found.write(self.home / "upstream" / f"{day}.jsonl")
        self.ledger.deliveries["daily", day] = found

    def send(self, name: str, kind: Kind = "clean", turn: int = 0) -> Partition:
        """Send a file, which does not lie in the inbox; its partition."""
        return self._send(self.folder / "sent" / f"{name}-{kind}-{turn}.jsonl", name, kind, turn)

    def drop(self, name: str, kind: Kind = "clean", turn: int = 0, *, again: int = 0) -> Partition:
        """Drop a file in the inbox; its partition.

        Args:
            name: The file's name, and what its keys begin with.
            kind: What is wrong with it.
            turn: Which of its rows has which values.
            again: How often its content came before, under other names.
        """
        file = self.home / "inbox" / "meters" / f"{name}-{kind}-{turn}{'~' * again}.jsonl"
        partition = self._send(file, name, kind, turn)
        os.utime(file, (0, 0))  # nobody is writing to it any more
        self.dropped[file] = partition
        return partition

    def _send(self, file: Path, name: str, kind: Kind, turn: int) -> Partition:
        found = deliver(name, kind, turn)
        found.write(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        sent = self.ledger.deliveries
        for partition in sent:
            if partition[0] == "inbox" and digest in partition[1]:
                return partition
        partition = "inbox", f"{file.stem}-{digest}.jsonl"
        sent[partition] = found
        return partition

    # What is done

    def do(self, *done: Deed, last_write: int | None = None) -> list[Ended]:
        """Do something, or several things at once, the first of which may be killed."""
        for deed in done:
            self.ledger.begin(deed)
        started = [
            self._start(deed.action, *deed.arguments, last_write=None if number else last_write)
            for number, deed in enumerate(done)
        ]
        ends = [one.end() for one in started]
        self._conclude(*zip(done, ends, strict=True))
        return ends

    def scoring(self, partition: Partition, *, accept: bool = False) -> Deed:
        """To score a partition; a file by the path from which it was sent, or its own name."""
        stream, name = partition
        sent = self._sent(name)
        file = (sent if sent.exists() else Path(name)) if stream == "inbox" else None
        return deeds.score(partition, file, accept=accept)

    def can_be_named(self, partition: Partition) -> bool:
        """Whether a person who scores a partition again has a name for it: that of its file."""
        stream, name = partition
        claimed = self.home / "inbox" / "meters" / "claimed" / name
        return stream == "daily" or claimed.exists() or self._sent(name).exists()

    def score(
        self, partition: Partition, *, accept: bool = False, last_write: int | None = None
    ) -> Ended:
        """Score a partition; what must come of it does, unless the command is killed."""
        return self.do(self.scoring(partition, accept=accept), last_write=last_write)[0]

    def score_twice(self, partition: Partition, *, last_write: int | None = None) -> None:
        self.do(self.scoring(partition), self.scoring(partition), last_write=last_write)

    def take_in(self, *, last_write: int | None = None) -> Ended:
        """Have the sensor look at the inbox, and what is new there scored."""
        new = frozenset(set(self.dropped.values()) - self.ledger.tried.keys())
        (ended,) = self.do(deeds.take_in(new), last_write=last_write)
        if not ended.was_killed:
            left = [file for file in self.dropped if file.exists()]
            assert not left, f"left in the inbox: {left}"
            self.dropped.clear()
        return ended

    def materializing(self, asset: str, partition: Partition | None = None) -> Deed:
        if partition is not None:
            return deeds.materialize_of(asset, partition)
        return deeds.materialize(asset, aliases(self.home).get("champion"))

    def materialize(
        self, asset: str, partition: Partition | None = None, *, last_write: int | None = None
    ) -> Ended:
        """Materialize one asset alone; one of a stream is named by its last part."""
        return self.do(self.materializing(asset, partition), last_write=last_write)[0]

    def train(self, *, last_write: int | None = None) -> Ended:
        return self.do(deeds.train(), last_write=last_write)[0]

    def promote(self, version: int, *, last_write: int | None = None) -> Ended:
        """Promote a version, whatever its checks found when it was trained."""
        return self.do(deeds.promote(version), last_write=last_write)[0]

    def go_live(self, version: int, *, last_write: int | None = None) -> Ended:
        """Have a version serve, as the gate does, without looking at it."""
        return self._start(actions.go_live, version, last_write=last_write).end()

    def look_at_checks(self) -> Ended:
        """Ask what the checks found last, which changes nothing."""
        before = contents(self.home)
        (ended,) = self.do(deeds.look_at_checks())
        after = contents(self.home)
        assert after == before, f"changed: {dict(after.items() ^ before.items())}"
        return ended

    # What is done by hand

    def point(self, alias: str, version: int) -> None:
        self._by_hand(actions.point, alias, version)

    def copy_tags(self, source: int, target: int) -> None:
        """Copy the tags of a version to another by hand."""
        one = versions(self.home)[target]
        if source != target and source in with_evidence(self.home):
            self.ledger.trained.discard(one)
            self.ledger.forged.add(one)
        self._by_hand(actions.copy_tags, source, target)

    def forget(self, version: int) -> None:
        """Remove the tag that says what the training of a version found, as if it broke off."""
        self.ledger.trained.discard(versions(self.home)[version])
        self._by_hand(actions.forget, version)

    def edit(self, partition: Partition, stage: str) -> None:
        """Edit the newest stored file of a stage by hand."""
        stream, name = partition
        folder = self.home / "data" / "meters" / stream / "attempts" / name
        files = folder.glob(f"*/{stage}.parquet")
        file = max(files, key=lambda one: one.stat().st_mtime_ns)
        table = pq.ParquetFile(file).read()
        column = table.column_names.index("forecast" if stage == "scored" else "outside")
        changed = pc.add(table.column(column), 1.0)
        pq.write_table(table.set_column(column, table.column_names[column], changed), file)

    def damage(self, version: int, file: str = FILES[-1]) -> None:
        one = versions(self.home)[version]
        path = folder_of(self.home, one) / file
        data = path.read_bytes()
        path.write_bytes(data[:-9] + bytes(255 - byte for byte in data[-9:]))
        self.whole[one] = path.relative_to(self.home), data
        self.ledger.damaged.add(one)

    def mend(self) -> None:
        for path, data in self.whole.values():
            (self.home / path).write_bytes(data)
        self.whole.clear()
        self.ledger.damaged.clear()

    def move(self) -> None:
        self.home = self.home.rename(self.folder / f"{self.home.name}-moved")

    def copy(self) -> None:
        """Go on in a copy of the home; the home itself must stay as it is from now on."""
        self.left[self.home] = contents(self.home)
        self.home = shutil.copytree(self.home, self.folder / f"{self.home.name}-copied")

    def back_up(self) -> None:
        shutil.copy(self.home / "mlflow" / "mlflow.db", self.folder / "backup.db")
        self.forged_then = set(self.ledger.forged)

    @property
    def has_backup(self) -> bool:
        return (self.folder / "backup.db").exists()

    def restore(self) -> None:
        self.ledger.is_tampered = True
        shutil.copy(self.folder / "backup.db", self.home / "mlflow" / "mlflow.db")
        self.ledger.known = frozenset(versions(self.home).values())
        self.ledger.forged = set(self.forged_then)

    @property
    def versions(self) -> list[int]:
        """Numbers of the versions that the registry knows."""
        return sorted(versions(self.home))

    def _sent(self, name: str) -> Path:
        return self.folder / "sent" / f"{name[: -len('-0123456789ab.jsonl')]}.jsonl"

    def _by_hand(self, action: Callable[..., None], *arguments: Any) -> None:
        self.ledger.is_tampered = True
        ended = self._start(action, *arguments).end()
        assert ended.status == 0, ended
        self._conclude()

    def _conclude(self, *done: tuple[Deed, Ended]) -> None:
        base = EDITIONS[self.edition]
        self.ledger.conclude(self.home, done, base=float(base) if base[0].isdigit() else None)
        for home, before in self.left.items():
            now = contents(home)
            assert now == before, f"{home} changed: {dict(now.items() ^ before.items())}"

    def _start(
        self, action: Callable[..., None], *arguments: Any, last_write: int | None = None
    ) -> Started:
        return self.terminal.start(
            action,
            *arguments,
            project=self.checkouts / self.edition,
            home=self.home,
            last_write=last_write,
        )


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
