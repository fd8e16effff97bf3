"""The registry of fitted pipelines, in MLflow."""

from __future__ import annotations

import getpass
import json
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from lockstep.artifacts.artifact import Artifact
from lockstep.artifacts.errors import ArtifactError, SnapshotError
from lockstep.artifacts.framework import framework_digest
from lockstep.artifacts.snapshot import Snapshot, unload
from lockstep.artifacts.version import LoadedVersion
from lockstep.artifacts.writing import Evidence, write_artifact
from lockstep.columns.errors import NotFittedError
from lockstep.columns.pipeline import Pipeline
from lockstep.parity.environment import Environment
from lockstep.parity.golden import GoldenRecords
from lockstep.parity.profiles import Profile
from lockstep.registry.connection import Connection
from lockstep.registry.description import about, dataset, describe, parameters
from lockstep.registry.errors import (
    AliasNotSetError,
    FetchError,
    RegistryError,
    VersionNotFoundError,
)
from lockstep.registry.mlmodel import ARTIFACT, save_mlmodel
from lockstep.registry.versions import MANIFEST_TAG, Version

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion

_BATCH = 100
"""Parameters that MLflow takes at once."""
_one_at_a_time = threading.Lock()
"""Held while a version is logged: MLflow passes a model from code through a global variable."""


