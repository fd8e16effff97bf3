"""BentoML: a service with its adaptive batching."""

from __future__ import annotations

from typing import Any

import bentoml

from benchmarks.serving.peers.reference import Reference


@bentoml.service(
    workers=1,
    traffic={"timeout": 120},
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
)
class Flights:
    """The live version of flight_delay."""

    def __init__(self) -> None:
        self._reference = Reference()

    @bentoml.api(  # type: ignore[untyped-decorator]  # it is not installed here
        route="/invocations", batchable=True, max_batch_size=128, max_latency_ms=120_000
    )
    def predict(self, dataframe_records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Predict for the records of several requests."""
        return self._reference.predict(dataframe_records)
