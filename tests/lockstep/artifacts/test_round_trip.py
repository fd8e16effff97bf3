"""The round trip through a new process."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lockstep.artifacts.artifact_writing import write_artifact
from lockstep.artifacts.round_trip import may_depend_on_order, replay_in_new_process
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.pipeline import Trace
from lockstep.errors import ArtifactError
from lockstep.parity.golden import GoldenRecords

DEPENDS_ON_ORDER = [
    "first = list({*'abc'})[0]",
    "for one in {'a', 'b'}: print(one)",
    "def f(x): return [one for one in set(x)]",
    "def f(x): return frozenset(x)",
    "KNOWN = {'a', 'b'}\ndef f(): return list(KNOWN)",
    "def f(x, y): return list(x.keys() & y.keys())",
    "def f(x, y): return [*x.union(y)]",
    "def f(x): return hash(x) % 4",
]
LOOKS_UP = [
    "KNOWN = {'a', 'b'}\ndef f(x): return [one in KNOWN for one in x]",
    "KNOWN: frozenset[str] = frozenset(('a', 'b'))\ndef f(x): return set(x) <= KNOWN",
    "def f(x): return len({*x}) + max(set(x))",
    "def f(x): return sorted({one.lower() for one in x})",
    "KNOWN = {'a': 1}\ndef f(x): return [KNOWN[one] for one in x]",
]


@pytest.fixture
def version(tumour: Any, tmp_path: Path) -> LoadedVersion:
    """A version of whose golden records one column is not what its code computes."""
    trace = tumour.golden.trace
    columns = trace.columns | {"disc_share": np.nextafter(trace.columns["disc_share"], 2.0)}
    golden = GoldenRecords.of(tumour.golden.records, Trace(trace.keys, columns, trace.matrices))
    evidence = replace(tumour.evidence, golden=golden)
    digest = write_artifact(tmp_path / "version", tumour.pipeline, tumour.source, evidence)
    return LoadedVersion.open(tmp_path / "version", digest, name="tumour", version=1)


def test_a_sound_version_gives_every_column_and_matrix_again(tumour: Any, tmp_path: Path) -> None:
    digest = write_artifact(tmp_path / "sound", tumour.pipeline, tumour.source, tumour.evidence)
    sound = LoadedVersion.open(tmp_path / "sound", digest, name="tumour", version=1)
    assert replay_in_new_process(sound).ok


def test_every_column_and_matrix_comes_out_again_and_one_that_does_not_is_named(
    version: LoadedVersion, tumour: Any
) -> None:
    comparison = replay_in_new_process(version)
    assert not comparison.ok
    assert comparison.rows == len(tumour.golden)
    assert [each.column for each in comparison.compared if not each.ok] == ["disc_share"]
    compared = {each.column for each in comparison.compared}
    assert compared >= {"radius_mm", "tree_probability", "verdict"}
    assert {each.column for each in comparison.compared if each.is_matrix} == {
        *tumour.golden.trace.matrices
    }


def test_a_version_that_cannot_be_used_there_says_why(
    version: LoadedVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['skops'] = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ArtifactError, match=r"cannot be used in a new process, .*: .*skops"):
        replay_in_new_process(version)


def test_a_process_that_hangs_is_ended_and_told(version: LoadedVersion) -> None:
    with pytest.raises(ArtifactError, match=r"nothing in a new process within 0:00:00\.001"):
        replay_in_new_process(version, limit=timedelta(milliseconds=1))


def test_files_that_were_changed_since_it_was_loaded_are_told(version: LoadedVersion) -> None:
    (version.directory / "environment.json").write_text(json.dumps({}))
    with pytest.raises(ArtifactError, match=r"environment\.json is not what was logged"):
        replay_in_new_process(version)


@pytest.mark.parametrize("code", DEPENDS_ON_ORDER)
def test_what_is_done_with_a_set_may_depend_on_its_order(code: str) -> None:
    assert may_depend_on_order(["", code])


@pytest.mark.parametrize("code", LOOKS_UP)
def test_a_set_in_which_something_is_looked_up_has_no_order(code: str) -> None:
    assert not may_depend_on_order([code, ""])


def test_a_set_counts_by_what_another_module_does_with_it() -> None:
    assert may_depend_on_order(["KNOWN = {'a', 'b'}", "import one\nfound = list(one.KNOWN)"])
