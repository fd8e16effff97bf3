"""Faults of a version's files: damaged, cut, emptied, exchanged, or made to say nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.skew.faults import Judged
from benchmarks.skew.site import Play, Scene, Site, scene
from lockstep.artifacts.artifact import CONSTRAINTS, ENVIRONMENT, GOLDEN, MANIFEST, PROFILE, SUITES
from lockstep.columns.pipeline import Trace
from lockstep.columns.tables import take_rows
from lockstep.constraints.constraint_set import ConstraintSet
from lockstep.constraints.rules import Rules
from lockstep.parity.golden import GoldenRecords
from lockstep.store.state_files import content_of, write_state

_MODEL = "models/boosted_late.skops"
_SOURCE = "source/transforms/flight_delay.py"
_ALIEN = {"expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "alcohol"}}]}
"""A suite about a column that no flight has."""

Damage = Callable[[Path], None]
Json = dict[str, Any]


def _scored(damage: Damage) -> Play:
    """Damage the files of the live version, and score."""

    def play(site: Site) -> Judged:
        damage(site.files(1))
        return site.score()

    return play


def _scored_bound(damage: Damage) -> Play:
    """Damage the files of the live version, make all that names them agree, and score."""

    def play(site: Site) -> Judged:
        damage(site.files(1))
        site.rebind(1)
        pointer = site.platform.pointer
        stored = content_of(pointer.read_bytes(), dict[str, Any])
        write_state(pointer, {**stored, "digest": site.version(1).digest})
        return site.score()

    return play


def _promoted(damage: Damage, *, bound: bool = True) -> Play:
    """Damage the files of version 2, and promote it.

    If they are bound, manifest and tags are made to agree with the files as they are then, as by
    somebody who repairs a version in good faith.
    """

    def play(site: Site) -> Judged:
        damage(site.files(2))
        if bound:
            site.rebind(2)
        return site.gate()

    return play


def _cut(name: str, share: float = 0.5) -> Damage:
    """Cut a file."""

    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return damage


def _removed(name: str) -> Damage:
    """Remove a file."""
    return lambda folder: (folder / name).unlink()


def _replaced(name: str, old: str, new: str) -> Damage:
    """Replace some text of a file."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(old, new))

    return damage


def _json(pattern: str, change: Callable[[Json], Json]) -> Damage:
    """Change what JSON files hold."""

    def damage(folder: Path) -> None:
        for path in sorted(folder.glob(pattern)):
            path.write_text(json.dumps(change(json.loads(path.read_bytes())), indent=1))

    return damage


def _golden(change: Callable[[GoldenRecords], GoldenRecords]) -> Damage:
    """Write other golden records."""

    def damage(folder: Path) -> None:
        changed = change(GoldenRecords.from_directory(folder / GOLDEN))
        shutil.rmtree(folder / GOLDEN)
        changed.to_directory(folder / GOLDEN)

    return damage


def _of_one_row(golden: GoldenRecords) -> GoldenRecords:
    records = take_rows(golden.records, np.arange(1))
    return replace(golden, records=records, trace=golden.trace.take([0]))


def _of_raw_columns(golden: GoldenRecords) -> GoldenRecords:
    kept = {name: golden.trace.columns[name] for name in golden.records}
    return replace(golden, trace=Trace(golden.trace.keys, kept, {}))


def _without_matrices(golden: GoldenRecords) -> GoldenRecords:
    return replace(golden, trace=replace(golden.trace, matrices={}))


def _emptied(suite: Json) -> Json:
    return {**suite, "expectations": suite["expectations"][:1]}


def _wide(suite: Json) -> Json:
    """Limits that nothing breaks."""
    limits, found = {"min_value": -1e12, "max_value": 1e12}, []
    for one in suite["expectations"]:
        kwargs = one["kwargs"]
        wide = {name: limit for name, limit in limits.items() if kwargs.get(name) is not None}
        found.append({**one, "kwargs": {**kwargs, **wide}})
    return {**suite, "expectations": found}


def _constraints_emptied(folder: Path) -> None:
    """Constraints without rules and row features, as if none had been found."""
    path = folder / CONSTRAINTS
    held = ConstraintSet.from_bytes(path.read_bytes())
    path.write_bytes(msgspec.structs.replace(held, rules=Rules(()), features=()).to_bytes())


def _constraints_removed(folder: Path) -> None:
    (folder / CONSTRAINTS).unlink()


def _models_exchanged(site: Site) -> Judged:
    one, other = site.files(1) / _MODEL, site.files(2) / _MODEL
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    return site.score()


def _gate_of_other_files(site: Site) -> Judged:
    shutil.rmtree(site.files(2))
    shutil.copytree(site.files(1), site.files(2))
    return site.gate()


