"""What orders must look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep import Suites

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def input_suite() -> ExpectationSuite:
    """The raw orders."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="orders input",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="items", min_value=1, max_value=100, severity="critical"
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="price", min_value=0, strict_min=True, severity="critical"
            ),
            gxe.ExpectColumnValuesToNotBeNull(column="weight", mostly=0.5, severity="warning"),
            gxe.ExpectColumnMeanToBeBetween(
                column="price", min_value=1, max_value=1000, severity="critical"
            ),
        ],
    )


def feature_suite() -> ExpectationSuite:
    """The features."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="orders features",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(
                column="region", value_set=["home", "abroad"], severity="critical"
            )
        ],
    )


def output_suite() -> ExpectationSuite:
    """The outputs."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="orders outputs",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="risk", min_value=0, max_value=1, severity="critical"
            )
        ],
    )


SUITES = Suites(input=input_suite, features=feature_suite, outputs=output_suite)
