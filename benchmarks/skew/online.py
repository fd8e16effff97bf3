"""Faults online: what the server answers is not what the batch path gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from benchmarks.skew.code import Edit, imported, written
from benchmarks.skew.faults import Judged
from benchmarks.skew.site import NAME, Play, Scene, Site, scene
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Predictor
from lockstep.serving.requestlog.log_segments import SEALED, digest
from lockstep.serving.versions.proving import prove
from lockstep.serving.versions.request_scorer import Scorer

Change = Callable[[Array], Array]


class Altered:
    """A predictor that gives other values than the one that it stands for."""

    def __init__(self, plan: Predictor, change: Change) -> None:
        self._plan, self._change = plan, change

    def __call__(self, columns: Columns, /) -> Columns:
        """The model's column, changed."""
        return {name: self._change(array) for name, array in self._plan(columns).items()}

    def matrix(self, columns: Columns) -> Array:
        """What the final estimator gets."""
        return self._plan.matrix(columns)


def _by(change: Change, model: str = "boosted_late") -> Play:
    """Have a server answer whose compiled plan of a model gives other values."""

    def play(site: Site) -> Judged:
        loaded = site.load(1)
        scorer = prove(loaded, tables=site.tables(loaded.pipeline))
        plan = cast("Predictor", scorer.compiled.pipeline.bound[model])
        bound = {model: Altered(plan, change)}
        compiled = replace(scorer.compiled, pipeline=scorer.compiled.pipeline.bind(bound))
        return site.replay(site.answer(replace(scorer, compiled=compiled)))

    return play


def _with(*edits: Edit) -> Play:
    """Have a server answer that computes with other code than the version's."""

    def play(site: Site) -> Judged:
        loaded = site.load(1)
        edited = site.edited(*edits).platform.declared.pipeline
        pipeline = edited.with_models(loaded.pipeline.models_)
        taken_for, tables = replace(loaded, pipeline=pipeline), site.tables(pipeline)
        return site.replay(site.answer(Scorer.of(taken_for, Compiled.of(pipeline), tables=tables)))

    return play


def _by_another_version(site: Site) -> Judged:
    """A cache, or a process that did not notice, answers with the version before."""
    live, other = site.load(1), site.load(2)
    taken_for = replace(other, version=live.version, digest=live.digest)
    compiled, tables = Compiled.of(other.pipeline), site.tables(other.pipeline)
    return site.replay(site.answer(Scorer.of(taken_for, compiled, tables=tables)))


def _segment(change: Callable[[bytes], bytes], *, sealed: bool = False) -> Play:
    """Replay a segment whose bytes have changed, and that is named for them if it is sealed."""

    def play(site: Site) -> Judged:
        segment = site.answer()
        data = change(segment.read_bytes())
        again = segment.with_name(f"{segment.stem.rpartition('-')[0]}-{digest(data)}{SEALED}")
        segment.write_bytes(data)
        return site.replay(segment.rename(again) if sealed else segment)

    return play


def _bit_turned(data: bytes) -> bytes:
    half = len(data) // 2
    return data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]


def _files_replaced(site: Site) -> Judged:
    """The version that answered has other files since."""
    segment = site.answer()
    one, other = (site.files(number) / "models" / "boosted_late.skops" for number in (1, 2))
    one.write_bytes(other.read_bytes())
    return site.replay(segment)


CHECKS = ("request_replay", "lookup_replay", "refusal")
_OUTPUTS = "late_probability boosted_late expected_delay will_be_late risk_band"
_online = partial(scene, "online", CHECKS, Site.replay, blocks=False)
ONLINE_SCENES: tuple[Scene, ...] = (
    _online("plan_in_single_precision", "a compiled model answers in 32 bits", _OUTPUTS,
            _by(lambda values: values.astype(np.float32).astype(np.float64))),
    _online("plan_off_at_some", "a compiled model is off where it is above 0.35", _OUTPUTS,
            _by(lambda values: np.where(values > 0.35, values - 0.02, values))),
    _online("plan_off_by_a_row", "the answers of rows asked together are dealt anew", _OUTPUTS,
            _by(lambda values: np.roll(values, 1))),
    _online("plan_of_the_batch", "a compiled model is centred by the rows asked together", _OUTPUTS,
            _by(lambda values: np.clip(values - values.mean() + 0.2, 0, 1))),
    _online("server_asks_as_of_before", "the server looks up the weather of an hour before",
            f"{_OUTPUTS} weather_temp weather",
            _with(("return Asked(origin, as_of=scheduled_at)",
                   "return Asked(origin, as_of=scheduled_at - np.timedelta64(1, 'h'))"))),
    _online("linear_plan_off", "the compiled linear model is off by a thousandth",
            "late_probability linear_late", _by(lambda values: values * 1.001, "linear_late")),
    _online("plan_rounded", "a compiled model answers with three digits", _OUTPUTS,
            _by(lambda values: values.round(3))),
    _online("answered_by_another_version", "another version answers than the one that is told",
            _OUTPUTS, _by_another_version),
    _online("server_of_other_code", "the server computes with another constant", _OUTPUTS,
            _with(("_MAIN_RUNWAY = 30.0", "_MAIN_RUNWAY = 40.0"))),
    _online("server_by_the_clock", "the server counts plane_age to the year of its clock", _OUTPUTS,
            _with(imported("datetime"),
                  written("plane_age", "return datetime.datetime.now().year - aircraft_year"))),
    _online("server_in_other_time", "the server begins the week on another day", _OUTPUTS,
            _with(("return (departure_day + 3) % 7", "return (departure_day + 4) % 7"))),
    _online("server_fills_missing", "the server takes missing seats for none", _OUTPUTS,
            _with(("np.searchsorted(_SEATS, aircraft_seats,",
                   "np.searchsorted(_SEATS, np.nan_to_num(aircraft_seats),"))),
    _online("server_of_other_limits", "the server calls flights late from another limit",
            "will_be_late", _with(("LATE_FROM = 0.5", "LATE_FROM = 0.25"))),
    _online("segment_altered", "a bit of a segment is turned", f"segment {NAME} sealed",
            _segment(_bit_turned)),
    _online("segment_cut", "a segment is cut", "segment sealed", _segment(lambda one: one[:-400])),
    _online("segment_resealed", "a segment is cut and sealed anew", "segment sealed",
            _segment(lambda one: one[:-400], sealed=True)),
    _online("files_replaced", "the version that answered has other files since",
            "boosted_late.skops", _files_replaced),
)  # fmt: skip
