"""Faults of promotion: what serves, or is to serve, is not what passed the gate."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd

from benchmarks.skew.code import clean_gate, clean_life, clean_score
from benchmarks.skew.faults import Fault
from benchmarks.skew.judged import Judged
from benchmarks.skew.platform import copy_database
from benchmarks.skew.site import DAY, NAME, Play, Scene, Site
from lockstep.artifacts.artifact import MANIFEST
from lockstep.registry.evidence import EVIDENCE, PROVEN
from lockstep.training.candidate import fit_candidate
from lockstep.training.training_set import compute_training_set, ingest_history

CHECKS = ("live_version", "evidence", "code_parity", "training_parity", "refusal")
ALIAS = ("@live", "live")
TAG = ("lockstep.evidence",)


def _live_by_hand(site: Site) -> Judged:
    site.platform.registry.set_alias(NAME, "live", 2)
    return site.score()


def _live_removed(site: Site) -> Judged:
    _execute(site.database, "DELETE FROM registered_model_aliases WHERE alias = 'live'")
    return site.score()


def _pointer_by_hand(site: Site) -> Judged:
    stored = json.loads(site.pointer.read_text())
    version = site.version(2)
    stored |= {"version": 2, "digest": version.digest, "directory": str(site.files(2))}
    site.pointer.write_text(json.dumps(stored))
    return site.score()


def _pointer_damaged(site: Site) -> Judged:
    site.pointer.write_text(site.pointer.read_text()[:40])
    return site.score()


def _pointer_removed(site: Site) -> Judged:
    site.pointer.unlink()
    return site.score()


def _registry_restored(site: Site) -> Judged:
    """The registry goes back to a copy from before a promotion."""
    _keep(site.database)
    site.gate()
    _restore(site.database)
    return Site.at(site.home).score()


def _all_restored(site: Site) -> Judged:
    """The registry and the gate's file go back, after a day was published by the later version."""
    _keep(site.database)
    _keep(site.pointer)
    site.gate()
    rows = site.platform.rows(DAY)
    site.platform.judge(DAY, rows, to_publish=True)
    _restore(site.database)
    _restore(site.pointer)
    return Site.at(site.home).score()


def _evidence_removed(site: Site) -> Judged:
    _execute(
        site.database,
        "DELETE FROM model_version_tags WHERE key = ? AND version = 2",
        EVIDENCE,
    )
    return site.gate()


def _evidence_copied(site: Site) -> Judged:
    registry = site.platform.registry
    registry.tag(site.version(2), EVIDENCE, site.version(1).tags[EVIDENCE])
    return site.gate()


def _evidence_edited(site: Site) -> Judged:
    """A version whose training failed a check, made to look as if it had passed."""
    version = site.version(2)
    facts = json.loads(version.tags[EVIDENCE])
    facts["results"]["round_trip"] = "passed" if facts["results"] else "failed"
    facts["counts"]["golden rows"] = 1
    site.platform.registry.tag(version, EVIDENCE, json.dumps(facts))
    return site.gate()


def _proven_copied(site: Site) -> Judged:
    """A version gets the mark of one that was live, and the checkout's code has changed."""
    registry = site.platform.registry
    registry.tag(site.version(2), PROVEN, site.version(1).tags[PROVEN])
    edited = site.edited(("_FREEZING = 34.0", "_FREEZING = 32.0"))
    return site.declaring(edited).gate()


def _failed_training(site: Site) -> Judged:
    """A candidate whose round trip failed is promoted all the same."""
    pipeline = site.edited(
        ("import math\n", "import math\nimport random\n"),
        ("# Weather\n", "# Weather\n\n_DRAWN = random.random()\n"),
        ("return temp - dewp", "return temp - dewp + _DRAWN"),
    )
    edited = site.declaring(pipeline)
    results, version = edited.platform.train()
    if version is None:
        return Judged(results)
    return edited.gate(version)


