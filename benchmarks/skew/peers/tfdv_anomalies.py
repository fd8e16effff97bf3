"""TensorFlow Data Validation: a schema that is inferred from the training, skew and drift.

As its guide says: statistics of the training, `infer_schema`, `validate_statistics` of each day
against the schema, against the training (skew) and against the day before (drift). The guide gives
a threshold of 0.01 in its example; 0.3 is the default of Google's services that stand on it.
"""

from __future__ import annotations

from copy import deepcopy
from functools import cache, partial
from typing import Any

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2

from benchmarks.skew.peers.batches import TABLE, Batches, Judges, features, tell, yesterday_of

THRESHOLDS = {"skew and drift above 0.01": 0.01, "skew and drift above 0.3": 0.3}
TEXTS = schema_pb2.FeatureType.BYTES


def judges_of(batches: Batches) -> Judges:
    """Infer the schema, and judge deliveries by it."""
    training = tfdv.generate_statistics_from_dataframe(features(batches.training()))
    schema = tfdv.infer_schema(training)

    @cache
    def statistics(batch: str) -> Any:
        return tfdv.generate_statistics_from_dataframe(features(batches.rows(batch)))

    def anomalies(batch: str) -> set[str]:
        return _columns(tfdv.validate_statistics(statistics(batch), schema))

    def moved(compared: Any, batch: str) -> set[str]:
        today, yesterday = statistics(batch), statistics(yesterday_of(batch))
        skew = tfdv.validate_statistics(training, compared, serving_statistics=today)
        drift = tfdv.validate_statistics(today, compared, previous_statistics=yesterday)
        return _columns(skew) | _columns(drift)

    return {
        "schema": anomalies,
        **{
            f"schema, {name}": partial(moved, _with_comparators(schema, threshold))
            for name, threshold in THRESHOLDS.items()
        },
    }


def _with_comparators(schema: Any, threshold: float) -> Any:
    """The schema, with both comparators on all features."""
    compared = deepcopy(schema)
    for feature in compared.feature:
        measure = "infinity_norm" if feature.type == TEXTS else "jensen_shannon_divergence"
        for comparator in (feature.skew_comparator, feature.drift_comparator):
            getattr(comparator, measure).threshold = threshold
    return compared


def _columns(anomalies: Any) -> set[str]:
    """The columns that are named, or the table."""
    of_table = {TABLE} if anomalies.HasField("dataset_anomaly_info") else set()
    return {*anomalies.anomaly_info} | of_table


if __name__ == "__main__":
    tell(judges_of)