class Registry:
    """Versions of fitted pipelines, by name and number or alias.

    Nothing of MLflow's global state (active run, tracking address) is used or changed.

    Args:
        tracking_uri: Address of an MLflow server (`http://...`), or of the database of one
            (`sqlite:///...`), which is created where it is missing.
        artifact_root: Directory for the versions' files where a database is given; a server
            keeps them in its own place.
        cache: Directory for files that are fetched from a server; without it they are fetched
            once for every registry object.
        attempts: How often a call is tried while the registry does not answer.
        wait: Seconds before the second attempt, twice as many before each next one.
    """

    def __init__(
        self,
        tracking_uri: str,
        *,
        artifact_root: Path | None = None,
        cache: Path | None = None,
        attempts: int = 4,
        wait: float = 0.5,
    ) -> None:
        self.tracking_uri = tracking_uri
        self.artifact_root = artifact_root
        self.cache = cache
        self._connection = Connection(tracking_uri, attempts, wait)
        self._call = self._connection.call
        self._loaded: dict[tuple[str, int, str], LoadedVersion] = {}

    def log(
        self,
        pipeline: Pipeline,
        *,
        golden: GoldenRecords,
        profile: Profile,
        suites: Mapping[str, Mapping[str, Any]],
        environment: Environment,
        metrics: Mapping[str, float],
        source: Snapshot,
        rows: int,
        tags: Mapping[str, str] | None = None,
        plots: Mapping[str, Figure] | None = None,
    ) -> Version:
        """Log a fitted pipeline in a run of its own, and register it as the next version.

        The version appears as the last step, complete; if anything fails before, there is none,
        and the run is marked as failed.

        Args:
            pipeline: The fitted pipeline.
            golden: Golden records.
            profile: Distributions of the rows that it was fitted on.
            suites: Expectations as plain data, by role.
            environment: Where it was fitted.
            metrics: Its quality, by metric.
            source: Its source (`Snapshot.of(pipeline)`).
            rows: Number of rows that it was fitted on.
            tags: More to know of it, such as the window of time that it was fitted on.
            plots: Pictures of it, by name.

        Raises:
            NotFittedError: The pipeline is not fitted.
            SnapshotError: The source does not run by itself, or defines other columns.
            UntrustedTypeError: A model holds a type that may not be stored.
            ArtifactError: A model cannot be stored.
            RegistryUnreachableError: The registry does not answer.
            RegistryError: The registry refused something.
        """
        if not pipeline.is_fitted:
            raise NotFittedError(f"{pipeline.name} is not fitted: call fit(history) before log().")
        _check_source(pipeline, source)
        evidence = Evidence(golden, profile, suites, environment, metrics, rows)
        with _one_at_a_time, tempfile.TemporaryDirectory(prefix="lockstep-") as directory:
            files = Path(directory, ARTIFACT)
            digest = write_artifact(files, pipeline, source, evidence)
            labels = {
                MANIFEST_TAG: digest,
                "lockstep.code": source.digest,
                "lockstep.framework": framework_digest(),
                **(tags or {}),
            }
            run = self._create_run(pipeline, source, labels)
            run_id = run.info.run_id
            client = self._connection.client
            with _on_failure(lambda: client.set_terminated(run_id, "FAILED")):
                self._log_facts(run, pipeline, source, evidence, digest)
                for title, figure in (plots or {}).items():
                    self._call(client.log_figure, run_id, figure, f"plots/{title}.png")
                model = self._log_model(run, pipeline, source, evidence, Path(directory))
                self._call(client.set_terminated, run_id, "FINISHED")
                return self._register(pipeline, source, evidence, run, model, labels)

    def load(self, name: str, version: int | str) -> LoadedVersion:
        """Load a version with the code that it was fitted with; once in a process.

        Args:
            name: Name of the model.
            version: Its number, or an alias such as `"live"`.

        Raises:
            VersionNotFoundError: There is no such version.
            AliasNotSetError: There is no such alias.
            ArtifactError: A file of it is missing or was changed, or Lockstep did not log it.
            SnapshotError: Its source does not run here.
            UntrustedTypeError: A model holds a type that may not be loaded.
            RegistryUnreachableError: The registry does not answer.
        """
        found = self._find(name, version)
        digest = _manifest_digest(found)
        key = (name, found.version, digest)
        if key not in self._loaded:
            self._loaded[key] = LoadedVersion.open(
                self.files(found), digest, name=found.name, version=found.version
            )
        return self._loaded[key]

    def unload(self, loaded: LoadedVersion) -> None:
        """Forget a version that was loaded; the next `load` opens it anew."""
        self._loaded.pop((loaded.name, loaded.version, loaded.digest), None)
        loaded.unload()

    def files(self, version: Version) -> Path:
        """The directory of a version's files: in place where it is local, else fetched once.

        Files that were fetched before are used only while all of them are what was logged.

        Raises:
            ArtifactError: Lockstep did not log it, or what was fetched is not what was logged.
            FetchError: The files have to be fetched, and did not all arrive; another try may work.
        """
        digest = _manifest_digest(version)
        location = urlparse(version.location)
        if location.scheme in ("", "file"):
            return Path(unquote(location.path)) / ARTIFACT
        cache = self.cache or self._own_cache
        directory = cache / version.name / f"{version.version}-{digest[:12]}"
        if not _is_whole(directory, digest):
            self._fetch(version, directory, digest)
        return directory

    def alias(self, name: str, alias: str) -> Version | None:
        """The version that an alias points to; None if it points nowhere."""
        client = self._connection.client
        found = self._connection.find(client.get_model_version_by_alias, name, alias)
        return None if found is None else Version.of(found)

    def set_alias(self, name: str, alias: str, version: int) -> None:
        """Point an alias to a version.

        Raises:
            VersionNotFoundError: There is no such version.
        """
        self._find(name, version)
        client = self._connection.client
        self._call(client.set_registered_model_alias, name, alias, str(version))

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of a model, oldest first; none if there is no such model."""
        client = self._connection.client
        model = self._connection.find(client.get_registered_model, name)
        if model is None:
            return ()
        aliases: dict[int, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(int(number), []).append(alias)
        found: list[Version] = []
        token = None
        while True:
            page = self._call(client.search_model_versions, f"name='{name}'", page_token=token)
            found += [Version.of(one, aliases.get(int(one.version), ())) for one in page]
            token = page.token
            if not token:
                return tuple(sorted(found, key=lambda version: version.version))

    def tag(self, version: Version, key: str, value: str) -> None:
        """Set a tag of a version."""
        client = self._connection.client
        self._call(client.set_model_version_tag, version.name, str(version.version), key, value)

    def _find(self, name: str, version: int | str) -> Version:
        if isinstance(version, str) and not version.isdecimal():
            pointed_to = self.alias(name, version)
            if pointed_to is None:
                raise AliasNotSetError(name, version, self._numbers(name))
            return pointed_to
        client = self._connection.client
        found = self._connection.find(client.get_model_version, name, str(version))
        if found is None:
            raise VersionNotFoundError(name, version, self._numbers(name))
        return Version.of(found)

    def _numbers(self, name: str) -> tuple[int, ...]:
        return tuple(version.version for version in self.versions(name))

    def _fetch(self, version: Version, directory: Path, digest: str) -> None:
        """Fetch a version's files to a directory, which appears when all are there and right."""
        from mlflow.artifacts import download_artifacts

        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=directory.parent) as fetched:
            try:
                self._call(
                    download_artifacts,
                    artifact_uri=f"{version.location}/{ARTIFACT}",
                    dst_path=fetched,
                    tracking_uri=self.tracking_uri,
                )
            except RegistryError as error:
                raise FetchError(version.name, version.version, error) from error
            files = Path(fetched, ARTIFACT)
            Artifact.open(files, digest)
            if _is_whole(directory, digest):  # another process was faster
                return
            with suppress(FileNotFoundError):  # fetched before, and no longer what was logged
                directory.rename(Path(fetched, "damaged"))
            try:
                files.rename(directory)
            except OSError:
                if not _is_whole(directory, digest):
                    raise

    @cached_property
    def _own_cache(self) -> Path:
        """A directory that goes with this object."""
        directory = tempfile.mkdtemp(prefix="lockstep-")
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return Path(directory)

    # Logging

    def _create_run(self, pipeline: Pipeline, source: Snapshot, tags: Mapping[str, str]) -> Run:
        return self._call(
            self._connection.client.create_run,
            self._experiment(pipeline.name),
            run_name=f"{pipeline.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            tags={
                "mlflow.user": _user(),
                "mlflow.source.type": "LOCAL",
                "mlflow.source.name": source.module.replace(".", "/") + ".py",
                "mlflow.note.content": about(source),
                **tags,
            },
        )

    def _experiment(self, name: str) -> str:
        client = self._connection.client
        experiment = self._call(client.get_experiment_by_name, name)
        if experiment is not None:
            return str(experiment.experiment_id)
        root = self.artifact_root
        location = None if root is None else str(root.resolve() / name)
        return str(self._call(client.create_experiment, name, artifact_location=location))

    def _log_facts(
        self, run: Run, pipeline: Pipeline, source: Snapshot, evidence: Evidence, digest: str
    ) -> None:
        from mlflow.entities import Param

        client = self._connection.client
        found = parameters(pipeline, source, evidence.rows)
        params = [Param(name, value) for name, value in found.items()]
        for start in range(0, len(params), _BATCH):
            batch = params[start : start + _BATCH]
            self._call(client.log_batch, run.info.run_id, params=batch)
        self._call(
            client.log_inputs,
            run.info.run_id,
            datasets=[dataset(pipeline, evidence.rows, digest)],
        )

    def _log_model(
        self,
        run: Run,
        pipeline: Pipeline,
        source: Snapshot,
        evidence: Evidence,
        directory: Path,
    ) -> LoggedModel:
        """Store the files as an MLflow model, and its metrics with it."""
        from mlflow.entities import LoggedModelOutput, Metric
        from mlflow.models import Model

        client = self._connection.client
        run_id = run.info.run_id
        model = self._call(
            client.create_logged_model,
            run.info.experiment_id,
            name=pipeline.name,
            source_run_id=run_id,
            model_type="lockstep pipeline",
        )
        with _on_failure(lambda: client.finalize_logged_model(model.model_id, "FAILED")):
            save_mlmodel(
                directory / "model",
                directory / ARTIFACT,
                pipeline,
                source,
                evidence.golden.records,
                Model(model.artifact_location, run_id=run_id, model_id=model.model_id),
            )
            self._call(client.log_model_artifacts, model.model_id, str(directory / "model"))
            self._call(client.log_outputs, run_id, [LoggedModelOutput(model.model_id, step=0)])
            now = int(time.time() * 1000)
            metrics = [
                Metric(name, float(value), now, 0, model_id=model.model_id, run_id=run_id)
                for name, value in evidence.metrics.items()
            ]
            self._call(client.log_batch, run_id, metrics=metrics)
            return self._call(client.finalize_logged_model, model.model_id, "READY")

    def _register(
        self,
        pipeline: Pipeline,
        source: Snapshot,
        evidence: Evidence,
        run: Run,
        model: LoggedModel,
        tags: Mapping[str, str],
    ) -> Version:
        """Make the version: everything that it shows comes with this one step."""
        client = self._connection.client
        name, run_id = pipeline.name, run.info.run_id
        self._ensure_model(name, about(source))

        def create() -> ModelVersion:
            """Create it, unless an attempt before this one did so and only its answer was lost."""
            filter_ = f"name='{name}' and run_id='{run_id}'"
            for entity in client.search_model_versions(filter_):
                return entity
            return client.create_model_version(
                name,
                model.artifact_location,
                run_id,
                tags=dict(tags),
                description=describe(pipeline, source, evidence.rows, evidence.metrics),
                model_id=model.model_id,
            )

        version = Version.of(self._call(create))
        if not self._connection.is_remote:  # a server does this by itself
            links = json.dumps([{"name": name, "version": version.version}])
            tag = {"mlflow.modelVersions": links}
            self._call(client.set_logged_model_tags, model.model_id, tag)
        return version

    def _ensure_model(self, name: str, description: str) -> None:
        """Create the registered model where it is missing, and keep its description up to date."""
        client = self._connection.client
        known = self._connection.find(client.get_registered_model, name)
        if known is None:
            self._call(client.create_registered_model, name, description=description)
        elif known.description != description:
            self._call(client.update_registered_model, name, description=description)


