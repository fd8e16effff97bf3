"""The round trip through a new process."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.artifacts.round_trip import replay_in_new_process
from lockstep.columns.pipeline import Trace
from lockstep.errors import ArtifactError
from lockstep.parity.golden import GoldenRecords
from lockstep.registry.registry import Registry


def test_a_sound_version_gives_every_column_and_matrix_again(
    registry: Registry, tumour: Any
) -> None:
    version = registry.log(tumour.pipeline, **tumour.arguments)
    comparison = replay_in_new_process(registry.load("tumour", version.version))
    assert comparison.ok
    assert comparison.rows == len(tumour.golden)
    compared = {column.column for column in comparison.compared}
    assert compared >= {"radius_mm", "tree_probability", "verdict"}


def test_a_column_that_comes_out_otherwise_is_named(registry: Registry, tumour: Any) -> None:
    trace = tumour.golden.trace
    columns = trace.columns | {"disc_share": np.nextafter(trace.columns["disc_share"], 2.0)}
    golden = GoldenRecords.of(tumour.golden.records, Trace(trace.keys, columns, trace.matrices))
    version = registry.log(
        tumour.pipeline, **tumour.arguments | {"evidence": replace(tumour.evidence, golden=golden)}
    )
    comparison = replay_in_new_process(registry.load("tumour", version.version))
    assert not comparison.ok
    assert comparison.first is not None
    assert comparison.first.column == "disc_share"


def test_a_version_that_cannot_be_used_there_says_why(
    registry: Registry, tumour: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registry.log(tumour.pipeline, **tumour.arguments)
    loaded = registry.load("tumour", version.version)
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['skops'] = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ArtifactError, match=r"cannot be used in a new process, .*: .*skops"):
        replay_in_new_process(loaded)


def test_a_process_that_hangs_is_ended_and_told(registry: Registry, tumour: Any) -> None:
    loaded = registry.load("tumour", registry.log(tumour.pipeline, **tumour.arguments).version)
    with pytest.raises(ArtifactError, match=r"nothing in a new process within 0:00:00\.001"):
        replay_in_new_process(loaded, limit=timedelta(milliseconds=1))


def test_files_that_were_changed_since_it_was_loaded_are_told(
    registry: Registry, tumour: Any
) -> None:
    loaded = registry.load("tumour", registry.log(tumour.pipeline, **tumour.arguments).version)
    (loaded.directory / "environment.json").write_text(json.dumps({}))
    with pytest.raises(ArtifactError, match=r"environment\.json is not what was logged"):
        replay_in_new_process(loaded)
