"""Faults of a version's files: damaged, cut, emptied, exchanged, or made to say nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.skew.code import clean_gate, clean_score
from benchmarks.skew.faults import Fault
from benchmarks.skew.site import Play, Scene, Site
from lockstep.artifacts.artifact import ENVIRONMENT, GOLDEN, MANIFEST, PROFILE, SUITES
from lockstep.columns.pipeline import Trace
from lockstep.columns.tables import take_rows
from lockstep.parity.golden import GoldenRecords

MODEL = "models/boosted_late.skops"
CHECKS = (
    *("live_version", "evidence", "golden_replay", "code_parity", "refusal"),
    *("laws", "constraints"),
)

_ALIEN = json.dumps(
    {"expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "alcohol"}}]}
)
"""A suite about a column that no flight has."""

Damage = Callable[[Path], None]


def scored_with(damage: Damage) -> Play:
    """Damage the files of the live version, and score."""

    def play(site: Site) -> Any:
        damage(site.files(1))
        return site.score()

    return play


def scored_with_bound(damage: Damage) -> Play:
    """Damage the files of the live version, make all that names them agree, and score."""

    def play(site: Site) -> Any:
        damage(site.files(1))
        site.rebind(1)
        stored = json.loads(site.pointer.read_text())
        site.pointer.write_text(json.dumps({**stored, "digest": site.version(1).digest}))
        return site.score()

    return play


def promoted_with(damage: Damage, *, bound: bool = True) -> Play:
    """Damage the files of version 2, and promote it.

    Args:
        damage: Damages them.
        bound: Whether manifest and tags are made to agree with the files as they are then, as by
            somebody who repairs a version in good faith.
    """

    def play(site: Site) -> Any:
        damage(site.files(2))
        if bound:
            site.rebind(2)
        return site.gate()

    return play


def exchanged_for(name: str, text: str) -> Damage:
    """Replace all that a file holds."""

    def damage(folder: Path) -> None:
        (folder / name).write_text(text)

    return damage


def cut(name: str, share: float = 0.5) -> Damage:
    """Cut a file."""

    def damage(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return damage


def removed(name: str) -> Damage:
    """Remove a file."""
    return lambda folder: (folder / name).unlink()


def replaced(name: str, old: str, new: str) -> Damage:
    """Replace some text of a file."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace(old, new))

    return damage


def with_json(name: str, change: Callable[[Any], Any]) -> Damage:
    """Change what a JSON file holds."""

    def damage(folder: Path) -> None:
        held = json.loads((folder / name).read_bytes())
        (folder / name).write_text(json.dumps(change(held), indent=1))

    return damage


def with_suites(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Damage:
    """Change all suites."""

    def damage(folder: Path) -> None:
        for path in sorted((folder / SUITES).glob("*.json")):
            path.write_text(json.dumps(change(json.loads(path.read_bytes()))))

    return damage


def golden_with(change: Callable[[GoldenRecords], GoldenRecords]) -> Damage:
    """Write other golden records."""

    def damage(folder: Path) -> None:
        changed = change(GoldenRecords.from_directory(folder / GOLDEN))
        shutil.rmtree(folder / GOLDEN)
        changed.to_directory(folder / GOLDEN)

    return damage


def _of_rows(golden: GoldenRecords, rows: int) -> GoldenRecords:
    trace, chosen = golden.trace, np.arange(rows)
    matrices = {name: matrix[chosen] for name, matrix in trace.matrices.items()}
    return replace(
        golden,
        records=take_rows(golden.records, chosen),
        trace=Trace(trace.keys[chosen], take_rows(trace.columns, chosen), matrices),
    )


def _of_raw_columns(golden: GoldenRecords) -> GoldenRecords:
    trace = golden.trace
    kept = {name: trace.columns[name] for name in golden.records}
    return replace(golden, trace=Trace(trace.keys, kept, {}))


def _without_matrices(golden: GoldenRecords) -> GoldenRecords:
    return replace(golden, trace=replace(golden.trace, matrices={}))


def _emptied(suite: dict[str, Any]) -> dict[str, Any]:
    return {**suite, "expectations": suite["expectations"][:1]}


def _wide(suite: dict[str, Any]) -> dict[str, Any]:
    """Limits that nothing breaks."""
    limits = {"min_value": -1e12, "max_value": 1e12}
    return {
        **suite,
        "expectations": [
            {**one, "kwargs": {**one["kwargs"], **_only(limits, one["kwargs"])}}
            for one in suite["expectations"]
        ],
    }


def _only(limits: Mapping[str, float], kwargs: Mapping[str, Any]) -> dict[str, float]:
    return {name: limit for name, limit in limits.items() if kwargs.get(name) is not None}


def _exchanged(site: Site, name: str) -> None:
    one, other = site.files(1) / name, site.files(2) / name
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)


def _score_exchanged(site: Site) -> Any:
    _exchanged(site, MODEL)
    return site.score()


def _gate_of_other_files(site: Site) -> Any:
    shutil.rmtree(site.files(2))
    shutil.copytree(site.files(1), site.files(2))
    return site.gate()


def _laws_file(folder: Path) -> Path:
    """What holds the constraints of a version, by its name now or later."""
    return next(iter([*folder.glob("laws*"), *folder.glob("constraints*")]))


def _without_laws(folder: Path) -> None:
    names = ("laws", "constraints")
    emptied = with_json(
        _laws_file(folder).name,
        lambda one: {key: [] if key in names else value for key, value in one.items()},
    )
    emptied(folder)


