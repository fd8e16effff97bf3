"""LitServe: an API that takes up to 128 requests at once."""

from __future__ import annotations

import os
from typing import Any

import litserve

from benchmarks.serving.peers.reference import PORT, Reference

Rows = list[dict[str, Any]]


class Flights(litserve.LitAPI):  # type: ignore[misc]  # it is not installed here
    """The live version of flight_delay; each request has one record."""

    def setup(self, device: str) -> None:
        """Load the version, in the process that predicts."""
        self._reference = Reference()

    # LitServe has FastAPI validate what is annotated; requests are JSON as they come instead.
    def decode_request(self, request):  # type: ignore[no-untyped-def]
        """The record of a request."""
        (record,) = request["dataframe_records"]
        return record

    def batch(self, inputs: Rows) -> Rows:
        """The records of several requests."""
        return inputs

    def predict(self, records: Rows) -> Rows:
        """Predict for all of them."""
        return self._reference.predict(records)

    def unbatch(self, output: Rows) -> Rows:
        """The answers, one a request."""
        return output

    def encode_response(self, output):  # type: ignore[no-untyped-def]
        """The response to a request."""
        return {"predictions": [output]}


if __name__ == "__main__":
    # Without a wait the worker asks its queue without a pause, and takes the core that answers.
    api = Flights(max_batch_size=128, batch_timeout=0.001, api_path="/invocations")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, timeout=120)
    server.run(
        host="127.0.0.1",
        port=int(os.environ[PORT]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
