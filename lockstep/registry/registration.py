"""Registration: a fitted pipeline logged in a run of its own, and made the next version."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.artifacts.artifact_writing import write_artifact
from lockstep.artifacts.evidence import Evidence
from lockstep.artifacts.snapshot import Snapshot, unload
from lockstep.columns.pipeline import Pipeline
from lockstep.errors import NotFittedError, SnapshotError
from lockstep.registry.connection import Connection
from lockstep.registry.databases import location
from lockstep.registry.description import (
    Presentation,
    about,
    dataset,
    description,
    model_card,
    parameters,
)
from lockstep.registry.known_versions import KnownVersions
from lockstep.registry.mlmodel import ARTIFACT, save_mlmodel
from lockstep.registry.sites import user
from lockstep.registry.surroundings import SURROUNDINGS, surroundings_tag
from lockstep.registry.versions import MANIFEST_TAG, Version, runs_page

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion

_MODEL = "model"
"""Name of the folder in which an MLflow model is written before it is stored."""
_BATCH = 100
"""Most parameters that MLflow takes at once."""
_one_at_a_time = threading.Lock()
"""Held while a version is logged: MLflow passes a model from code through a global variable."""


@dataclass(frozen=True)
class Registration:
    """A fitted pipeline that is about to become a version."""

    connection: Connection
    pipeline: Pipeline
    source: Snapshot
    evidence: Evidence
    shown: Presentation
    trusted: tuple[str, ...] = ()  # further types that its models may hold
    page: str | None = None  # address of the page for all pipelines
    known: KnownVersions | None = None

    def carry_out(self) -> Version:
        """Log and register it; see `Registry.log`."""
        self._check()
        with _one_at_a_time, tempfile.TemporaryDirectory(prefix="lockstep-") as directory:
            folder = Path(directory, ARTIFACT)
            digest = write_artifact(folder, self.pipeline, self.source, self.evidence, self.trusted)
            labels = {
                MANIFEST_TAG: digest,
                "trained_by": user(),
                "rows": str(self.evidence.rows),
                **self.shown.tags,
            }
            run = self._create_run(labels)
            run_id, client = run.info.run_id, self.connection.client
            with _on_failure(lambda: client.set_terminated(run_id, "FAILED")):
                self._log_facts(run, digest)
                for title, figure in self.shown.plots.items():
                    self.connection.call(client.log_figure, run_id, figure, f"plots/{title}.png")
                card = self._card(run)
                self.connection.call(client.log_text, run_id, card, "model_card.md")
                model = self._log_model(run, Path(directory))
                self.connection.call(client.set_terminated, run_id, "FINISHED")
                around = surroundings_tag(Path(directory, _MODEL), self.pipeline.name, digest)
                return self._make_version(run, model, {**labels, SURROUNDINGS: around}, card)

    def _check(self) -> None:
        """Check that the source alone defines the columns, and that numbers can be told apart."""
        if self.known is not None:
            self.known.refusals()  # a damaged file is told before there is a version
        pipeline, source = self.pipeline, self.source
        if not pipeline.is_fitted:
            raise NotFittedError(f"{pipeline.name} is not fitted: call fit(history) before log().")
        alone = source.load()
        columns = alone.graph.order
        unload(alone)
        if columns != pipeline.graph.order:
            differ = sorted(set(columns) ^ set(pipeline.graph.order)) or ["their order"]
            raise SnapshotError(
                f"The source of {source.module} does not define the columns of {pipeline.name} "
                f"that were fitted: {', '.join(differ[:10])}. Log a pipeline with its own snapshot."
            )

    def _card(self, run: Run) -> str:
        experiment = run.info.experiment_id
        links = {"Run": runs_page(experiment, run.info.run_id), "All runs": runs_page(experiment)}
        if self.page is not None:
            links["All pipelines"] = self.page
        return model_card(self.pipeline, self.source, self.evidence.rows, self.shown, links)

    def _create_run(self, tags: Mapping[str, str]) -> Run:
        return self.connection.call(
            self.connection.client.create_run,
            self._experiment(),
            run_name=f"{self.pipeline.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            tags={
                "mlflow.user": user(),
                "mlflow.source.type": "LOCAL",
                "mlflow.source.name": self.source.module.replace(".", "/") + ".py",
                "mlflow.note.content": about(self.source),
                **tags,
            },
        )

    def _experiment(self) -> str:
        client, name = self.connection.client, self.pipeline.name
        root = self.connection.artifact_root
        place = location(root / name) if root is not None else None

        def create() -> str:
            """Create it, unless there is one: also by an attempt whose answer was lost."""
            known = client.get_experiment_by_name(name)
            if known is not None:
                return str(known.experiment_id)
            return str(client.create_experiment(name, artifact_location=place))

        return self.connection.call(create)

    def _log_facts(self, run: Run, digest: str) -> None:
        """Log parameters, and the training set."""
        from mlflow.entities import Param

        client, rows = self.connection.client, self.evidence.rows
        facts = parameters(self.pipeline, self.source, rows)
        params = [Param(name, value) for name, value in facts.items()]
        for start in range(0, len(params), _BATCH):
            batch = params[start : start + _BATCH]
            self.connection.call(client.log_batch, run.info.run_id, params=batch)
        datasets = [dataset(self.pipeline, rows, digest)]
        self.connection.call(client.log_inputs, run.info.run_id, datasets=datasets)

    def _log_model(self, run: Run, directory: Path) -> LoggedModel:
        """Store the files as an MLflow model, and its metrics with it."""
        from mlflow.entities import LoggedModelOutput, Metric
        from mlflow.models import Model

        client, call = self.connection.client, self.connection.call
        run_id = run.info.run_id
        model = call(
            client.create_logged_model,
            run.info.experiment_id,
            name=self.pipeline.name,
            source_run_id=run_id,
            model_type="lockstep pipeline",
        )

        def log_output() -> None:
            """Log that the run made the model, unless an attempt did whose answer was lost."""
            outputs = client.get_run(run_id).outputs
            made = outputs.model_outputs if outputs is not None else []
            if model.model_id not in (output.model_id for output in made):
                client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])

        with _on_failure(lambda: client.finalize_logged_model(model.model_id, "FAILED")):
            save_mlmodel(
                directory / _MODEL,
                directory / ARTIFACT,
                self.pipeline,
                self.source,
                self.evidence.golden.trace.columns,
                Model(model.artifact_location, run_id=run_id, model_id=model.model_id),
            )
            call(client.log_model_artifacts, model.model_id, str(directory / _MODEL))
            call(log_output)
            now = int(time.time() * 1000)
            metrics = [
                Metric(name, float(value), now, 0, model_id=model.model_id, run_id=run_id)
                for name, value in {**self.shown.metrics, **self.evidence.metrics}.items()
            ]
            call(client.log_batch, run_id, metrics=metrics)
            return call(client.finalize_logged_model, model.model_id, "READY")

    def _make_version(
        self, run: Run, model: LoggedModel, tags: Mapping[str, str], card: str
    ) -> Version:
        """Make the version, complete in a single step.

        A registry that was restored from an older copy gives a number anew that the home knows as
        another version's: then the next number is taken.
        """
        client = self.connection.client
        name, run_id = self.pipeline.name, run.info.run_id
        self._ensure_model(about(self.source))

        def create() -> ModelVersion:
            """Create it, unless an earlier attempt did so and only its answer was lost."""
            filter_ = f"name='{name}' and run_id='{run_id}'"
            for entity in client.search_model_versions(filter_):
                return entity
            return client.create_model_version(
                name,
                model.artifact_location,
                run_id,
                tags=dict(tags),
                description=description(card),
                model_id=model.model_id,
            )

        version = Version.of(self.connection.call(create))
        while self.known is not None and not self.known.is_free(version.version, version.digest):
            self.connection.find(client.delete_model_version, name, str(version.version))
            version = Version.of(self.connection.call(create))
        if self.known is not None:
            self.known.demand(version.version, version.digest)
        if not self.connection.is_remote:  # a server does this by itself
            links = json.dumps([{"name": name, "version": version.version}])
            tag = {"mlflow.modelVersions": links}
            self.connection.call(client.set_logged_model_tags, model.model_id, tag)
        return version

    def _ensure_model(self, description: str) -> None:
        """Create the registered model if it is missing, and update its description."""
        client, name = self.connection.client, self.pipeline.name

        def create() -> None:
            """Create it, unless there is one: also by an attempt whose answer was lost."""
            known = self.connection.find(client.get_registered_model, name)
            if known is None:
                client.create_registered_model(name, description=description)
            elif known.description != description:
                client.update_registered_model(name, description=description)

        self.connection.call(create)


@contextmanager
def _on_failure(mark: Callable[[], object]) -> Iterator[None]:
    """Mark unfinished work as failed if anything fails."""
    try:
        yield
    except BaseException:
        with suppress(Exception):  # the registry may be gone, and the first error says more
            mark()
        raise