def _artifact(
    name: str, story: str, where: str | tuple[str, ...], faulted: Play, *, gate: bool = False
) -> Scene:
    places = (where,) if isinstance(where, str) else where
    fault = Fault(name, "artifact", story, places, CHECKS)
    return Scene(fault, faulted, clean_gate if gate else clean_score)


ARTIFACT_SCENES: tuple[Scene, ...] = (
    _artifact("model_cut", "a model of the live version is cut", ("boosted_late.skops",),
              scored_with(cut(MODEL))),
    _artifact("model_emptied", "a model of the live version is emptied", ("boosted_late.skops",),
              scored_with(cut(MODEL, 0.0))),
    _artifact("model_exchanged", "two versions have each other's model", ("boosted_late.skops",),
              _score_exchanged),
    _artifact("golden_removed", "the golden columns are gone", ("columns.parquet",),
              scored_with(removed(f"{GOLDEN}/columns.parquet"))),
    _artifact("golden_cut", "the golden matrices are cut", ("matrices.npz",),
              scored_with(cut(f"{GOLDEN}/matrices.npz"))),
    _artifact("suite_emptied", "the input suite of the live version is emptied", ("input.json",),
              scored_with(with_json(f"{SUITES}/input.json", _emptied))),
    _artifact("suite_widened", "the limits of its output suite are widened", ("outputs.json",),
              scored_with(with_json(f"{SUITES}/outputs.json", _wide))),
    _artifact("profile_emptied", "the profile of the live version is empty", ("profile.json",),
              scored_with(with_json(PROFILE, lambda _: {}))),
    _artifact("laws_removed", "the laws of the live version are gone",
              ("laws.json", "constraints.json", "laws", "constraints"),
              scored_with(lambda folder: _laws_file(folder).unlink())),
    _artifact("source_edited", "the source of the live version is edited",
              ("flight_delay.py", "source"),
              scored_with(replaced("source/transforms/flight_delay.py", "_FREEZING = 34.0",
                                   "_FREEZING = 30.0"))),
    _artifact("manifest_cut", "the manifest of the live version is cut", ("manifest.json",),
              scored_with(cut(MANIFEST))),
    _artifact("environment_edited", "its environment is edited", ("environment.json",),
              scored_with(replaced(ENVIRONMENT, '"numpy"', '"numpi"'))),
    _artifact("suites_widened_and_bound", "its suites are widened, and all that names them agrees",
              ("expectations",), scored_with_bound(with_suites(_wide))),
    _artifact("suite_of_another_pipeline", "its input suite is another's, and all agrees",
              ("expectations",),
              scored_with_bound(exchanged_for(f"{SUITES}/input.json", _ALIEN))),
    _artifact("golden_of_one_row_and_bound", "its golden records are one row, and all agrees",
              ("golden",), scored_with_bound(golden_with(lambda one: _of_rows(one, 1)))),
    _artifact("unused_source_edited_and_bound", "its source says what no golden record shows, "
              "and all agrees", ("source",),
              scored_with_bound(replaced("source/transforms/flight_delay.py",
                                         '"MCDONNELL DOUGLAS CORPORATION"', '"MCDONNELL"'))),
    _artifact("files_of_another_version", "version 2 has the files of version 1",
              ("manifest.json",), _gate_of_other_files, gate=True),
    _artifact("model_cut_before_the_gate", "a model of version 2 is cut",
              ("boosted_late.skops",), promoted_with(cut(MODEL), bound=False), gate=True),
    _artifact("model_cut_and_bound", "a model of version 2 is cut, and manifest and tags agree",
              ("boosted_late", "boosted_late.skops"), promoted_with(cut(MODEL)), gate=True),
    _artifact("golden_of_one_row", "the golden records of version 2 are one row, all else agrees",
              ("golden",), promoted_with(golden_with(lambda one: _of_rows(one, 1))), gate=True),
    _artifact("golden_of_raw_columns", "its golden records hold raw columns alone",
              ("golden",), promoted_with(golden_with(_of_raw_columns)), gate=True),
    _artifact("golden_without_matrices", "its golden records hold no matrices", ("golden",
              "matrices"), promoted_with(golden_with(_without_matrices)), gate=True),
    _artifact("suites_of_one_expectation", "each of its suites holds one expectation",
              ("expectations",), promoted_with(with_suites(_emptied)), gate=True),
    _artifact("suites_widened", "the limits of its suites are so wide that nothing breaks them",
              ("suites", "expectations", "input.json"), promoted_with(with_suites(_wide)),
              gate=True),
    _artifact("profile_of_no_columns", "its profile holds no columns", ("profile",),
              promoted_with(with_json(PROFILE, lambda one: {**one, "columns": {}})), gate=True),
    _artifact("laws_emptied", "its laws are none", ("laws", "constraints"),
              promoted_with(_without_laws), gate=True),
    _artifact("source_edited_and_bound", "its source is edited, and manifest and tags agree",
              ("crosswind", "flight_delay.py"),
              promoted_with(replaced("source/transforms/flight_delay.py", "_MAIN_RUNWAY = 30.0",
                                     "_MAIN_RUNWAY = 40.0")), gate=True),
)  # fmt: skip
"""Faults of a version's files. Those that are *bound* pass for what was logged: manifest and tags
were made to agree with them; what was counted at the training stands against them."""
