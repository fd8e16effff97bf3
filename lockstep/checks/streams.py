"""Streams: rows to score arrive by day and by file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from lockstep.checks.fates import Inbox
from lockstep.checks.messages import Place
from lockstep.columns.decode import Decoded
from lockstep.columns.schema import Schema
from lockstep.columns.units import Units
from lockstep.project.declaration import PipelineAssets
from lockstep.project.home import Home
from lockstep.project.sources import Source, read_source
from lockstep.store.inbox import read_claimed
from lockstep.store.parquet import Store
from lockstep.store.partition_records import Records

CANDIDATE = "candidate"
"""The partition of a training's records, whose attempts go step by step."""
TRAINING = ("history", "training_set", CANDIDATE)
"""The steps of a training, in order."""
CHAMPION = "champion"
"""The partition of the gate's records, and the only step of its attempts."""
EXAMINATION = "examination"
"""The partition of the records of examinations, and the only step of their attempts."""
AUDIT = "audit"
"""The partition of the records of audits, and the only step of their attempts."""


@dataclass(frozen=True, eq=False)
class Stream:
    """A way in which rows to score arrive."""

    name: str  # `"daily"` or `"inbox"`
    unit: str  # a day or a file
    origin: str  # the source of the rows, in a line
    # A partition's rows: decoded, or units of a large file.
    read: Callable[[Home, str, Schema], Decoded | Units]
    # Tells whoever delivered a partition its fate so far, or why a step could not be carried out;
    # returns what it told, as facts for people, by title.
    tell: Callable[[Home, str, Exception | None], Mapping[str, str]] = lambda *_: {}


def streams(declared: PipelineAssets) -> list[Stream]:
    """The streams of a pipeline."""
    daily = [_daily_stream(declared.daily)] if declared.daily is not None else []
    return [*daily, inbox_stream(declared)]


def stream_records(declared: PipelineAssets, store: Store, stream: str) -> Records:
    """The records of a pipeline's stream."""
    return Records(
        root=store.root / stream,
        again=lambda partition: Place(f"{declared.name}/{stream}/batch", partition).again,
        kept=declared.kept_attempts,
        exported="published",
    )


def inbox_stream(declared: PipelineAssets) -> Stream:
    """The stream of files from the pipeline's inbox."""

    def read(home: Home, partition: str, schema: Schema) -> Decoded | Units:
        return read_claimed(home.inbox(declared.name), partition, schema, declared.inbox)

    def tell(home: Home, partition: str, error: Exception | None) -> Mapping[str, str]:
        fate = inbox_of(declared, home).tell(partition, error)
        if fate is None or fate.state == "waiting":
            return {}
        return {"what became of the file": f"{fate.state}: {fate.message}"}

    return Stream(
        name="inbox",
        unit="file",
        origin=f"files dropped into inbox/{declared.name} (CSV, Parquet, JSON lines)",
        read=read,
        tell=tell,
    )


def inbox_of(declared: PipelineAssets, home: Home) -> Inbox:
    """The inbox of a pipeline, with the records of its files."""
    records = stream_records(declared, Store(home.data / declared.name), "inbox")
    return Inbox(declared.name, home.inbox(declared.name), records)


def _daily_stream(source: Source) -> Stream:
    def read(home: Home, partition: str, schema: Schema) -> Decoded | Units:
        return read_source(source, schema, home.fetched, date.fromisoformat(partition))

    return Stream(name="daily", unit="day", origin=source.describe(), read=read)


def training_records(declared: PipelineAssets, store: Store) -> Records:
    """The attempts at a candidate, each with its history, training set and version."""
    return Records(store.root / "training", lambda _: f"lockstep train {declared.name}")


def gate_records(declared: PipelineAssets, store: Store) -> Records:
    """What the gate found of the wanted version, an attempt each time; one that passes counts."""
    return Records(store.root / "gate", lambda _: f"lockstep promote {declared.name}")


def examination_records(declared: PipelineAssets, store: Store) -> Records:
    """The examinations of versions, an attempt each; the last one counts."""
    again = Place(f"{declared.name}/{EXAMINATION}").again
    return Records(store.root / EXAMINATION, lambda _: again)


def audit_records(declared: PipelineAssets, store: Store) -> Records:
    """The audits of a pipeline's home, an attempt each; the last one counts."""
    return Records(store.root / AUDIT, lambda _: f"lockstep audit {declared.name}")


def outcome_records(declared: PipelineAssets, store: Store) -> Records:
    """The looks at each day's outcomes, an attempt each."""
    return Records(
        root=store.root / "outcomes",
        again=lambda day: Place(f"{declared.name}/outcomes", day).again,
        kept=declared.kept_attempts,
    )


def request_records(declared: PipelineAssets, store: Store) -> Records:
    """The records of the segments of a pipeline's request log."""
    return Records(
        root=store.root / "requests",
        again=lambda name: Place(f"{declared.name}/requests", name).again,
        kept=declared.kept_attempts,
    )
