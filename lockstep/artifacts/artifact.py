"""The files of a version: a directory that any storage can hold.

    manifest.json            what the version is, and the SHA-256 of every other file
    models/<column>.skops    fitted estimators
    source/                  the user's modules and their data files, as they were at the fit
    framework.json           Lockstep's own modules that run them, for use without Lockstep
    golden/                  golden records
    profile.json             distributions of the rows that it was fitted on
    constraints.msgpack      the constraints of these rows, and the limits of their days
    outputs.msgpack          the same for outputs, predicted of rows that models did not see
    quality.msgpack          the quality of such predictions, week by week
    suites/<role>.json       expectations
    environment.json         the environment of the fit

Nothing here knows MLflow, so a version can be read wherever its files are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lockstep.artifacts.snapshot import Snapshot, running_modules, unload
from lockstep.artifacts.trusted import Trust, load_estimator
from lockstep.columns.pipeline import Pipeline
from lockstep.columns.plain import cut, listed, one_line
from lockstep.errors import ArtifactError, FormatError, LockstepError, UnavailableFilesError

FORMAT = 4
MANIFEST = "manifest.json"
FRAMEWORK = "framework.json"
GOLDEN = "golden"
PROFILE = "profile.json"
CONSTRAINTS = "constraints.msgpack"
OUTPUTS = "outputs.msgpack"
QUALITY = "quality.msgpack"
SOURCE = "source"
SUITES = "suites"
OF_TABLE = "table."
"""Begins the role of the suite of a table, which its name follows."""
ENVIRONMENT = "environment.json"

_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Artifact:
    """A version's directory, whose files are unchanged since they were written."""

    directory: Path
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, directory: Path, digest: str | None = None) -> Artifact:
        """Read the manifest, and check every file against it.

        Raises:
            FormatError: It was written by an older or newer Lockstep.
            ArtifactError: A file is missing or has been changed; the message names it.
            UnavailableFilesError: A file cannot be read now.
        """
        path = directory / MANIFEST
        data = _read(path)
        if digest is None or sha256(data) == digest:
            return cls(directory, _whole(path, data))
        raise _disagreeing(path, data, digest)

    @property
    def snapshot(self) -> Snapshot:
        """The source that the version was fitted with."""
        stored = self.manifest["source"]
        modules = {}
        for name, file in stored["modules"].items():
            with reading(path := self.directory / file, "the source"):
                modules[name] = path.read_text(encoding="utf-8")
        data = {name: (self.directory / path).read_bytes() for name, path in stored["data"].items()}
        folder = str((self.directory / SOURCE).absolute())
        return Snapshot(stored["module"], modules, tuple(stored["packages"]), data, folder)

    @property
    def trusted(self) -> tuple[str, ...]:
        """The entries of `[tool.lockstep]`, `trusted`, by which its models were stored."""
        return tuple(self.manifest["trusted"])

    def pipeline(self) -> Pipeline:
        """The pipeline with its fitted models and the code that it was fitted with.

        Its own entries are trusted, as wherever MLflow runs it: whether they are this project's
        too, `LoadedVersion.open` has checked before.

        Raises:
            SnapshotError: The source does not run here.
            UntrustedTypeError: A model holds a type that may not be loaded.
            ArtifactError: A model was fitted to columns other than the source gives it.
        """
        unfitted = self.snapshot.load()
        try:
            return self._fitted(unfitted)
        except BaseException:
            unload(unfitted)
            raise

    def _fitted(self, unfitted: Pipeline) -> Pipeline:
        stored: Mapping[str, str] = self.manifest["models"]
        trust = Trust(self.trusted, running_modules(unfitted))
        try:
            models = {
                column: load_estimator(column, (self.directory / path).read_bytes(), trust)
                for column, path in stored.items()
            }
        except ArtifactError as error:
            release = self._other_release()
            if release is None:
                raise
            raise ArtifactError(f"{release} ({error})") from error
        pipeline = unfitted.with_models(models)
        for column in pipeline.graph.models:
            given = pipeline.graph.inputs(column)
            fitted = getattr(models[column], "feature_names_in_", given)
            if list(fitted) != list(given):
                raise ArtifactError(
                    f"{self.directory / stored[column]} was fitted to other columns "
                    f"({listed(list(fitted), 3)}) than the source gives to {column} "
                    f"({listed(given, 3)}): it is another model's. Restore the file, or train and "
                    "promote a version anew."
                )
        return pipeline

    def _other_release(self) -> str | None:
        """That the models are of another scikit-learn than this one; None if they are of this."""
        with reading(path := self.directory / ENVIRONMENT, "the environment"):
            fitted = json.loads(path.read_bytes())["libraries"]["scikit-learn"]
        here = version("scikit-learn")
        if fitted == here:
            return None
        return (
            f"The models were fitted with scikit-learn {fitted}, and scikit-learn {here} does not "
            f"load them: install scikit-learn=={fitted}, or train and promote a version anew."
        )


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def check_files(directory: Path, digests: Mapping[str, str]) -> None:
    """Raise where a file in a directory does not have its SHA-256, or cannot be read now."""
    for name, expected in digests.items():
        path = directory / name
        actual = sha256(_read(path))
        if actual != expected:
            raise ArtifactError(
                f"{path} is not what was logged: its SHA-256 is {actual[:12]}…, and it was "
                f"{expected[:12]}…. Restore the file, or use another version."
            )


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn errors of reading a part of a version into an ArtifactError that names its file.

    A disk that does not answer gives an UnavailableFilesError: another try may work.
    """
    try:
        yield
    except ArtifactError:
        raise
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{error.filename or path} is missing, so that this version cannot be used. Restore "
            "the file, or use another version."
        ) from error
    except OSError as error:
        raise UnavailableFilesError(
            f"{path} cannot be read now ({error.strerror or error}), so that this version cannot "
            "be used. Try again when its disk or network drive answers."
        ) from error
    except (LockstepError, ValueError, LookupError, TypeError, AttributeError) as error:
        cause = f"it lacks {error}" if isinstance(error, KeyError) else one_line(str(error))
        raise ArtifactError(
            f"{path} does not hold {what} of a version ({cause}). Restore the file, or train and "
            "promote a version anew."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ArtifactError(
            f"{path} cannot be read ({error.strerror}), so that this version cannot be used. "
            "Restore the file, or use another version."
        ) from error
    except OSError as error:
        raise UnavailableFilesError(
            f"{path} cannot be read now ({error.strerror}), so that this version cannot be used. "
            "Try again when its disk or network drive answers."
        ) from error


def _whole(path: Path, data: bytes) -> Mapping[str, Any]:
    """A manifest, after all files that it lists have been checked against it."""
    try:
        manifest: dict[str, Any] = json.loads(data)
    except ValueError as error:
        raise ArtifactError(f"{path} is damaged: {error}.") from error
    with reading(path, "what a version is"):
        if manifest.get("format") != FORMAT:
            raise FormatError(path, manifest.get("format"), FORMAT, manifest.get("pipeline"))
        check_files(path.parent, manifest["files"])
    return manifest


def _disagreeing(path: Path, data: bytes, digest: str) -> ArtifactError:
    """The error of a manifest that has another digest than the expected one."""
    if not _DIGEST.fullmatch(digest):
        cause = "That is no SHA-256: it was edited. Restore it"
    elif _is_whole(path, data):
        cause = (
            "All files that it lists are unchanged: either this file or that digest was edited, or "
            "the files are another version's. Restore what was changed"
        )
    else:
        cause = "Files that it lists were changed, too. Restore the files"
    return ArtifactError(
        f"{path} is not what was logged: its SHA-256 is {sha256(data)[:12]}…, and the version's "
        f"tag lockstep.manifest in the registry, or the gate's file, tells {cut(digest, 13)}. "
        f"{cause}, or use another version."
    )


def _is_whole(path: Path, data: bytes) -> bool:
    try:
        _whole(path, data)
    except UnavailableFilesError:
        raise
    except ArtifactError:
        return False
    return True
