"""What the tables of depots must look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def climate_suite() -> ExpectationSuite:
    """The weather."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="climate",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="degrees", min_value=-60, max_value=60, severity="critical"
            )
        ],
    )
