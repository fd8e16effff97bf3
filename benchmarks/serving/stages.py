"""The compute path by itself: what a request costs from its text to that of its answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import pyperf

from benchmarks.serving.setting import PIPELINE, flights, live_version, texts
from lockstep.columns.decode import decode
from lockstep.columns.kinds import Columns
from lockstep.project.home import Home
from lockstep.rules.row_rules import part
from lockstep.serving.protocols.content import Content
from lockstep.serving.protocols.invocations import predictions, records_of
from lockstep.serving.protocols.json_bodies import ReadOptions
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.request_rows import Record
from lockstep.serving.versions.request_scorer import Answer, Scored, Scorer
from lockstep.serving.versions.served_tables import ServedTables

TOGETHER = (1, 32)
"""How many requests of one record each are computed at once."""
STAGES = ("parse", "decode", "rules", "features", "models", "score", "encode")
WHOLE = ("parse", "score", "encode")
"""The stages that make up a request; `score` is those from decoding to models, as it does them."""


@dataclass(frozen=True)
class Stages:
    """The stages of the compute path.

    Attributes:
        scorer: What answers.
    """

    scorer: Scorer

    @classmethod
    def of(cls, home: Home) -> Stages:
        """Those of the version that is live in a home, compiled where it can be."""
        loaded = live_version(home)
        tables = ServedTables(home.data / PIPELINE).of(loaded.pipeline)
        return cls(prove(loaded, tables=tables))

    @cached_property
    def reading(self) -> ReadOptions:
        """How requests are read."""
        return ReadOptions(self.scorer.pipeline.record_schema, most=10_000)

    def parse(self, batch: Batch) -> object:
        """Records out of the texts of requests."""
        return [records_of(body, Content.JSON, self.reading) for body in batch.bodies]

    def decode(self, batch: Batch) -> object:
        """Columns out of records."""
        return decode(batch.records, self.scorer.pipeline.record_schema)

    def rules(self, batch: Batch) -> object:
        """Which rows are refused, for their fields, features or outputs."""
        refused = self.scorer.rules.apply(batch.columns)
        return refused, part(batch.computed, self.scorer.computed_rules)

    def features(self, batch: Batch) -> Columns:
        """The columns that need no model, be they looked up, and that outputs or a rule need."""
        return self.scorer.pipeline.evaluate(batch.columns, self.needed)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """Names of those columns."""
        graph, wanted = self.scorer.pipeline.graph, self.scorer.wanted
        needed = {*wanted, *chain.from_iterable(map(graph.ancestors, wanted))}
        return tuple(name for name in graph.model_free if name in needed)

    def models(self, batch: Batch) -> Columns:
        """The models, and the columns that are computed from theirs."""
        return self.scorer.pipeline.evaluate(batch.known, self.scorer.wanted)

    def score(self, batch: Batch) -> object:
        """Answers out of records; a single one has a way of its own."""
        return self.scorer.answer([[record] for record in batch.records])

    def encode(self, batch: Batch) -> object:
        """The texts of answers, one row each."""
        version, scored = self.scorer.loaded.version, Scored(self.scorer.names, batch.computed)
        return [
            predictions(Answer(version, scored, [0], (), 1, row))
            for row in range(len(batch.records))
        ]


@dataclass(frozen=True)
class Batch:
    """Some requests in every form that a stage takes.

    Attributes:
        bodies: Their texts.
        records: The record of each.
        columns: All of them, decoded.
        known: These and their features.
        computed: These and all that is computed of them.
    """

    bodies: list[bytes]
    records: list[Record]
    columns: Columns
    known: Columns
    computed: Columns


def batches(stages: Stages, together: int, count: int) -> Iterator[Batch]:
    """Different requests.

    Args:
        stages: What computes.
        together: How many are in a batch.
        count: How many batches.
    """
    scorer = stages.scorer
    bodies = [text.encode() for text in texts(flights(together * count))]
    for first in range(0, together * count, together):
        some = bodies[first : first + together]
        requests = [records_of(body, Content.JSON, stages.reading) for body in some]
        records = [record for request in requests for record in request]
        columns = decode(records, scorer.pipeline.record_schema).columns
        batch = Batch(some, records, columns, columns, columns)
        batch = replace(batch, known=stages.features(batch))
        yield replace(batch, computed=stages.models(batch))


def microseconds(suite: pyperf.BenchmarkSuite) -> dict[int, dict[str, float]]:
    """The median of each stage a record, by number of requests that are computed together."""
    return {
        together: {
            stage: suite.get_benchmark(f"{stage} of {together}").median() / together * 1e6
            for stage in STAGES
        }
        for together in TOGETHER
    }


def stage_of(stages: Stages, name: str) -> Callable[[Batch], object]:
    """A stage by its name."""
    stage: Callable[[Batch], object] = getattr(stages, name)
    return stage
