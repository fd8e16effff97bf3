"""What readings must look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep import Suites

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def input_suite() -> ExpectationSuite:
    """The raw readings."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="meters input",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="rooms", min_value=1, max_value=9, severity="critical"
            ),
            gxe.ExpectColumnMeanToBeBetween(
                column="rooms", min_value=2, max_value=5, severity="critical"
            ),
        ],
    )


def output_suite() -> ExpectationSuite:
    """The forecasts."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="meters outputs",
        expectations=[
            gxe.ExpectColumnMaxToBeBetween(column="forecast", max_value=200, severity="critical")
        ],
    )


SUITES = Suites(input=input_suite, outputs=output_suite)
