"""Great Expectations: expectations of each column whose limits are those of the training.

Its profilers are gone since release 1, so the limits are taken here: smallest and largest number,
the set of texts, the largest share of missing values that a day of the training had; and keys that
are known and occur once. It is asked for the verdicts alone: to count and list unexpected values
takes longer than to find them, and nobody looks at them here.
"""

from __future__ import annotations

from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

from benchmarks.skew.peers.batches import KEY, TIME, Batches, Judges, features, tell


def judges_of(batches: Batches) -> Judges:
    """Take the limits, and judge deliveries by them."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    suite = gx.ExpectationSuite("ranges", expectations=_expectations(batches.training()))
    suite = context.suites.add(suite)
    asset = context.data_sources.add_pandas("pandas").add_dataframe_asset("rows")
    definition = asset.add_batch_definition_whole_dataframe("delivery")

    def unmet(batch: str) -> set[str]:
        given = definition.get_batch({"dataframe": batches.rows(batch)})
        return {
            one.expectation_config.kwargs["column"]
            for one in given.validate(suite, result_format="BOOLEAN_ONLY").results
            if not one.success
        }

    return {"profiled ranges": unmet}


def _expectations(training: pd.DataFrame) -> list[Any]:
    days = training[TIME].dt.date
    found: list[Any] = [
        gxe.ExpectColumnValuesToNotBeNull(column=KEY),
        gxe.ExpectColumnValuesToBeUnique(column=KEY),
        gxe.ExpectColumnValuesToNotBeNull(column=TIME),
    ]
    for name, values in features(training).items():
        column = str(name)
        known = float(values.notna().groupby(days).mean().min())
        found.append(gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=known))
        if pd.api.types.is_numeric_dtype(values):
            least, most = float(values.min()), float(values.max())
            found.append(
                gxe.ExpectColumnValuesToBeBetween(column=column, min_value=least, max_value=most)
            )
        else:
            texts = sorted(values.dropna().unique())
            found.append(gxe.ExpectColumnValuesToBeInSet(column=column, value_set=texts))
    return found


if __name__ == "__main__":
    tell(judges_of)
