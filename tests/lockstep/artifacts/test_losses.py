"""A version of which some proof is lost, or whose files are no longer what they were."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from lockstep.artifacts.artifact import sha256
from lockstep.artifacts.artifact_writing import write_artifact
from lockstep.artifacts.framework import carried_digest
from lockstep.artifacts.losses import losses
from lockstep.artifacts.trusted import dump_estimator
from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.comparisons import check_replay
from lockstep.columns.pipeline import Trace
from lockstep.columns.schema import Field, Schema
from lockstep.columns.tables import take_rows
from lockstep.constraints.constraint_set import discover
from lockstep.errors import ArtifactError, FormatError, UnprovenError
from lockstep.parity.golden import LEAST_GOLDEN, GoldenRecords
from lockstep.serving.versions.proving import prove

RADIUS = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "radius", "min_value": 0, "max_value": 50},
}
INPUT = "suites/input.json"
SUITES = {
    "input": {"name": "input", "expectations": [RADIUS]},
    "features": {"name": "features", "expectations": []},
    "outputs": {"name": "outputs", "expectations": []},
}


@dataclass(frozen=True)
class Files:
    """The files of a version, whose manifest follows what is done to them."""

    directory: Path

    def edit(self, name: str, change: Callable[[Any], Any]) -> None:
        """Change a JSON file."""
        path = self.directory / name
        path.write_text(json.dumps(change(json.loads(path.read_bytes()))))

    def put(self, name: str, values: dict[str, Any]) -> None:
        """Put other values into a JSON file."""
        self.edit(name, lambda stored: {**stored, **values})

    def open(self) -> LoadedVersion:
        """The version, by a manifest that agrees with all its files as they are now."""
        path = self.directory / "manifest.json"
        try:
            manifest = json.loads(path.read_bytes())
            manifest["files"] = {
                name: sha256(self.directory.joinpath(name).read_bytes())
                for name in manifest["files"]
                if self.directory.joinpath(name).exists()
            }
            path.write_text(json.dumps(manifest))
        except (ValueError, TypeError):
            pass  # damaged on purpose
        return LoadedVersion.open(
            self.directory, sha256(path.read_bytes()), name="tumour", version=1
        )


def written(tumour: Any, folder: Path, golden: GoldenRecords) -> Files:
    evidence = replace(tumour.evidence, golden=golden, suites=SUITES)
    write_artifact(folder / "version", tumour.pipeline, tumour.source, evidence)
    return Files(folder / "version")


@pytest.fixture
def files(tumour: Any, tmp_path: Path) -> Files:
    """The files of a version that holds 40 golden rows and one expectation."""
    return written(tumour, tmp_path, tumour.golden)


@pytest.mark.parametrize("has_least", [False, True])
def test_a_version_as_it_was_stored_has_lost_nothing(
    tumour: Any, tmp_path: Path, has_least: bool
) -> None:
    golden = first_rows(tumour.golden, LEAST_GOLDEN) if has_least else tumour.golden
    version = written(tumour, tmp_path, golden).open()
    assert losses(version) == ()
    assert check_replay(version, as_carried=True).passed
    assert prove(version).loaded is version


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (INPUT, {"expectations": [{**RADIUS, "severity": "warning"}]}),
        ("profile.json", {"added": 1}),
    ],
)
def test_a_file_that_the_manifest_lists_as_it_is_now_was_stored_otherwise(
    files: Files, name: str, values: dict[str, Any]
) -> None:
    files.put(name, values)
    version = files.open()
    assert version.altered == (name,)
    assert f"the fit stored another content of {name}" in losses(version)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("manifest.json", {"counts": None}),
        ("manifest.json", {"rows": "many"}),
        ("profile.json", {"rows": None}),
        ("environment.json", {"libraries": "numpy"}),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_told_of_its_file(
    files: Files, name: str, values: dict[str, Any]
) -> None:
    files.put(name, values)
    with pytest.raises(ArtifactError, match=name):
        files.open()


def widened(**limits: float) -> dict[str, Any]:
    return {**RADIUS, "kwargs": {**RADIUS["kwargs"], **limits}}


def test_a_source_that_was_edited_is_an_error_though_no_golden_record_shows_it(
    files: Files,
) -> None:
    path = next((files.directory / "source").rglob("*.py"))
    path.write_text(path.read_text() + "\n# and nothing else\n")
    found = check_replay(files.open())
    assert found.is_error
    assert path.stem in found.summary
    assert "is not the one that was stored with it" in found.summary


def first_rows(golden: GoldenRecords, count: int) -> GoldenRecords:
    records = take_rows(golden.records, slice(count))
    return GoldenRecords.of(records, golden.trace.take(range(count)))


def with_columns(golden: GoldenRecords, names: Iterable[str], matrices: Any) -> GoldenRecords:
    columns = {name: golden.trace.columns[name] for name in names}
    trace = Trace(golden.trace.keys, columns, matrices)
    return GoldenRecords.of(golden.records, trace, golden.coverage)


def all_but_one(golden: GoldenRecords) -> GoldenRecords:
    names = golden.trace.columns.keys() - {"verdict"}
    return with_columns(golden, sorted(names), golden.trace.matrices)


CUTS: dict[str, Callable[[GoldenRecords], GoldenRecords]] = {
    "it holds 1 golden rows, and 40 were stored": lambda golden: first_rows(golden, 1),
    "it holds 0 golden rows, and 40 were stored": lambda golden: first_rows(golden, 0),
    "columns of golden rows": lambda golden: with_columns(golden, golden.records, {}),
    "it holds 0 matrices of golden rows": lambda golden: with_columns(
        golden, golden.trace.columns, {}
    ),
    "its golden records lack verdict": all_but_one,
}
"""By what is said, what is left of golden records."""


@pytest.mark.parametrize("said", CUTS)
def test_golden_records_that_were_cut_are_an_error_of_golden_replay_and_of_the_server(
    files: Files, tumour: Any, said: str
) -> None:
    CUTS[said](tumour.golden).to_directory(files.directory / "golden")
    version = files.open()
    found = check_replay(version)
    assert found.is_error
    assert said in found.summary
    with pytest.raises(UnprovenError, match="is not complete"):
        prove(version)


@pytest.mark.parametrize("said", [said for said in CUTS if " 0 golden rows" not in said])
def test_golden_records_that_were_cut_before_they_were_stored_are_too_few(
    tumour: Any, tmp_path: Path, said: str
) -> None:
    assert check_replay(written(tumour, tmp_path, CUTS[said](tumour.golden)).open()).is_error


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        (INPUT, {"expectations": []}, "it holds 0 expectations, and 1 were stored"),
        ("profile.json", {"columns": {}}, "it holds 0 columns of the profile"),
        (
            "profile.json",
            {"rows": 12},
            "its profile is of 12 rows, and it was fitted on 569: it is another version's",
        ),
        (
            INPUT,
            {"expectations": [widened(min_value=-1e300)]},
            "thousandths of all limits of expectations, and 56000 were stored",
        ),
        (
            INPUT,
            {"expectations": [widened(mostly=0.01)]},
            "thousandths of all limits of expectations",
        ),
        ("manifest.json", {"counts": {}}, "none were stored"),
        ("manifest.json", {"suites": ["input"]}, "it has no suite of features, outputs"),
    ],
)
def test_suites_and_profiles_that_were_emptied_are_an_error(
    files: Files, name: str, values: dict[str, Any], said: str
) -> None:
    files.put(name, values)
    found = check_replay(files.open())
    assert found.is_error
    assert said in found.summary


def test_a_version_that_carries_no_modules_is_an_error(files: Files) -> None:
    files.edit("framework.json", lambda sources: {})
    found = check_replay(files.open())
    assert found.is_error
    assert "framework.json, Lockstep's own modules by which" in found.summary


def other_outputs(sources: dict[str, str]) -> dict[str, str]:
    """Modules by which all rows get the output of the first."""
    name, line = "lockstep.columns.pipeline", "frame.index = data.index"
    assert line in sources[name]
    alike = f"{line}\n            frame[frame.columns[-1]] = frame.iloc[0, -1]"
    return {**sources, name: sources[name].replace(line, alike)}


def without_readers(sources: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in sources.items() if "skops" not in name}


@pytest.mark.parametrize("change", [other_outputs, without_readers])
def test_carried_modules_that_do_not_predict_what_was_predicted_are_an_error_of_the_gate(
    files: Files, change: Callable[[Any], Any]
) -> None:
    files.edit("framework.json", change)
    digest = carried_digest(json.loads((files.directory / "framework.json").read_bytes()))
    files.put("manifest.json", {"framework": digest, "stored": {}})
    version = files.open()
    assert check_replay(version).passed  # which nobody computes with here
    found = check_replay(version, as_carried=True)
    assert found.is_error
    assert "framework.json" in found.summary


def test_a_model_that_was_fitted_to_other_columns_is_told_by_its_file(files: Files) -> None:
    table = pd.DataFrame({"width": [0.0, 1.0], "depth": [1.0, 0.0]})
    alien = dump_estimator("boosted", LogisticRegression().fit(table, [0, 1]))
    path = next((files.directory / "models").iterdir())
    path.write_bytes(alien)
    with pytest.raises(ArtifactError, match=rf"{path.name} was fitted to other columns \(width, "):
        files.open()


PARTS = (
    INPUT,
    "profile.json",
    "constraints.msgpack",
    "environment.json",
    "framework.json",
    "golden/golden.json",
    "golden/columns.parquet",
    "golden/matrices.npz",
    "golden/matrices.json",
)
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda data: None,
    "empty": lambda data: b"",
    "truncated": lambda data: data[: len(data) // 2],
    "an empty object": lambda data: b"{}",
    "a list": lambda data: b"[]",
    "null": lambda data: b"null",
    "no text": lambda data: b"\xff\xfe\x00",
    "no expectation": lambda data: b'{"expectations": [1]}',
}


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        (part, damage)
        for part in PARTS
        for damage in DAMAGES
        # which is what it holds where no matrix is of objects, or is told as lost
        if damage != "an empty object" or part not in ("golden/matrices.json", "framework.json")
    ],
)
def test_a_part_that_is_damaged_is_told_by_its_file(files: Files, part: str, damage: str) -> None:
    path = files.directory / part
    data = DAMAGES[damage](path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ArtifactError) as caught:
        files.open()
    assert str(files.directory) in str(caught.value)
    assert part.split("/", maxsplit=1)[0] in str(caught.value)
    assert "Restore" in str(caught.value)


def test_constraints_of_another_format_say_to_train_again(files: Files) -> None:
    path = files.directory / "constraints.msgpack"
    stored = msgspec.msgpack.decode(path.read_bytes())
    path.write_bytes(msgspec.msgpack.encode({**stored, "format": 0}))
    files.edit("manifest.json", lambda manifest: with_digest(manifest, path))
    with pytest.raises(FormatError, match=r"constraints\.msgpack has format 0.*train again: "):
        files.open()


def test_constraints_of_another_pipeline_are_told(files: Files) -> None:
    path = files.directory / "constraints.msgpack"
    schema = Schema("Other", (Field("id", "str", role="key"), Field("depth", "float")))
    columns = {"id": np.array(["a", "b"] * 20, dtype=object), "depth": np.arange(40.0)}
    path.write_bytes(discover(columns, schema).to_bytes())
    files.edit("manifest.json", lambda manifest: with_digest(manifest, path))
    said = losses(files.open())
    assert any("they are another pipeline's" in one for one in said)
    assert any("rows of constraints" in one for one in said)


def with_digest(manifest: Any, path: Path) -> Any:
    """A manifest that lists the constraints as they are now, and as if the fit had stored them."""
    digests = {"constraints.msgpack": sha256(path.read_bytes())}
    return {
        **manifest,
        "files": {**manifest["files"], **digests},
        "stored": {**manifest["stored"], **digests},
    }


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'{"format": 4}'])
def test_a_manifest_that_says_nothing_is_told(files: Files, data: bytes) -> None:
    (files.directory / "manifest.json").write_bytes(data)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        LoadedVersion.open(files.directory, sha256(data), name="tumour", version=1)
