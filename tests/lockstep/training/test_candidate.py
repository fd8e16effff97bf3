"""Training is one function: from a history to a registered version, or to why there is none."""

import hashlib
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from assets.orders import ASSETS, history
from lockstep.checks.specs import declared_checks
from lockstep.checks.streams import CANDIDATE, training_records
from lockstep.errors import BlockedError, DamagedError, FitError, SuiteError
from lockstep.project.declaration import PipelineAssets
from lockstep.project.quality import Quality
from lockstep.project.sources import FunctionSource
from lockstep.registry.version_tags import read_evidence
from lockstep.registry.versions import MANIFEST_TAG, Version
from lockstep.training.candidate import Trained, fit_candidate, train
from lockstep.training.holdout import Evaluation
from lockstep.training.model_card import shown
from lockstep.training.training_set import compute_training_set
from tests.fixtures.orders import Workplace, copied_workplace


def trained(workplace, declared: PipelineAssets = ASSETS) -> Trained:
    return train(declared, workplace.store, workplace.registry)


def with_history(change: Callable[[pd.DataFrame], pd.DataFrame]) -> PipelineAssets:
    """The pipeline of orders with another history."""
    return replace(ASSETS, history=FunctionSource(lambda: change(history())))


def version_of(workplace, number: int) -> Version:
    (found,) = (one for one in workplace.registry.versions("orders") if one.version == number)
    return found


def versions(workplace) -> list[int]:
    return [one.version for one in workplace.registry.versions("orders")]


def register_older(workplace, folder: Path) -> None:
    """Make a copy of the version, as an older Lockstep wrote it, version 2 and the champion."""
    (version,) = workplace.registry.versions("orders")
    copy = shutil.copytree(version.location, folder)
    manifest = copy / "lockstep" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format": 4', '"format": 1'))
    tag = {MANIFEST_TAG: hashlib.sha256(manifest.read_bytes()).hexdigest()}
    workplace.registry._connection.client.create_model_version("orders", str(copy), tags=tag)
    workplace.registry.set_alias("orders", "champion", 2)


TOO_MUCH = replace(ASSETS, quality=(Quality("risk", "came_back", "auc", threshold=0.999),))


@pytest.fixture(scope="module")
def successor(
    trained_home: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Workplace, Trained]:
    """A version with too much demanded, trained beside a champion that cannot be loaded."""
    folder = tmp_path_factory.mktemp("successor")
    with (
        pytest.MonkeyPatch.context() as patch,
        copied_workplace(trained_home[0], folder / "home", patch) as workplace,
    ):
        register_older(workplace, folder / "old")
        return workplace, trained(workplace, TOO_MUCH)


def test_a_sound_history_gives_a_version_that_is_tagged_with_what_every_check_found(
    successor: tuple[Workplace, Trained],
) -> None:
    workplace, found = successor
    steps = ("history", "training_set", "candidate")
    assert set(found.results) == {
        check.name for step in steps for check in declared_checks(TOO_MUCH, step)
    }
    assert found.candidate is not None
    number = found.candidate.version.version
    assert workplace.registry.load("orders", number).rows == 7200
    files = training_records(ASSETS, workplace.store).demand(CANDIDATE).files
    assert {"input_suite.json", "feature_suite.json"} <= set(files)
    evidence = read_evidence(version_of(workplace, number))
    assert evidence.results == {name: one.result for name, one in found.results.items()}
    assert evidence.failed == ("quality",)
    assert read_evidence(version_of(workplace, 1)).failed == ()


