"""A site: a platform of a fault's own, on which it is carried out and judged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
from pyarrow import compute

from assets.flight_delay import ASSETS, history
from benchmarks._rounds import HERE, BenchmarkError
from benchmarks.skew.faults import Class, Fault, Judged, Outcome, compare, judged
from benchmarks.skew.platform import PACKAGES, Platform, copy_home, copy_registry, errors_of
from benchmarks.skew.workers import carry_out
from lockstep import FunctionSource
from lockstep.artifacts.artifact import MANIFEST, sha256
from lockstep.artifacts.snapshot import Snapshot
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.decode import decode
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.wire import wire_record
from lockstep.project.declaration import PipelineAssets
from lockstep.registry.version_tags import read_evidence, write_evidence
from lockstep.registry.versions import MANIFEST_TAG, Version
from lockstep.scoring.request_replay import replay_segment
from lockstep.serving.requestlog.log import Log
from lockstep.serving.requestlog.log_segments import segment_names, segment_path
from lockstep.serving.requestlog.settings import RequestLog
from lockstep.serving.versions.asked import RequestIds
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.request_scorer import Answer, Scorer
from lockstep.serving.versions.served_tables import ServedTables, VersionTables
from lockstep.store.pinned_tables import PinnedTables
from lockstep.store.results import CheckResult
from lockstep.training.candidate import fit_candidate
from lockstep.training.training_set import TrainingSet, compute_training_set, ingest_history

NAME = ASSETS.name
DAY = date(2013, 4, 3)
"""The day that is scored at a site, and whose records are sent to the server."""
_LAST_MONTH = datetime(2013, 3, 1, tzinfo=UTC)
_RUN = "from lockstep.cli.main import run; run()"
_ROWS, _TOGETHER = 240, 8
"""Records that are answered, and those of a request."""


def _last_month() -> pa.Table:
    """The history of March alone: faults of code are tried on it, since each takes a fit."""
    table = history()
    begin = pa.scalar(_LAST_MONTH, pa.timestamp("us", tz="UTC"))
    return table.filter(compute.greater_equal(table.column("scheduled_at"), begin))


DECLARED = replace(ASSETS, history=FunctionSource(_last_month))
"""The pipeline as it is trained at a site."""


@dataclass(frozen=True, eq=False)
class Site:
    """A home of its own: version 1 is live, version 2 is trained and may become the champion."""

    platform: Platform

    @classmethod
    def at(cls, folder: Path, declared: PipelineAssets = DECLARED) -> Site:
        """The site of a home."""
        return cls(Platform.at(folder, declared))

    @property
    def home(self) -> Path:
        """Its home."""
        return self.platform.home.path

    @property
    def database(self) -> Path:
        """The registry's database."""
        return self.platform.home.mlflow / "mlflow.db"

    def version(self, number: int) -> Version:
        """A version as the registry lists it."""
        return {version.version: version for version in self.platform.registry.versions(NAME)}[
            number
        ]

    def files(self, number: int) -> Path:
        """The files of a version."""
        return self.platform.registry.files(self.version(number))

    def load(self, number: int) -> LoadedVersion:
        """A version, opened from its files anew."""
        version = self.version(number)
        loaded = LoadedVersion.open(
            self.files(number), version.digest, name=NAME, version=version.version
        )
        return loaded.with_tables(PinnedTables.now(self.platform.store, loaded.pipeline))

    def tables(self, pipeline: Pipeline) -> VersionTables:
        """The tables that a server of the pipeline reads."""
        return ServedTables(self.platform.store.root).of(pipeline)

    def edited(self, *edits: tuple[str, str]) -> Site:
        """The same site with a checkout in which the pipeline's module is edited.

        Raises:
            BenchmarkError: The module does not hold what is to be edited.
        """
        here = Snapshot.of(ASSETS.pipeline)
        source = here.modules[here.module]
        for old, new in edits:
            if source.count(old) != 1:
                raise BenchmarkError(f"The source holds {old!r} {source.count(old)} times.")
            source = source.replace(old, new)
        pipeline = replace(here, modules={**here.modules, here.module: source}).load()
        return Site.at(self.home, replace(self.platform.declared, pipeline=pipeline))

    def life(self) -> Judged:
        """Train, promote and score, as far as the checks let it.

        What gets out is a published day of the version that was trained.
        """
        results, is_live = self.platform.go_live()
        if not is_live:
            return Judged(results)
        scored = self.score()
        return replace(scored, results={**results, **scored.results})

    def score(self) -> Judged:
        """Score the day."""
        return self.platform.judge(DAY, self.platform.rows(DAY))

    def gate(self, number: int = 2) -> Judged:
        """Put a version through the gate; what gets out is that it goes live."""
        gate = self.platform.promote(number)
        return Judged(gate.results, {"live": number} if gate.live == number else {})

    def training_set(self) -> tuple[str, TrainingSet]:
        """Compute the training set of a new run."""
        run, platform = uuid4().hex, self.platform
        ingest_history(platform.declared, platform.store, run)
        return run, compute_training_set(platform.declared, platform.store, run)

    def fit(self, run: str) -> Judged:
        """Fit to the training set of a run; what gets out is a version of it."""
        declared, store, registry = (
            self.platform.declared,
            self.platform.store,
            self.platform.registry,
        )
        found = fit_candidate(declared, store, run, registry, PACKAGES)
        return Judged(found.results, {"version": "fitted"} if found.version is not None else {})

    def answer(self, scorer: Scorer | None = None) -> Path:
        """Have records of the day answered and logged, by the live version; the segment."""
        loaded = self.load(1)
        scorer = scorer or prove(loaded, tables=self.tables(loaded.pipeline))
        schema, ids = loaded.pipeline.record_schema, RequestIds()
        columns = decode(self.platform.rows(DAY), schema).columns
        places = np.linspace(0, len(columns[schema.names[0]]) - 1, _ROWS).astype(int).tolist()
        records = [wire_record(columns, row, schema) for row in places]
        folder = self.platform.home.requests(NAME)
        with Log(folder, RequestLog()) as log:
            for start in range(0, _ROWS, _TOGETHER):
                answer = scorer.answer([records[start : start + _TOGETHER]])[0]
                if not isinstance(answer, Answer):
                    raise BenchmarkError(f"A request was not answered: {answer}")
                log.record(scorer, [(ids.ask(), answer)])
        (name,) = segment_names(folder)
        return segment_path(folder, name)

    def replay(self, segment: Path | None = None) -> Judged:
        """Replay a segment; nothing gets out that was not answered before."""
        declared, store = self.platform.declared, self.platform.store
        found = replay_segment(declared, store, segment or self.answer(), uuid4().hex, self.load)
        return Judged(found.results)

    def rebind(self, number: int) -> None:
        """Make a version's manifest and tags, and what the home knows, agree with its files."""
        folder, before = self.files(number), self.version(number)
        manifest = json.loads((folder / MANIFEST).read_bytes())
        there = [name for name in manifest["files"] if (folder / name).exists()]
        manifest["files"] = {name: sha256((folder / name).read_bytes()) for name in there}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
        evidence = read_evidence(before)
        (self.platform.home.known / f"{NAME}.json").unlink(missing_ok=True)
        registry = self.platform.registry
        registry.tag(before, MANIFEST_TAG, sha256((folder / MANIFEST).read_bytes()))
        write_evidence(registry, self.version(number), evidence)

    def command(self, *arguments: str, **environment: str) -> Judged:
        """Run a command on the site in a process of its own; what gets out is a live version."""
        paths = [environment.pop("PYTHONPATH", ""), str(HERE)]
        own = {"LOCKSTEP_HOME": str(self.home), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *arguments, "--json"],
            cwd=HERE,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        live = self.platform.live.state().version
        return Judged(_reported(done.stdout or done.stderr), {"live": live} if live != 1 else {})


