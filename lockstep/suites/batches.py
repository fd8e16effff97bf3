"""Batches: expectations asked of rows by Great Expectations.

A validation has a context of its own: threads that share one share their rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lockstep.columns.kinds import Columns
from lockstep.columns.tables import take_rows, to_frame
from lockstep.rules.row_rules import columns_of
from lockstep.rules.suite_counts import EXAMPLES
from lockstep.suites.own_results import Found
from lockstep.suites.suites import from_json

if TYPE_CHECKING:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )
    from great_expectations.datasource.fluent.interfaces import Batch


def ask(suite: str, asked: Sequence[Mapping[str, Any]], columns: Columns) -> list[Found]:
    """What Great Expectations finds of each expectation, in order, on rows in canonical form.

    Raises SuiteError where it cannot read one.
    """
    if not asked:
        return []
    frame = to_frame({name: columns[name] for name in _looked_at(asked, columns)})
    batch = context().data_sources.pandas_default.read_dataframe(frame)
    results = _results(batch, suite, asked, "BASIC")
    # Positions take half as long again, so only unmet expectations are asked for them.
    unmet = [
        at
        for at, result in enumerate(results)
        if not result.success and "element_count" in result.result
    ]
    detailed = _results(batch, suite, [asked[at] for at in unmet], "SUMMARY")
    for at, result in zip(unmet, detailed, strict=True):
        results[at] = result
    return [_found(result, columns) for result in results]


def _found(result: ExpectationValidationResult, columns: Columns) -> Found:
    rows = result.result.get("partial_unexpected_index_list")
    return Found(
        bool(result.success),
        result.result,
        take_rows(columns, np.array(rows)) if rows else None,
        exception_info=result.exception_info,
    )


def context(sites: Mapping[str, Any] | None = None) -> EphemeralDataContext:
    """A context in memory that fetches and sends nothing, with these sites of Data Docs."""
    from great_expectations.data_context.data_context.context_factory import set_context
    from great_expectations.data_context.data_context.ephemeral_data_context import (
        EphemeralDataContext,
    )
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    made = EphemeralDataContext(
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            data_docs_sites={**(sites or {})},
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
        )
    )
    set_context(made)  # a suite that is added uses the process's context
    return made


def _looked_at(asked: Sequence[Mapping[str, Any]], columns: Columns) -> Sequence[str]:
    """The columns that expectations need, since each takes time.

    One about the table, or with columns in a condition, gets all.
    """
    names: set[str] = set()
    for each in asked:
        is_of_columns = each["type"].startswith(("expect_column_", "expect_compound_columns_"))
        if each["kwargs"].get("row_condition") is not None or not is_of_columns:
            return [*columns]
        names.update(columns_of(each["kwargs"]))
    return [name for name in columns if name in names] or [*columns][:1]


def _results(
    batch: Batch, suite: str, asked: Sequence[Mapping[str, Any]], form: str
) -> list[ExpectationValidationResult]:
    """The results, in the order of the expectations, by which Great Expectations groups them."""
    if not asked:
        return []
    numbered = [{**each, "meta": {"place": place}} for place, each in enumerate(asked)]
    results = batch.validate(
        from_json({"name": suite, "expectations": numbered}),
        result_format={
            "result_format": form,
            "partial_unexpected_count": EXAMPLES,
            "return_unexpected_index_query": False,
        },
    ).results
    return sorted(results, key=lambda result: result.expectation_config.meta["place"])