def test_history_that_repeats_keys_or_breaks_the_feature_suite_is_set_aside_and_not_fitted_to(
    workplace,
) -> None:
    def dear_or_repeated(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.head(1_200)
        frame.loc[[5, 9], ["price", "items"]] = [3000.0, 1]
        return pd.concat([frame, frame.head(5)])

    suites = replace(ASSETS.suites, features=cheap)
    found = trained(workplace, replace(with_history(dear_or_repeated), suites=suites))
    repeated = found.results["input_suite"]
    assert (repeated.passed, repeated.is_error) == (False, False)
    assert found.results["feature_suite"].severity == "WARN"
    assert "2 of 1,205 rows are quarantined" in found.results["feature_suite"].summary
    assert found.results["training_parity"].passed
    assert found.candidate.rows == 1198
    attempt = training_records(ASSETS, workplace.store).committed(CANDIDATE)
    aside = attempt.read("training_set_quarantine").column("key").to_pylist()
    assert aside == history()["order_id"].iloc[[5, 9]].tolist()
    assert not set(aside) & set(attempt.read("training_set").column("order_id").to_pylist())


def test_history_that_the_feature_suite_sets_aside_for_the_most_part_is_not_fitted_to(
    workplace,
) -> None:
    dear = with_history(lambda frame: frame.assign(price=401.0, items=1))
    found = trained(workplace, replace(dear, suites=replace(ASSETS.suites, features=cheap)))
    assert found.candidate is None
    assert "at most 5 % of the rows may be quarantined" in found.results["feature_suite"].summary


def cheap() -> Any:
    """Of the features: no item costs more than 400 euros."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    between = gxe.ExpectColumnValuesToBeBetween(
        column="price_per_item", max_value=400, severity="critical"
    )
    return ExpectationSuite(name="cheap", expectations=[between])


def about(column: str) -> Callable[[], Any]:
    """A suite that warns where a column lacks a value."""

    def make() -> Any:
        from great_expectations import ExpectationSuite
        from great_expectations import expectations as gxe

        whole = gxe.ExpectColumnValuesToNotBeNull(column=column, severity="warning")
        return ExpectationSuite(name="whole", expectations=[whole])

    return make


@pytest.mark.parametrize(
    ("role", "column", "hint"),
    [
        ("input", "returned", "There are order_id, "),  # known of the history, never of a batch
        ("features", "regoin", "Did you mean 'region'?"),
        ("outputs", "lost", "Did you mean 'loss'?"),
    ],
)
def test_a_suite_about_a_column_that_is_not_there_refuses_the_training(
    workplace, role, column, hint
) -> None:
    suites = replace(ASSETS.suites, **{role: about(column)})
    with pytest.raises(SuiteError) as caught:
        trained(workplace, replace(ASSETS, suites=suites))
    assert f"the {role} suite (whole): expect_column_values_to_not_be_null" in str(caught.value)
    assert f"is about {column!r}" in str(caught.value)
    assert hint in str(caught.value)
    assert versions(workplace) == [1]


def test_a_training_set_of_other_code_is_an_error_that_names_the_column_and_nothing_is_fitted(
    workplace, edited_orders
) -> None:
    edited = edited_orders(("return weight > 5", "return weight > 2"))
    found = fit_candidate(edited, workplace.store, "alone", workplace.registry)
    parity = found.results["training_parity"]
    assert (parity.is_error, parity.column) == (True, "is_heavy")
    assert {one.result for name, one in found.results.items() if name != "training_parity"} == {
        "not_judged"
    }
    assert found.version is None
    assert versions(workplace) == [1]


def test_a_history_that_lacks_a_column_is_a_failed_check_that_later_steps_refuse(workplace) -> None:
    found = trained(workplace, with_history(lambda frame: frame.drop(columns="price")))
    assert found.candidate is None
    assert {name: one.result for name, one in found.results.items()} == {
        "decoding": "failed",
        "input_suite": "not_judged",
    }
    with pytest.raises(BlockedError, match="history of candidate is blocked by decoding"):
        compute_training_set(ASSETS, workplace.store, "alone")


def test_a_history_half_of_which_repeats_keys_is_an_error_and_keeps_later_steps_from_going_on(
    workplace,
) -> None:
    twice = with_history(lambda frame: pd.concat([frame, frame], ignore_index=True))
    found = trained(workplace, twice)
    result = found.results["input_suite"]
    assert (result.is_error, result.column, found.candidate) == (True, "order_id", None)
    assert "7,200 of 14,400 rows repeat the order_id of an earlier row" in result.summary
    with pytest.raises(BlockedError, match="history of candidate is blocked by input_suite"):
        compute_training_set(ASSETS, workplace.store, "alone")
    with pytest.raises(BlockedError, match="history of candidate is blocked by input_suite"):
        fit_candidate(ASSETS, workplace.store, "alone", workplace.registry)


def test_a_feature_that_is_not_row_local_never_becomes_a_version(workplace, edited_orders) -> None:
    by_batch = edited_orders(("return price / items", "return price / items.mean()"))
    found = trained(workplace, by_batch)
    assert (found.results["row_locality"].is_error, found.candidate) == (True, None)
    with pytest.raises(BlockedError, match="training_set of candidate is blocked by row_locality"):
        fit_candidate(by_batch, workplace.store, "alone", workplace.registry)
    assert versions(workplace) == [1]


@pytest.mark.usefixtures("outside")
def test_a_resource_of_another_package_is_refused_before_anything_is_fitted(
    workplace, edited_orders
) -> None:
    reading = 'FEES = json.loads(importlib.resources.read_text("common_fees", "fees.json"))'
    edited = edited_orders(
        ("import numpy as np", f"import importlib.resources, json\nimport numpy as np\n{reading}"),
        ("return price / items", 'return price / items * FEES["DE"]'),
    )
    found = trained(workplace, edited).candidate
    assert found.version is None
    result = found.results["training_parity"]
    assert result.is_error
    assert re.search(r"transforms/orders\.py:\d+, when imported, .*fees\.json", result.summary)
    assert "with_name" in result.todo
    assert versions(workplace) == [1]


def test_an_output_that_looks_at_few_other_rows_is_an_error_of_the_candidate(
    workplace, edited_orders
) -> None:
    by_batch = edited_orders(
        (
            "return return_probability >= 0.5",
            "return return_probability >= max(0.5, np.quantile(return_probability, 0.99))",
        )
    )
    found = trained(workplace, by_batch).candidate
    result = found.results["row_locality"]
    assert (result.is_error, result.column) == (True, "will_return")
    version = version_of(workplace, found.version.version)
    assert "row_locality" in read_evidence(version).failed


def test_a_training_set_whose_file_was_changed_is_not_fitted_to(workplace) -> None:
    (path,) = workplace.store.root.glob("training/attempts/*/*/training_set.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedError, match=r"training_set\.parquet is not what attempt 1 at"):
        fit_candidate(ASSETS, workplace.store, "alone", workplace.registry)


def test_a_history_of_another_record_is_read_again(workplace, edited_orders) -> None:
    more = edited_orders(("    gift: bool\n", "    gift: bool\n    colour: str | None\n"))
    with pytest.raises(FitError, match=r"read as another record .* lockstep train orders"):
        compute_training_set(more, workplace.store, "alone")


def test_a_champion_that_cannot_be_loaded_does_not_keep_its_successor_from_being_trained(
    successor: tuple[Workplace, Trained],
) -> None:
    workplace, found = successor
    result = found.results["champion_comparison"]
    assert (result.passed, result.is_error) == (False, False)
    assert "train again: lockstep train orders." in result.summary
    assert found.candidate.version.version == 3
    assert "champion_comparison" not in read_evidence(version_of(workplace, 3)).failed


def test_three_rows_of_history_are_told_to_be_too_few(workplace) -> None:
    with pytest.raises(FitError, match=r"orders: the history has 3 rows .* and it takes 20"):
        trained(workplace, with_history(lambda frame: frame.head(3)))


def test_a_history_of_one_time_is_parted_by_keys(workplace) -> None:
    at_once = with_history(lambda frame: frame.head(400).assign(sent_at=frame["sent_at"].iloc[0]))
    assert trained(workplace, at_once).candidate is not None


def test_a_version_whose_rows_have_no_event_time_is_shown_without_a_window() -> None:
    assert not shown(ASSETS, Evaluation({"risk": np.zeros(3)}, 12, {}, {}, {}), ()).tags
