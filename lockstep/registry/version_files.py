"""Files of versions: in place where they are local, else fetched from a server once."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from lockstep.artifacts.artifact import Artifact
from lockstep.errors import ArtifactError, FetchError, RegistryError
from lockstep.registry.connection import Connection
from lockstep.registry.locations import local_path
from lockstep.registry.mlmodel import ARTIFACT
from lockstep.registry.surroundings import check_surroundings
from lockstep.registry.versions import Version


class VersionFiles:
    """Where the files of versions are on this machine.

    Args:
        connection: The registry.
        cache: Directory for files that are fetched; without it, one that goes with this object.
    """

    def __init__(self, connection: Connection, cache: Path | None) -> None:
        self._connection = connection
        self._cache = cache

    def directory(self, version: Version) -> Path:
        """The directory of a version's files.

        Files that were fetched before are used only while all of them are what was logged. Those
        around them, by which MLflow serves the version, are looked at where they are local, and
        else when they are fetched.

        Raises:
            ArtifactError: Lockstep did not log it, what was fetched is not what was logged, or a
                file around it is missing or was changed.
            FetchError: The files have to be fetched, and did not all arrive; another try may work.
        """
        local = local_path(version.location)
        if local is not None:
            check_surroundings(local, version)
            return local / ARTIFACT
        directory = self.cache / version.name / f"{version.version}-{version.digest[:12]}"
        if not _is_whole(directory, version.digest):
            self._fetch(version, directory)
        return directory

    @cached_property
    def cache(self) -> Path:
        """The directory for files that are fetched."""
        if self._cache is not None:
            return self._cache
        directory = tempfile.mkdtemp(prefix="lockstep-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return Path(directory)

    def _fetch(self, version: Version, directory: Path) -> None:
        """Fetch a version's files to a directory, which appears when all are there and right."""
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=directory.parent) as fetched:
            model = self._download(version, fetched)
            check_surroundings(model, version)
            files = model / ARTIFACT
            Artifact.open(files, version.digest)
            if _is_whole(directory, version.digest):  # another process was faster
                return
            with suppress(FileNotFoundError):  # fetched before, and no longer what was logged
                directory.rename(Path(fetched, "damaged"))
            try:
                files.rename(directory)
            except OSError:
                if not _is_whole(directory, version.digest):
                    raise

    def _download(self, version: Version, folder: str) -> Path:
        """Fetch the MLflow model of a version; where it is then."""
        from mlflow.artifacts import download_artifacts

        try:
            fetched = self._connection.call(
                download_artifacts,
                artifact_uri=version.location,
                dst_path=folder,
                tracking_uri=self._connection.uri,
            )
        except RegistryError as error:
            raise FetchError(version.name, version.version, error) from error
        return Path(fetched)


def _is_whole(directory: Path, digest: str) -> bool:
    """Whether a directory holds all files of a version, as they were logged."""
    try:
        Artifact.open(directory, digest)
    except ArtifactError:
        return False
    return True
