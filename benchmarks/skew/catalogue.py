"""The catalogue: all that goes wrong with any table, and what of it is tried on one."""

from __future__ import annotations

from zlib import crc32

from benchmarks.skew.joins import JOINS
from benchmarks.skew.names import NAMES
from benchmarks.skew.roles import Roles
from benchmarks.skew.transformation import DataFault, Transformation
from benchmarks.skew.values import VALUES
from benchmarks.skew.volumes import VOLUMES

CATALOGUE: tuple[Transformation, ...] = (*VALUES, *NAMES, *JOINS, *VOLUMES)
MOST = 60
"""Faults of a table; which ones of more are left out is told by their names."""


def faults_of(table: str, roles: Roles) -> tuple[DataFault, ...]:
    """What goes wrong with a table, each transformation once at most.

    Args:
        table: The name of the table.
        roles: What its columns are.
    """
    found = [fault for one in CATALOGUE if (fault := one.fault(table, roles)) is not None]
    chosen = sorted(found, key=lambda one: crc32(one.fault.name.encode()))[:MOST]
    return tuple(one for one in found if one in chosen)
