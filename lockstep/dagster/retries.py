"""Retries: what fails for a cause from outside is tried again, a while later."""

from __future__ import annotations

import dagster as dg

from lockstep.artifacts.errors import UnavailableFilesError
from lockstep.columns.errors import UnavailableError
from lockstep.registry.errors import FetchError, RegistryUnreachableError

FROM_OUTSIDE = (
    OSError,
    UnavailableError,
    UnavailableFilesError,
    RegistryUnreachableError,
    FetchError,
)
"""Errors of a disk, of the network, of the registry and of what is upstream.

None of content: what was delivered stays as it is until somebody delivers it anew.
"""
OUTSIDE_TAG = "lockstep/failed_from_outside"
"""Tag of a run that failed for such a cause, however often it was tried."""

_RETRIES = 3
_FIRST_WAIT_SECONDS = 10
_STARTED_BY = ("dagster/schedule_name", "dagster/sensor_name")


def retry_later(context: dg.AssetExecutionContext, error: Exception) -> None:
    """Have a step tried again that failed for a cause from outside.

    Each wait is twice as long as the one before. A run that a person started is not tried again:
    they are there to see the error.

    Args:
        context: The run.
        error: Why the step failed.

    Raises:
        RetryRequested: It is tried again.
    """
    if not any(tag in context.run.tags for tag in _STARTED_BY):
        return
    if context.retry_number < _RETRIES:
        context.log.warning("%s; it is tried again", error)
        wait = _FIRST_WAIT_SECONDS * 2**context.retry_number
        raise dg.RetryRequested(max_retries=_RETRIES, seconds_to_wait=wait) from error
    context.instance.add_run_tags(context.run.run_id, {OUTSIDE_TAG: type(error).__name__})
