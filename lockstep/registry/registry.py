"""The registry of fitted pipelines, in MLflow."""

from __future__ import annotations

import copy
import logging
import shutil
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from lockstep.artifacts.artifact import Artifact
from lockstep.artifacts.evidence import Evidence
from lockstep.artifacts.snapshot import Snapshot
from lockstep.artifacts.version import LoadedVersion
from lockstep.columns.address import Address
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import (
    AliasNotSetError,
    ArtifactError,
    FetchError,
    RegistryError,
    UnavailableFilesError,
    VersionNotFoundError,
)
from lockstep.registry.connection import Connection
from lockstep.registry.databases import local_path
from lockstep.registry.description import Presentation
from lockstep.registry.known_versions import KnownVersions
from lockstep.registry.mlmodel import ARTIFACT
from lockstep.registry.registration import Registration
from lockstep.registry.surroundings import check_surroundings
from lockstep.registry.versions import RegisteredModel, Version, runs_page
from lockstep.store.disks import make_folder

log = logging.getLogger(__name__)

_MOST_DIGITS = 9
"""Of a version's number; databases refuse what has many more."""


class Registry:
    """Versions of fitted pipelines, by name and number or alias.

    MLflow's global state (active run, tracking address) is neither used nor changed. Methods raise
    RegistryUnreachableError where the registry does not answer, and RegistryError where it refuses.

    Args:
        tracking_uri: Address of an MLflow server (`http://...`), or of its database
            (`sqlite:///...`), which is created where it is missing.
        artifact_root: Directory for the versions' files, with a database; a server has its own.
        cache: Directory for files that are fetched from a server; without it they are fetched
            once for every registry object.
        wait: Seconds before the second attempt, twice as many before each next one.
        trusted: Types that models may hold beside the library's: `[tool.lockstep]`, `trusted`.
        page: Address of the page for all pipelines, to which model cards link.
        known: Directory of the home's files that bind the numbers of versions to their bytes;
            without it no number is bound.
    """

    def __init__(
        self,
        tracking_uri: str | Address,
        *,
        artifact_root: Path | None = None,
        cache: Path | None = None,
        attempts: int = 4,
        wait: float = 0.5,
        trusted: tuple[str, ...] = (),
        page: str | None = None,
        known: Path | None = None,
    ) -> None:
        self.artifact_root = artifact_root
        self.trusted = trusted
        self.page = page
        self._known = known
        self.address = tracking_uri if isinstance(tracking_uri, Address) else Address(tracking_uri)
        self._connection = Connection(self.address, artifact_root, attempts, wait)
        self._call = self._connection.call
        self._mended: list[str] = []
        self._files = VersionFiles(self._connection, cache, self.note_mended, self.known)
        self._loaded: dict[tuple[str, int, str], LoadedVersion] = {}

    def patient(self) -> Registry:
        """The same registry, for what follows upon long work: a request is tried for minutes."""
        patient = copy.copy(self)
        patient._connection = self._connection.patient()
        patient._call = patient._connection.call
        patient._files = VersionFiles(
            patient._connection, self._files.cache, self.note_mended, self.known
        )
        return patient

    def known(self, name: str) -> KnownVersions | None:
        """The numbers that the home knows of a pipeline; None without a home."""
        return None if self._known is None else KnownVersions(self._known / f"{name}.json")

    def mended(self) -> tuple[str, ...]:
        """Sentences about files here that were damaged and are written anew; each is told once."""
        mended = tuple(self._mended)
        self._mended.clear()
        return mended

    def note_mended(self, sentence: str) -> None:
        """Note that a damaged file was written anew, for whoever tells it; see `mended`."""
        if sentence not in self._mended:
            log.warning(sentence)
            self._mended.append(sentence)

    def open(self) -> None:
        """Make the database where it is missing; look-ups make none."""
        _ = self._connection.client

    def log(
        self,
        pipeline: Pipeline,
        source: Snapshot,
        evidence: Evidence,
        shown: Presentation | None = None,
    ) -> Version:
        """Log a fitted pipeline in a run of its own, and register it as the next version.

        The version appears as the last step, complete; if anything fails before, there is none,
        and the run is marked as failed.

        Raises:
            NotFittedError: The pipeline is not fitted.
            SnapshotError: The source does not run by itself, or defines other columns.
            UntrustedTypeError: A model holds a type that may not be stored.
            ArtifactError: A model cannot be stored.
        """
        connection, shown = self._connection, shown or Presentation()
        return Registration(
            connection,
            pipeline,
            source,
            evidence,
            shown,
            self.trusted,
            self.page,
            self.known(pipeline.name),
        ).carry_out()

    def load(self, name: str, version: int | str) -> LoadedVersion:
        """Load a version, by number or alias, with the code that it was fitted with.

        A version that was loaded before is the same object again, after its files have been checked
        anew: they may have been damaged since.

        Raises:
            VersionNotFoundError: There is no such version.
            AliasNotSetError: There is no such alias.
            ArtifactError: One of its files is missing or was changed, or Lockstep did not log it.
            RenumberedError: The home knows other files under its number.
            SnapshotError: Its source does not run here.
            OutsideReadingError: Its source opens, when imported, what the version does not carry.
            UntrustedTypeError: A model holds a type that may not be loaded.
        """
        listed = self.find(name, version)
        key, files = (name, listed.version, listed.digest), self._files.directory(listed)
        if key in self._loaded:
            Artifact.open(files, listed.digest)
        else:
            self._loaded[key] = LoadedVersion.open(
                files,
                listed.digest,
                name=listed.name,
                version=listed.version,
                trusted=self.trusted,
            )
        return self._loaded[key]

    def files(self, version: Version) -> Path:
        """The directory of a version's files: in place if it is local, else fetched once.

        Raises:
            RenumberedError: The home knows other files under its number.
            ArtifactError: Lockstep did not log it, or the fetched files are not the logged ones.
            FetchError: The files had to be fetched, and did not all arrive; another try may work.
        """
        return self._files.directory(version)

    def demand_place(self) -> None:
        """Raise RegistryError unless a registry can be at its address; it is not opened."""
        self._connection.demand_place()

    def alias(self, name: str, alias: str) -> Version | None:
        """The version that an alias points to; None if it points nowhere."""
        if self._connection.is_new:
            return None
        client = self._connection.client
        entity = self._connection.find(client.get_model_version_by_alias, name, alias)
        return None if entity is None else Version.of(entity)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias to a version; VersionNotFoundError where there is none."""
        self.find(name, version)
        client = self._connection.client
        self._call(client.set_registered_model_alias, name, alias, str(version))

    def model(self, name: str) -> RegisteredModel | None:
        """A registered model with its tags and aliases, in one look; None if there is none."""
        if self._connection.is_new:
            return None
        client = self._connection.client
        model = self._connection.find(client.get_registered_model, name)
        if model is None:
            return None
        aliases = {alias: int(number) for alias, number in model.aliases.items()}
        return RegisteredModel(aliases, dict(model.tags))

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of a model, oldest first; none if there is no such model."""
        model = self.model(name)
        if model is None:
            return ()
        client = self._connection.client
        aliases: dict[int, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(number, []).append(alias)
        versions: list[Version] = []
        token = None
        while True:
            page = self._call(client.search_model_versions, f"name='{name}'", page_token=token)
            versions += [Version.of(each, aliases.get(int(each.version), ())) for each in page]
            token = page.token
            if not token:
                return tuple(sorted(versions, key=lambda version: version.version))

    def tag(self, version: Version, key: str, value: str) -> None:
        """Set a tag of a version."""
        client = self._connection.client
        self._call(client.set_model_version_tag, version.name, str(version.version), key, value)

    def runs_page(self, name: str) -> str | None:
        """The page of MLflow's UI that compares a pipeline's runs; None where there is none."""
        experiment = self._call(self._connection.client.get_experiment_by_name, name)
        return None if experiment is None else runs_page(experiment.experiment_id)

    def tag_model(self, name: str, key: str, value: str) -> None:
        """Set a tag of a registered model."""
        self._call(self._connection.client.set_registered_model_tag, name, key, value)

    def untag_model(self, name: str, key: str) -> None:
        """Remove a tag of a registered model, unless somebody else has."""
        client = self._connection.client
        self._connection.find(client.delete_registered_model_tag, name, key)

    def find(self, name: str, version: int | str) -> Version:
        """A version by its number or alias; VersionNotFoundError or AliasNotSetError without it."""
        if isinstance(version, str) and not version.isdecimal():
            pointed_to = self.alias(name, version)
            if pointed_to is None:
                raise AliasNotSetError(name, version, self._numbers(name))
            return pointed_to
        entity = None
        if not self._connection.is_new and len(str(version)) <= _MOST_DIGITS:
            client = self._connection.client
            entity = self._connection.find(client.get_model_version, name, str(version))
        if entity is None:
            raise VersionNotFoundError(name, version, self._numbers(name))
        return Version.of(entity)

    def _numbers(self, name: str) -> tuple[int, ...]:
        return tuple(version.version for version in self.versions(name))


class VersionFiles:
    """The files of versions on this machine.

    Without a directory `cache`, fetched files go with this object. `note` gets a sentence about
    damaged files that were fetched anew; `known` gives the numbers that the home knows.
    """

    def __init__(
        self,
        connection: Connection,
        cache: Path | None,
        note: Callable[[str], None],
        known: Callable[[str], KnownVersions | None],
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._note = note
        self._known = known

    def directory(self, version: Version) -> Path:
        """The directory of a version's files; errors as of `Registry.files`.

        Files that were fetched before are used only while all of them are as logged. The files
        around them, by which MLflow serves the version, are checked where they are local, or else
        when they are fetched.
        """
        known = self._known(version.name)
        if known is not None:
            known.demand(version.version, version.digest)
        local = local_path(version.location)
        if local is not None:
            check_surroundings(local, version)
            return local / ARTIFACT
        directory = self.cache / version.name / f"{version.version}-{version.digest[:12]}"
        damage = _damage(directory, version.digest)
        if damage is None:
            return directory
        was_fetched = directory.exists()
        self._fetch(version, directory)
        if was_fetched and not isinstance(damage, UnavailableFilesError):
            cause = str(damage).partition(". ")[0]
            self._note(
                f"{cause}. Version {version.version} of {version.name} was fetched anew from the "
                "registry: see who edits or removes files there."
            )
        return directory

    @cached_property
    def cache(self) -> Path:
        """The directory for fetched files."""
        if self._cache is not None:
            return self._cache
        directory = tempfile.mkdtemp(prefix="lockstep-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return Path(directory)

    def _fetch(self, version: Version, directory: Path) -> None:
        """Fetch a version's files to a directory, which appears when all are complete."""
        make_folder(directory.parent)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=directory.parent) as fetched:
            model = self._download(version, fetched)
            check_surroundings(model, version)
            files = model / ARTIFACT
            Artifact.open(files, version.digest)
            if _damage(directory, version.digest) is None:  # another process was faster
                return
            with suppress(FileNotFoundError):  # fetched before, and no longer as logged
                directory.rename(Path(fetched, "damaged"))
            try:
                files.rename(directory)
            except OSError:
                if _damage(directory, version.digest) is not None:
                    raise

    def _download(self, version: Version, folder: str) -> Path:
        """Fetch the MLflow model of a version, and return its directory."""
        from mlflow.artifacts import download_artifacts

        try:
            fetched = self._connection.call(
                download_artifacts,
                artifact_uri=version.location,
                dst_path=folder,
                tracking_uri=self._connection.address.full,
            )
        except RegistryError as error:
            raise FetchError(version.name, version.version, error) from error
        return Path(fetched)


def _damage(directory: Path, digest: str) -> ArtifactError | None:
    """Why a directory does not hold all files of a version as they were logged; None if it does."""
    try:
        Artifact.open(directory, digest)
    except ArtifactError as error:
        return error
    return None
