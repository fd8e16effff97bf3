"""Faults online: what the server answers is not what the batch path gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.skew.faults import Fault
from benchmarks.skew.judged import Judged
from benchmarks.skew.site import NAME, Play, Scene, Site
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.predictors import Predictor
from lockstep.serving.proving import prove
from lockstep.serving.requestlog.segments import SEALED, digest
from lockstep.serving.scorer import Scorer

CHECKS = ("request_replay", "refusal")
OUTPUTS = ("late_probability", "boosted_late", "expected_delay", "will_be_late", "risk_band")

Change = Callable[[Array], Array]


def clean_replay(site: Site) -> Judged:
    """Answer records and replay them."""
    return site.replay(site.answer())


class Altered:
    """A predictor that gives other values than the one that it stands for.

    Args:
        plan: That one.
        change: What becomes of its values.
    """

    def __init__(self, plan: Predictor, change: Change) -> None:
        self._plan, self._change = plan, change

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's column, changed."""
        return {name: self._change(array) for name, array in self._plan(columns).items()}

    def matrix(self, columns: Columns) -> Array:
        """What the final estimator gets."""
        return self._plan.matrix(columns)


def answered_by(change: Change, model: str = "boosted_late") -> Play:
    """Have a server answer whose compiled plan of a model gives other values."""

    def play(site: Site) -> Judged:
        scorer = prove(site.load(1))
        plan = scorer.compiled.pipeline.bound[model]

        pipeline = scorer.compiled.pipeline.bind({model: Altered(plan, change)})
        compiled = replace(scorer.compiled, pipeline=pipeline)
        return site.replay(site.answer(replace(scorer, compiled=compiled)))

    return play


def answered_with(*edits: tuple[str, str]) -> Play:
    """Have a server answer that computes with other code than the version's."""

    def play(site: Site) -> Judged:
        loaded = site.load(1)
        pipeline = site.edited(*edits).with_models(loaded.pipeline.models_)
        other = replace(loaded, pipeline=pipeline)
        return site.replay(site.answer(Scorer.of(other, Compiled.of(pipeline))))

    return play


def _answered_by_another_version(site: Site) -> Judged:
    """A cache, or a process that did not notice, answers with the version before."""
    live, other = site.load(1), site.load(2)
    taken_for = replace(other, version=live.version, digest=live.digest)
    return site.replay(site.answer(Scorer.of(taken_for, Compiled.of(other.pipeline))))


def _segment_altered(site: Site) -> Judged:
    segment = site.answer()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    return site.replay(segment)


def _segment_cut(site: Site) -> Judged:
    segment = site.answer()
    segment.write_bytes(segment.read_bytes()[:-400])
    return site.replay(segment)


def _segment_resealed(site: Site) -> Judged:
    """A segment is cut, and named as if it had been sealed so."""
    segment = site.answer()
    data = segment.read_bytes()[:-400]
    again = segment.with_name(f"{segment.stem.rpartition('-')[0]}-{digest(data)}{SEALED}")
    segment.unlink()
    again.write_bytes(data)
    return site.replay(again)


def _files_replaced(site: Site) -> Judged:
    """The version that answered has other files since."""
    segment = site.answer()
    path: Path = site.files(1) / "models" / "boosted_late.skops"
    path.write_bytes((site.files(2) / "models" / "boosted_late.skops").read_bytes())
    return site.replay(segment)


def _few(values: Array) -> Array:
    return np.where(values > 0.35, values - 0.02, values)


def _online(
    name: str, story: str, where: tuple[str, ...], faulted: Play, *, blocks: bool = False
) -> Scene:
    return Scene(Fault(name, "online", story, where, CHECKS, blocks), faulted, clean_replay)


ONLINE_SCENES: tuple[Scene, ...] = (
    _online("plan_in_single_precision", "a compiled model answers in 32 bits", OUTPUTS,
            answered_by(lambda values: values.astype(np.float32).astype(np.float64))),
    _online("plan_off_at_some", "a compiled model is off where it is above 0.35", OUTPUTS,
            answered_by(_few)),
    _online("plan_off_by_a_row", "the answers of rows asked together are dealt anew", OUTPUTS,
            answered_by(lambda values: np.roll(values, 1))),
    _online("plan_of_the_batch", "a compiled model is centred by the rows asked together", OUTPUTS,
            answered_by(lambda values: np.clip(values - values.mean() + 0.2, 0, 1))),
    _online("linear_plan_off", "the compiled linear model is off by a thousandth",
            ("late_probability", "linear_late"),
            answered_by(lambda values: values * 1.001, "linear_late")),
    _online("plan_rounded", "a compiled model answers with three digits", OUTPUTS,
            answered_by(lambda values: values.round(3))),
    _online("answered_by_another_version", "another version answers than the one that is told",
            OUTPUTS, _answered_by_another_version),
    _online("server_of_other_code", "the server computes with another constant", OUTPUTS,
            answered_with(("_MAIN_RUNWAY = 30.0", "_MAIN_RUNWAY = 40.0"))),
    _online("server_by_the_clock", "the server counts plane_age to the year of its clock", OUTPUTS,
            answered_with(("import math\n", "import datetime\nimport math\n"),
                          ("return years - plane_year",
                           "return datetime.datetime.now().year - plane_year"))),
    _online("server_in_other_time", "the server begins the week on another day", OUTPUTS,
            answered_with(("return (departure_day + 3) % 7", "return (departure_day + 4) % 7"))),
    _online("server_fills_missing", "the server takes missing seats for none", OUTPUTS,
            answered_with(("_CLASS_NAMES[np.searchsorted(_SEATS, plane_seats, side=\"right\")]",
                           "_CLASS_NAMES[np.searchsorted(_SEATS, np.nan_to_num(plane_seats), "
                           "side=\"right\")]"))),
    _online("server_of_other_limits", "the server calls flights late from another limit",
            ("will_be_late",), answered_with(("LATE_FROM = 0.5", "LATE_FROM = 0.25"))),
    _online("segment_altered", "a bit of a segment is turned", ("segment", NAME, "sealed"),
            _segment_altered),
    _online("segment_cut", "a segment is cut", ("segment", "sealed"), _segment_cut),
    _online("segment_resealed", "a segment is cut and sealed anew", ("segment", "sealed"),
            _segment_resealed),
    _online("files_replaced", "the version that answered has other files since",
            ("boosted_late.skops",), _files_replaced),
)  # fmt: skip
