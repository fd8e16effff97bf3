"""Specifications of the checks: their meaning, and what to do when they fail.

Their texts are in `specs.toml` beside this file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from lockstep.checks import needs
from lockstep.checks.check_results import CheckResult
from lockstep.checks.needs import Need
from lockstep.project.declaration import PipelineAssets


@dataclass(frozen=True)
class Check:
    """One kind of check.

    Attributes:
        name: Its name on every asset that has it.
        meaning: What it looks at, and what a failure means.
        remedy: What to do when it fails. PIPELINE, DAY, COLUMN and KEY stand for those of the
            failure, and AGAIN for the command that makes the checked asset again.
        blocking: Whether its error stops the steps that follow.
        need: What a pipeline must declare to have it; None if every pipeline has it.
    """

    name: str
    meaning: str
    remedy: str
    blocking: bool = False
    need: Need | None = None


_SPECS = tomllib.loads((files(__package__) / "specs.toml").read_text(encoding="utf-8"))


def _check(name: str) -> Check:
    spec = _SPECS[name]
    meaning, remedy = (" ".join(spec[text].split()) for text in ("meaning", "remedy"))
    need: Need | None = getattr(needs, spec["need"].upper()) if "need" in spec else None
    return Check(name, meaning, remedy, spec.get("blocking", False), need)


DECODING = _check("decoding")
INPUT_SUITE = _check("input_suite")
INPUT_DRIFT = _check("input_drift")
SUDDEN_SHIFT = _check("sudden_shift")
CONSTRAINTS = _check("constraints")
RESTATED = _check("restated")
RESCORED = _check("rescored")
COMPUTATION = _check("computation")
FEATURE_SUITE = _check("feature_suite")
OUTPUT_SUITE = _check("output_suite")
ROW_LOCALITY = _check("row_locality")
LOOKUP_REFERENCE = _check("lookup_reference")
NO_FUTURE = _check("no_future")
FIT = _check("fit")
TRAINING_PARITY = _check("training_parity")
ROUND_TRIP = _check("round_trip")
WIRE_FORMATS = _check("wire_formats")
COMPILED_PARITY = _check("compiled_parity")
QUALITY = _check("quality")
BASELINE = _check("baseline")
CHAMPION_COMPARISON = _check("champion_comparison")
SLICES = _check("slices")
EVIDENCE = _check("evidence")
GOLDEN_REPLAY = _check("golden_replay")
CODE_PARITY = _check("code_parity")
ENVIRONMENT_PARITY = _check("environment_parity")
STALENESS = _check("staleness")
LIVE_VERSION = _check("live_version")
LIVE_AGE = _check("live_age")
REFERENCE_SAMPLE = _check("reference_sample")
PREDICTION_DRIFT = _check("prediction_drift")
ROW_CONSERVATION = _check("row_conservation")
SINKS = _check("sinks")
ARRIVAL = _check("arrival")
LIVE_QUALITY = _check("live_quality")
CALIBRATION = _check("calibration")
REQUEST_REPLAY = _check("request_replay")
LOOKUP_REPLAY = _check("lookup_replay")
LOOKUP_HINDSIGHT = _check("lookup_hindsight")
REQUEST_DRIFT = _check("request_drift")
DIGESTS = _check("digests")
TABLE_DELIVERY = _check("table_delivery")
TABLE = _check("table")
APPEND_ONLY = _check("append_only")
KNOWN_AFTER = _check("known_after")
TABLE_FRESHNESS = _check("table_freshness")

HISTORY_CHECKS = (TABLE_DELIVERY, DECODING, INPUT_SUITE)
TRAINING_SET_CHECKS = (FEATURE_SUITE, ROW_LOCALITY, LOOKUP_REFERENCE, NO_FUTURE)
CANDIDATE_CHECKS = (
    TRAINING_PARITY,
    FIT,
    ROW_LOCALITY,
    ROUND_TRIP,
    WIRE_FORMATS,
    COMPILED_PARITY,
    QUALITY,
    BASELINE,
    CHAMPION_COMPARISON,
    SLICES,
)
CHAMPION_CHECKS = (
    EVIDENCE,
    GOLDEN_REPLAY,
    COMPILED_PARITY,
    CODE_PARITY,
    ENVIRONMENT_PARITY,
    STALENESS,
)
BATCH_CHECKS = (
    LIVE_VERSION,
    LIVE_AGE,
    TABLE_DELIVERY,
    DECODING,
    INPUT_SUITE,
    INPUT_DRIFT,
    SUDDEN_SHIFT,
    CONSTRAINTS,
    RESTATED,
)
SCORED_CHECKS = (
    GOLDEN_REPLAY,
    ROW_LOCALITY,
    REFERENCE_SAMPLE,
    LOOKUP_REFERENCE,
    NO_FUTURE,
    TABLE_FRESHNESS,
    COMPUTATION,
    FEATURE_SUITE,
    OUTPUT_SUITE,
    PREDICTION_DRIFT,
    ROW_CONSERVATION,
    RESCORED,
    CODE_PARITY,
    ENVIRONMENT_PARITY,
)
PUBLISHED_CHECKS = (SINKS,)
OUTCOME_CHECKS = (ARRIVAL, LIVE_QUALITY, CALIBRATION)
REQUEST_CHECKS = (
    REQUEST_REPLAY,
    LOOKUP_REPLAY,
    LOOKUP_HINDSIGHT,
    TABLE_FRESHNESS,
    REQUEST_DRIFT,
)
AUDIT_CHECKS = (DIGESTS,)
TABLE_CHECKS = (TABLE, APPEND_ONLY, KNOWN_AFTER, TABLE_FRESHNESS)
CHECKS_BY_ASSET = {
    "table": TABLE_CHECKS,
    "history": HISTORY_CHECKS,
    "training_set": TRAINING_SET_CHECKS,
    "candidate": CANDIDATE_CHECKS,
    "champion": CHAMPION_CHECKS,
    "batch": BATCH_CHECKS,
    "scored": SCORED_CHECKS,
    "published": PUBLISHED_CHECKS,
    "outcomes": OUTCOME_CHECKS,
    "requests": REQUEST_CHECKS,
    "audit": AUDIT_CHECKS,
}
CHECKS = tuple(dict.fromkeys(check for checks in CHECKS_BY_ASSET.values() for check in checks))
"""Every kind of check there is."""
REMEDIES = {check.name: check.remedy for check in CHECKS}
"""What to do when a check fails, by its name."""


def declared_checks(declared: PipelineAssets, asset: str) -> tuple[Check, ...]:
    """The checks of an asset that can ever be judged for a pipeline.

    Args:
        declared: The pipeline.
        asset: One of `CHECKS_BY_ASSET`.
    """
    return tuple(
        check
        for check in CHECKS_BY_ASSET[asset]
        if check.need is None or check.need.is_met(declared)
    )


def others_not_judged(
    declared: PipelineAssets, asset: str, known: Mapping[str, CheckResult]
) -> dict[str, CheckResult]:
    """Complete the results of an asset's checks: the others are not judged.

    Args:
        declared: The pipeline.
        asset: One of `CHECKS_BY_ASSET`.
        known: Results by name of the check, with at least one error.
    """
    failed = " and ".join(name for name, result in known.items() if result.is_error)
    lacking = CheckResult.not_judged(f"There is nothing to look at: {failed} failed.")
    results = {check.name: known.get(check.name, lacking) for check in CHECKS_BY_ASSET[asset]}
    return worth_telling(declared, asset, results)


def worth_telling(
    declared: PipelineAssets, asset: str, results: Mapping[str, CheckResult]
) -> dict[str, CheckResult]:
    """Results without the checks that the pipeline does not declare and that were not judged.

    A check that the pipeline does not declare may be judged: a version is checked as it was
    declared when it was fitted.
    """
    names = {check.name for check in declared_checks(declared, asset)}
    return {name: result for name, result in results.items() if result.judged or name in names}