def _check_source(pipeline: Pipeline, source: Snapshot) -> None:
    """Make sure that the source alone gives the columns that are about to be logged."""
    alone = source.load()
    columns = alone.graph.order
    unload(alone)
    if columns != pipeline.graph.order:
        differ = sorted(set(columns) ^ set(pipeline.graph.order)) or ["their order"]
        raise SnapshotError(
            f"The source of {source.module} does not define the columns of {pipeline.name} that "
            f"were fitted: {', '.join(differ[:10])}. Log a pipeline with its own snapshot."
        )


def _is_whole(directory: Path, digest: str) -> bool:
    """Whether a directory holds all files of a version, as they were logged."""
    try:
        Artifact.open(directory, digest)
    except ArtifactError:
        return False
    return True


def _manifest_digest(version: Version) -> str:
    digest = version.tags.get(MANIFEST_TAG)
    if digest is None:
        raise ArtifactError(
            f"Version {version.version} of {version.name} was not logged by Lockstep: it has no "
            f"tag {MANIFEST_TAG}. Use a version that `lockstep train` made."
        )
    return digest


@contextmanager
def _on_failure(mark: Callable[[], object]) -> Iterator[None]:
    """Mark what is half done as failed if anything fails before it is done."""
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the registry may be gone, and the first error tells more
            mark()
        raise


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return "unknown"
