"""Runs give what they publish to sinks; one that is down fails a check until a later run."""

from collections.abc import Mapping
from dataclasses import replace

import dagster as dg
from pyarrow.parquet import read_metadata

from lockstep.checks.streams import streams
from lockstep.cli.recorded_checks import recorded_checks
from lockstep.dagster.scoring import scoring_assets
from lockstep.project.declaration import PipelineAssets
from tests.fixtures.orders import Workplace
from tests.lockstep.checks.test_handovers import ListedSink

DAY, NEXT = "2020-03-01", "2020-03-02"
PUBLISHED = dg.AssetKey(["orders", "daily", "published"])


def score(place: Workplace, declared: PipelineAssets, day: str) -> dg.ExecuteInProcessResult:
    (stream,) = (stream for stream in streams(declared) if stream.name == "daily")
    return dg.materialize(
        scoring_assets(declared, stream),
        instance=place.instance,
        partition_key=day,
        resources={"home": place.home, "registry": place.registry},
    )


def sink_results(place: Workplace, declared: PipelineAssets) -> Mapping[str | None, str]:
    """What `lockstep checks` says of the sinks."""
    reports = recorded_checks(declared, place.store)
    return {report.partition: report.result for report in reports if report.check == "sinks"}


def test_the_next_run_hands_over_what_a_sink_that_was_down_lacks(live: Workplace) -> None:
    sink = ListedSink(is_up=False)
    declared = replace(live.declared, sinks=[sink])
    run = score(live, declared, DAY)
    assert run.success
    assert live.records().demand(DAY)
    (evaluation,) = (
        check for check in run.get_asset_check_evaluations() if check.check_name == "sinks"
    )
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert sink_results(live, declared) == {DAY: "failed"}

    sink.is_up = True
    score(live, declared, NEXT)
    assert [published.partition for published in sink.kept] == [DAY, NEXT]
    assert [read_metadata(published.file).num_rows for published in sink.kept] == [120, 120]
    assert sink_results(live, declared) == {NEXT: "passed"}
    key = dg.AssetCheckKey(PUBLISHED, "sinks")
    history = live.instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    shown = {
        record.evaluation.partition: record.evaluation.passed
        for record in reversed(history)
        if isinstance(record.evaluation, dg.AssetCheckEvaluation)
    }
    assert shown == {DAY: True, NEXT: True}

    for day, is_up in ((DAY, False), (NEXT, True)):  # a second evaluation of the day breaks no run
        sink.is_up = is_up
        assert score(live, declared, day).success
    assert [published.partition for published in sink.kept] == [DAY, NEXT, DAY, NEXT]
    assert sink_results(live, declared) == {NEXT: "passed"}


def test_a_pipeline_without_sinks_has_no_such_check(live: Workplace) -> None:
    (stream,) = (stream for stream in streams(live.declared) if stream.name == "daily")
    keys = {key for asset in scoring_assets(live.declared, stream) for key in asset.check_keys}
    assert "sinks" not in {key.name for key in keys}