def _other_training_set(site: Site) -> Judged:
    """The training set is exchanged before the fit."""
    run = uuid4().hex
    platform = site.platform
    ingest_history(platform.declared, platform.store, run)
    found = compute_training_set(platform.declared, platform.store, run)
    frame = pd.read_parquet(found.path)
    frame["late"] = np.roll(frame["late"].to_numpy(), 1)
    frame.to_parquet(found.path)
    fitted = fit_candidate(
        platform.declared, platform.store, run, platform.registry, platform.packages
    )
    out = {} if fitted.version is None else {"version": "of other rows"}
    return Judged(fitted.results, out)


def _features_exchanged(site: Site) -> Judged:
    """The features of the training set are other ones than the code computes, by other code."""
    run = uuid4().hex
    other = site.declaring(site.edited(("_FREEZING = 34.0", "_FREEZING = 32.0"))).platform
    ingest_history(other.declared, other.store, run)
    compute_training_set(other.declared, other.store, run)
    platform = site.platform
    fitted = fit_candidate(
        platform.declared, platform.store, run, platform.registry, platform.packages
    )
    out = {} if fitted.version is None else {"version": "of other features"}
    return Judged(fitted.results, out)


def _other_pipeline(site: Site) -> Judged:
    """The manifest of version 2 is that of another pipeline."""
    path = site.files(2) / MANIFEST
    path.write_text(path.read_text().replace(f'"pipeline": "{NAME}"', '"pipeline": "other"'))
    site.rebind(2)
    return site.gate()


def _kept(path: Path) -> Path:
    return path.with_name(f"{path.name}.kept")


def _copy(source: Path, target: Path, *, is_database: bool) -> None:
    (copy_database if is_database else shutil.copyfile)(source, target)


def _keep(path: Path) -> None:
    _copy(path, _kept(path), is_database=path.suffix == ".db")


def _restore(path: Path) -> None:
    _copy(_kept(path), path, is_database=path.suffix == ".db")


def _execute(database: Path, statement: str, *values: str) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute(statement, values)


def _promotion(
    name: str, story: str, where: tuple[str, ...], faulted: Play, clean: Play = clean_score
) -> Scene:
    return Scene(Fault(name, "promotion", story, where, CHECKS), faulted, clean)


PROMOTION_SCENES: tuple[Scene, ...] = (
    _promotion("live_by_hand", "@live is moved by hand", ALIAS, _live_by_hand),
    _promotion("live_removed", "@live is removed by hand", ALIAS, _live_removed),
    _promotion("pointer_by_hand", "the gate's file is edited to name version 2",
               (*ALIAS, "flight_delay.json"), _pointer_by_hand),
    _promotion("pointer_damaged", "the gate's file is cut", (*ALIAS, "flight_delay.json"),
               _pointer_damaged),
    _promotion("pointer_removed", "the gate's file is gone", (*ALIAS, "flight_delay.json"),
               _pointer_removed),
    _promotion("registry_restored", "the registry is restored from before a promotion",
               (*ALIAS, "registry"), _registry_restored),
    _promotion("registry_and_pointer_restored",
               "registry and gate's file are restored from before a promotion",
               (*ALIAS, "registry"), _all_restored),
    _promotion("evidence_removed", "the tag of version 2 that tells of its training is removed",
               TAG, _evidence_removed, clean_gate),
    _promotion("evidence_copied", "version 2 gets the tag of version 1", TAG, _evidence_copied,
               clean_gate),
    _promotion("evidence_edited", "the tag of version 2 is edited", TAG, _evidence_edited,
               clean_gate),
    _promotion("mark_copied", "version 2 gets the mark of one that was live, in other code",
               ("is_freezing_wet", "_FREEZING"), _proven_copied, clean_gate),
    _promotion("failed_training_promoted", "a version whose training failed a check is promoted",
               ("round_trip", "dew_point_spread", "row_locality"), _failed_training, clean_life),
    _promotion("training_set_exchanged", "the training set is exchanged before the fit",
               ("training_set.parquet", "training_set"), _other_training_set, clean_life),
    _promotion("features_of_other_code", "the training set was computed by other code",
               ("is_freezing_wet",), _features_exchanged, clean_life),
    _promotion("version_of_another_pipeline", "version 2 holds the files of another pipeline",
               ("other", "manifest.json"), _other_pipeline, clean_gate),
)  # fmt: skip
