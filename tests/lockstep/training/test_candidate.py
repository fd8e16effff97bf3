"""Training is one function: from a history to a registered version, or to why there is none."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from assets.orders import ASSETS, history
from lockstep.checks.specs import CANDIDATE_CHECKS, HISTORY_CHECKS, TRAINING_SET_CHECKS
from lockstep.columns.errors import FitError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.project.sources import FunctionSource
from lockstep.registry.versions import MANIFEST_TAG
from lockstep.training.candidate import FAILED_CHECKS, Trained, train


def trained(workplace, declared: PipelineAssets = ASSETS) -> Trained:
    return train(declared, workplace.store, workplace.registry)


def with_history(change: Callable[[pd.DataFrame], pd.DataFrame]) -> PipelineAssets:
    """The pipeline of orders with another history."""
    return replace(ASSETS, history=FunctionSource(lambda: change(history())))


def tags(workplace, version: int) -> dict[str, str]:
    (found,) = (one for one in workplace.registry.versions("orders") if one.version == version)
    return dict(found.tags)


def test_a_sound_history_gives_a_registered_version_and_a_result_of_every_check(workplace) -> None:
    found = trained(workplace)
    assert found.candidate is not None
    assert workplace.registry.load("orders", found.candidate.version.version).rows == 1800
    assert set(found.results) == {
        check.name for check in (*HISTORY_CHECKS, *TRAINING_SET_CHECKS, *CANDIDATE_CHECKS)
    }


def test_a_version_is_tagged_with_its_checks_that_are_in_error(workplace) -> None:
    too_much = replace(ASSETS, quality=(Quality("risk", "came_back", "auc", threshold=0.999),))
    found = trained(workplace, too_much).candidate
    assert tags(workplace, found.version.version)[FAILED_CHECKS] == "quality"
    assert FAILED_CHECKS not in tags(workplace, 1)


def register_copy(workplace, folder: Path, damage: Callable[[Path], object]) -> None:
    """Make a changed copy of the version's files version 2, and the champion."""
    (version,) = workplace.registry.versions("orders")
    copy = shutil.copytree(version.location, folder)
    damage(copy / "lockstep")
    manifest = (copy / "lockstep" / "manifest.json").read_bytes()
    tag = {MANIFEST_TAG: hashlib.sha256(manifest).hexdigest()}
    workplace.registry._connection.client.create_model_version("orders", str(copy), tags=tag)
    workplace.registry.set_alias("orders", "champion", 2)


def age(files: Path) -> None:
    manifest = files / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 2', '"format": 1'))


def cut_off(files: Path) -> None:
    model = files / "models" / "return_probability.skops"
    model.write_bytes(model.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "said"),
    [(age, "train again: lockstep train orders."), (cut_off, "return_probability.skops is not")],
)
def test_a_champion_that_cannot_be_loaded_does_not_keep_its_successor_from_being_trained(
    workplace, tmp_path, damage, said
) -> None:
    register_copy(workplace, tmp_path / "old", damage)
    found = trained(workplace)
    result = found.results["champion_comparison"]
    assert (result.passed, result.is_error) == (False, False)
    assert said in result.summary
    assert found.candidate.version.version == 3
    assert FAILED_CHECKS not in tags(workplace, 3)


def test_a_history_half_of_which_repeats_keys_is_an_error_that_names_the_key(workplace) -> None:
    twice = with_history(lambda frame: pd.concat([frame, frame], ignore_index=True))
    found = trained(workplace, twice)
    result = found.results["input_suite"]
    assert (result.is_error, result.column, found.candidate) == (True, "order_id", None)
    assert "1800 of 3600 rows repeat the order_id of an earlier row" in result.summary
    assert "Declare as Key a column that no two rows share" in result.summary


def test_a_few_repeated_keys_are_a_warning(workplace) -> None:
    found = trained(workplace, with_history(lambda frame: pd.concat([frame, frame.head(5)])))
    result = found.results["input_suite"]
    assert (result.passed, result.is_error) == (False, False)
    assert found.candidate is not None


def test_three_rows_of_history_are_told_to_be_too_few(workplace) -> None:
    with pytest.raises(FitError, match=r"orders: the history has 3 rows .* and it takes 20"):
        trained(workplace, with_history(lambda frame: frame.head(3)))


def test_a_history_of_one_time_is_parted_by_keys(workplace) -> None:
    at_once = with_history(lambda frame: frame.assign(sent_at=frame["sent_at"].iloc[0]))
    assert trained(workplace, at_once).candidate is not None