def _reported(text: str) -> dict[str, CheckResult]:
    """What the checks of the runs of a command found, from its JSON.

    Raises:
        BenchmarkError: It gave none.
    """
    try:
        runs = json.loads(text)["runs"]
    except (ValueError, KeyError) as error:
        raise BenchmarkError(f"The command gave no report: {text.strip()[-600:]}") from error
    return {
        one["check"]: CheckResult(
            passed=one["result"] == "passed",
            summary=one["summary"],
            severity="ERROR" if one["result"] == "failed" else "WARN",
            column=one["column"],
            judged=one["result"] != "not_judged",
            where=one["where"] or "",
        )
        for run in runs
        for one in run["checks"]
    }


Play = Callable[[Site], Judged]


@dataclass(frozen=True)
class Scene:
    """A fault, how it is carried out, and how the same is done without it."""

    fault: Fault
    faulted: Play
    clean: Play


def scene(
    kind: Class,
    checks: tuple[str, ...],
    clean: Play,
    name: str,
    story: str,
    where: str,
    faulted: Play,
    *,
    blocks: bool = True,
) -> Scene:
    """A scene whose fault may be told by any of some names, with blanks between them."""
    fault = Fault(name, kind, story, tuple(where.split()), checks, blocks)
    return Scene(fault, faulted, clean)


def prepare(platform: Platform, folder: Path) -> Path:
    """Make the home that sites are copied from; one that is there already is used as it is.

    Raises:
        BenchmarkError: No second version can be trained.
    """
    if folder.exists():
        return folder
    unfinished = folder.with_name(f"{folder.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    platform.before(DAY, unfinished / "data")
    shutil.copytree(platform.home.path / "live", unfinished / "live")
    copy_registry(platform.home.path, unfinished)
    results, version = Site.at(unfinished).platform.train()
    if version != 2:
        raise BenchmarkError(f"No second version was trained: {errors_of(results)}")
    unfinished.rename(folder)
    return folder


def try_scenes(template: Path, work: Path, scenes: Sequence[Scene]) -> list[Outcome]:
    """Try faults, each at a site of its own copied from a home, beside the same without it."""
    for one in scenes:
        _plays[_clean(one)] = one.clean
        _plays[one.fault.name] = partial(_caught, one.faulted)
    names = list(dict.fromkeys([*map(_clean, scenes), *(one.fault.name for one in scenes)]))
    found = carry_out(partial(_play, template, work), names, "faults at sites of their own")
    told = dict(zip(names, found, strict=True))
    return [
        Outcome(one.fault, {"once": compare(one.fault, told[_clean(one)], told[one.fault.name])})
        for one in scenes
    ]


_plays: dict[str, Play] = {}
"""What is carried out, by name, for the processes that do it."""


def _clean(one: Scene) -> str:
    return f"clean-{one.clean.__module__}.{one.clean.__qualname__}"


def _caught(faulted: Play, site: Site) -> Judged:
    return judged(partial(faulted, site))


def _play(template: Path, work: Path, name: str) -> Judged:
    copy_home(template, work / name)
    found = _plays[name](Site.at(work / name))
    shutil.rmtree(work / name)
    return found
