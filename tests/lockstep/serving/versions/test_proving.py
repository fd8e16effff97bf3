"""A version serves only what it has computed in this process as it did at the fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.checks.comparisons import check_compiled
from lockstep.columns.compiled.predictor import Compiled
from lockstep.columns.kinds import Array, Columns
from lockstep.columns.nodes import Predictor
from lockstep.errors import UnprovenError
from lockstep.serving.versions.proving import prove


class Off:
    """A predictor that is off by a hundredth where it is asked about so many rows.

    Args:
        predictor: What it asks.
        alone: Whether it is off about one row, or about several.
    """

    def __init__(self, predictor: Predictor, *, alone: bool) -> None:
        self.predictor, self.alone = predictor, alone

    def __call__(self, columns: Columns, /) -> Columns:
        found = self.predictor(columns)
        is_alone = len(next(iter(columns.values()))) == 1
        return {
            name: values + 0.01 if is_alone == self.alone else values
            for name, values in found.items()
        }

    def matrix(self, columns: Columns, /) -> Array:
        return self.predictor.matrix(columns)


def off(bound: Any, *, alone: bool) -> dict[str, Off]:
    return {name: Off(predictor, alone=alone) for name, predictor in bound.items()}


@pytest.fixture
def version(loaded: LoadedVersion) -> LoadedVersion:
    """Opened once, and not compiled yet."""
    return replace(loaded)


def test_compiled_predictors_serve_that_agree(version: LoadedVersion) -> None:
    assert prove(version).compiled.models == tuple(version.pipeline.graph.models)


@pytest.mark.parametrize("alone", [True, False])
def test_the_reference_serves_where_compiled_predictors_differ(
    version: LoadedVersion, alone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = version.compiled
    wrong = compiled.pipeline.bind(off(compiled.pipeline.bound, alone=alone))
    monkeypatch.setitem(vars(version), "compiled_forms", replace(compiled, pipeline=wrong))
    scorer = prove(version)
    assert scorer.compiled.models == ()
    assert scorer.pipeline.bound == version.pipeline.bound


def test_a_form_that_differed_at_the_fit_is_used_nowhere_and_is_a_warning(
    version: LoadedVersion,
) -> None:
    name, *others = version.compiled.models
    known = replace(version, differing={name: "column `x` differs in 1 of 8 rows"})
    reference = version.pipeline.bound[name]
    for pipeline in (known.compiled.pipeline, prove(known).pipeline):
        assert pipeline.bound[name] is reference
    found = check_compiled(known)
    assert (found.result, found.column, found.numbers["compiled"]) == ("warned", name, len(others))
    assert "column `x` differs in 1 of 8 rows" in found.summary


def test_where_it_was_fitted_the_forms_are_not_compared_anew_for_a_batch(
    version: LoadedVersion,
) -> None:
    assert version.differing == {}
    assert version.compiled.pipeline.bound != version.pipeline.bound
    assert "agreement" not in vars(version)


@pytest.mark.parametrize("other", ["environment", "framework", "differing"])
def test_a_batch_elsewhere_than_at_the_fit_uses_no_form_that_differs_there(
    version: LoadedVersion, other: str
) -> None:
    """As does one of a version of before, of which it is not known what the fit found."""
    elsewhere = replace(version.environment, processor="another")
    others: dict[str, Any] = {"environment": elsewhere, "framework": "", "differing": None}
    there = replace(version, **{other: others[other]})
    name, *_ = version.compiled.models
    wrong = version.compiled.pipeline.bind(
        {name: Off(version.compiled.pipeline.bound[name], alone=False)}
    )
    vars(there)["compiled_forms"] = replace(version.compiled, pipeline=wrong)
    assert there.compiled.pipeline.bound[name] is version.pipeline.bound[name]
    assert check_compiled(there).result == "warned"


@pytest.mark.parametrize("alone", [True, False])
def test_a_version_is_refused_whose_reference_differs_and_would_serve(
    version: LoadedVersion, alone: bool
) -> None:
    wrong = version.pipeline.bind(off(version.pipeline.bound, alone=alone))
    assert Compiled.of(wrong).models == ()  # none is a model of scikit-learn alone
    with pytest.raises(UnprovenError, match="does not give the golden records in this process"):
        prove(replace(version, pipeline=wrong))
