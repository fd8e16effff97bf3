"""What bottles must look like."""

from typing import TYPE_CHECKING

from lockstep import Suites

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def input_suite() -> "ExpectationSuite":
    """The raw bottles; a critical rule about a row sets that row aside."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="wine input",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="alcohol", min_value=8, max_value=17, severity="critical"
            ),
            gxe.ExpectColumnValuesToNotBeNull(column="proline", mostly=0.8, severity="warning"),
        ],
    )


def feature_suite() -> "ExpectationSuite":
    """The features."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="wine features",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="flavanoid_share", min_value=0, max_value=3, severity="critical"
            ),
        ],
    )


def output_suite() -> "ExpectationSuite":
    """The outputs."""
    from great_expectations import ExpectationSuite
    from great_expectations import expectations as gxe

    return ExpectationSuite(
        name="wine outputs",
        expectations=[
            gxe.ExpectColumnValuesToBeInSet(
                column="verdict",
                value_set=["barolo", "grignolino", "barbera"],
                severity="critical",
            ),
        ],
    )


SUITES = Suites(input=input_suite, features=feature_suite, outputs=output_suite)
