"""Readiness: which versions answer what, and why others do not, as `/ready` and the page tell."""

from __future__ import annotations

from typing import Any

from lockstep.serving.canaries import CanaryVersion
from lockstep.serving.service import Service
from lockstep.serving.shadow.shadow import Standing


def readiness(service: Service) -> dict[str, Any]:
    """Whether requests are answered, and how each version of a server stands."""
    versions = service.versions
    scorer = versions.scorer
    return {
        "ready": service.is_ready,
        "version": scorer.loaded.version if scorer is not None else None,
        "refused": versions.refusal,
        "versions": versions.numbers,
        "canary": _canary(versions.canary),
        "challenger": _challenger(service.shadow.standing),
        "pinned_refused": versions.pins.refusals,
        "registry": versions.registry_trouble,
    }


def _canary(canary: CanaryVersion | None) -> dict[str, Any] | None:
    if canary is None:
        return None
    version = canary.scorer.loaded.version if canary.scorer is not None else None
    return {"version": version, "share": canary.declared.share, "refused": canary.refusal}


def _challenger(standing: Standing) -> dict[str, Any] | None:
    if standing.version is None:
        return None
    return {
        "version": standing.version,
        "reason": standing.reason,
        "rows": standing.rows,
        "differing": standing.differing,
    }
