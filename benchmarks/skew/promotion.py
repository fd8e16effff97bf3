"""Faults of promotion: what serves, or is to serve, is not what passed the gate."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.skew.code import Edit, defined, imported, written
from benchmarks.skew.faults import Judged
from benchmarks.skew.platform import copy_database
from benchmarks.skew.site import DAY, NAME, Scene, Site, scene
from lockstep.artifacts.artifact import MANIFEST
from lockstep.registry.version_tags import EVIDENCE, PROVEN

_OTHER_CODE: Edit = ("_FREEZING = 34.0", "_FREEZING = 32.0")


def _live_by_hand(site: Site) -> Judged:
    site.platform.registry.set_alias(NAME, "live", 2)
    return site.score()


def _live_removed(site: Site) -> Judged:
    _execute(site.database, "DELETE FROM registered_model_aliases WHERE alias = 'live'")
    return site.score()


def _pointer_by_hand(site: Site) -> Judged:
    pointer, version = site.platform.pointer, site.version(2)
    named = {"version": 2, "digest": version.digest, "directory": str(site.files(2))}
    stored = json.loads(pointer.read_text())
    pointer.write_text(json.dumps({**stored, "content": stored["content"] | named}))
    return site.score()


def _pointer_damaged(site: Site) -> Judged:
    pointer = site.platform.pointer
    pointer.write_text(pointer.read_text()[:40])
    return site.score()


def _pointer_removed(site: Site) -> Judged:
    site.platform.pointer.unlink()
    return site.score()


def _registry_restored(site: Site) -> Judged:
    """The registry goes back to a copy from before a promotion."""
    kept = site.database.with_suffix(".kept")
    copy_database(site.database, kept)
    site.gate()
    copy_database(kept, site.database)
    return Site.at(site.home).score()


def _all_restored(site: Site) -> Judged:
    """The registry and the gate's file go back, after a day was published by the later version."""
    pointer = site.platform.pointer
    before = pointer.read_bytes()
    kept = site.database.with_suffix(".kept")
    copy_database(site.database, kept)
    site.gate()
    site.platform.judge(DAY, site.platform.rows(DAY), to_publish=True)
    copy_database(kept, site.database)
    pointer.write_bytes(before)
    return Site.at(site.home).score()


def _evidence_removed(site: Site) -> Judged:
    statement = f"DELETE FROM model_version_tags WHERE key = '{EVIDENCE}' AND version = 2"
    _execute(site.database, statement)
    return site.gate()


def _tag_copied(site: Site, tag: str) -> None:
    site.platform.registry.tag(site.version(2), tag, site.version(1).tags[tag])


def _evidence_copied(site: Site) -> Judged:
    _tag_copied(site, EVIDENCE)
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
    (mark,) = (tag for tag in site.version(1).tags if tag.startswith(PROVEN))
    _tag_copied(site, mark)
    return site.edited(_OTHER_CODE).gate()


def _failed_training(site: Site) -> Judged:
    """A candidate whose round trip failed is promoted all the same."""
    drawn = defined("_DRAWN = random.random()")
    edited = site.edited(
        imported("random"), drawn, written("dew_point_spread", "return <it> + _DRAWN")
    )
    results, version = edited.platform.train()
    return Judged(results) if version is None else edited.gate(version)


def _other_training_set(site: Site) -> Judged:
    """The training set is exchanged before the fit."""
    run, found = site.training_set()
    frame = pd.read_parquet(found.path)
    frame["late"] = np.roll(frame["late"].to_numpy(), 1)
    frame.to_parquet(found.path)
    return site.fit(run)


def _features_exchanged(site: Site) -> Judged:
    """The features of the training set are other ones than the code computes, by other code."""
    return site.fit(site.edited(_OTHER_CODE).training_set()[0])


def _other_pipeline(site: Site) -> Judged:
    """The manifest of version 2 is that of another pipeline."""
    path = site.files(2) / MANIFEST
    path.write_text(path.read_text().replace(f'"pipeline": "{NAME}"', '"pipeline": "other"'))
    site.rebind(2)
    return site.gate()


def _execute(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


CHECKS = ("live_version", "evidence", "code_parity", "training_parity", "refusal")
_promotion = partial(scene, "promotion", CHECKS)
_scored, _promoted, _trained = (
    partial(_promotion, clean) for clean in (Site.score, Site.gate, Site.life)
)
PROMOTION_SCENES: tuple[Scene, ...] = (
    _scored("live_by_hand", "@live is moved by hand", "@live live", _live_by_hand),
    _scored("live_removed", "@live is removed by hand", "@live live", _live_removed),
    _scored("pointer_by_hand", "the gate's file is edited to name version 2",
            "@live live flight_delay.json", _pointer_by_hand),
    _scored("pointer_damaged", "the gate's file is cut", "@live live flight_delay.json",
            _pointer_damaged),
    _scored("pointer_removed", "the gate's file is gone", "@live live flight_delay.json",
            _pointer_removed),
    _scored("registry_restored", "the registry is restored from before a promotion",
            "@live live registry", _registry_restored),
    _scored("registry_and_pointer_restored",
            "registry and gate's file are restored from before a promotion", "@live live registry",
            _all_restored),
    _promoted("evidence_removed", "the tag of version 2 that tells of its training is removed",
              EVIDENCE, _evidence_removed),
    _promoted("evidence_copied", "version 2 gets the tag of version 1", EVIDENCE, _evidence_copied),
    _promoted("evidence_edited", "the tag of version 2 is edited", EVIDENCE, _evidence_edited),
    _promoted("mark_copied", "version 2 gets the mark of one that was live, in other code",
              "is_freezing_wet _FREEZING", _proven_copied),
    _trained("failed_training_promoted", "a version whose training failed a check is promoted",
             "round_trip dew_point_spread row_locality", _failed_training),
    _trained("training_set_exchanged", "the training set is exchanged before the fit",
             "training_set.parquet training_set", _other_training_set),
    _trained("features_of_other_code", "the training set was computed by other code",
             "is_freezing_wet", _features_exchanged),
    _promoted("version_of_another_pipeline", "version 2 holds the files of another pipeline",
              "other manifest.json", _other_pipeline),
)  # fmt: skip