CHECKS = (
    *("live_version", "evidence", "golden_replay", "code_parity", "refusal"),
    "constraints",
)
_live = partial(scene, "artifact", CHECKS, Site.score)
_next = partial(scene, "artifact", CHECKS, Site.gate)
ARTIFACT_SCENES: tuple[Scene, ...] = (
    _live("model_cut", "a model of the live version is cut", "boosted_late.skops",
          _scored(_cut(_MODEL))),
    _live("model_emptied", "a model of the live version is emptied", "boosted_late.skops",
          _scored(_cut(_MODEL, 0.0))),
    _live("model_exchanged", "two versions have each other's model", "boosted_late.skops",
          _models_exchanged),
    _live("golden_removed", "the golden columns are gone", "columns.parquet",
          _scored(_removed(f"{GOLDEN}/columns.parquet"))),
    _live("golden_cut", "the golden matrices are cut", "matrices.npz",
          _scored(_cut(f"{GOLDEN}/matrices.npz"))),
    _live("suite_emptied", "the input suite of the live version is emptied", "input.json",
          _scored(_json(f"{SUITES}/input.json", _emptied))),
    _live("suite_widened", "the limits of its output suite are widened", "outputs.json",
          _scored(_json(f"{SUITES}/outputs.json", _wide))),
    _live("profile_emptied", "the profile of the live version is empty", "profile.json",
          _scored(_json(PROFILE, lambda _: {}))),
    _live("constraints_removed", "the constraints of the live version are gone",
          "constraints.msgpack constraints", _scored(_constraints_removed)),
    _live("source_edited", "the source of the live version is edited", "flight_delay.py source",
          _scored(_replaced(_SOURCE, "_FREEZING = 34.0", "_FREEZING = 30.0"))),
    _live("manifest_cut", "the manifest of the live version is cut", "manifest.json",
          _scored(_cut(MANIFEST))),
    _live("environment_edited", "its environment is edited", "environment.json",
          _scored(_replaced(ENVIRONMENT, '"numpy"', '"numpi"'))),
    _live("suites_widened_and_bound", "its suites are widened, and all that names them agrees",
          "expectations", _scored_bound(_json(f"{SUITES}/*.json", _wide))),
    _live("suite_of_another_pipeline", "its input suite is another's, and all agrees",
          "expectations", _scored_bound(_json(f"{SUITES}/input.json", lambda _: _ALIEN))),
    _live("golden_of_one_row_and_bound", "its golden records are one row, and all agrees",
          "golden", _scored_bound(_golden(_of_one_row))),
    _live("unused_source_edited_and_bound", "its source says what no golden record shows, "
          "and all agrees", "source",
          _scored_bound(_replaced(_SOURCE, '"MCDONNELL DOUGLAS CORPORATION"', '"MCDONNELL"'))),
    _next("files_of_another_version", "version 2 has the files of version 1", "manifest.json",
          _gate_of_other_files),
    _next("model_cut_before_the_gate", "a model of version 2 is cut", "boosted_late.skops",
          _promoted(_cut(_MODEL), bound=False)),
    _next("model_cut_and_bound", "a model of version 2 is cut, and manifest and tags agree",
          "boosted_late boosted_late.skops", _promoted(_cut(_MODEL))),
    _next("golden_of_one_row", "the golden records of version 2 are one row, all else agrees",
          "golden", _promoted(_golden(_of_one_row))),
    _next("golden_of_raw_columns", "its golden records hold raw columns alone", "golden",
          _promoted(_golden(_of_raw_columns))),
    _next("golden_without_matrices", "its golden records hold no matrices", "golden matrices",
          _promoted(_golden(_without_matrices))),
    _next("suites_of_one_expectation", "each of its suites holds one expectation", "expectations",
          _promoted(_json(f"{SUITES}/*.json", _emptied))),
    _next("suites_widened", "the limits of its suites are so wide that nothing breaks them",
          "suites expectations input.json", _promoted(_json(f"{SUITES}/*.json", _wide))),
    _next("profile_of_no_columns", "its profile holds no columns", "profile",
          _promoted(_json(PROFILE, lambda one: {**one, "columns": {}}))),
    _next("constraints_emptied", "its constraints are none", "constraints.msgpack constraints",
          _promoted(_constraints_emptied)),
    _next("source_edited_and_bound", "its source is edited, and manifest and tags agree",
          "crosswind flight_delay.py",
          _promoted(_replaced(_SOURCE, "_MAIN_RUNWAY = 30.0", "_MAIN_RUNWAY = 40.0"))),
)  # fmt: skip
"""Faults of a version's files. Those that are *bound* pass for what was logged: manifest and tags
were made to agree with them; what was counted at the training stands against them."""
