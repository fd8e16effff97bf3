"""What bottles, their features and their predictions must look like, in Great Expectations' words.

A row that breaks a critical rule about rows is set aside; any other critical rule that is broken
stops the whole batch; a warning only warns.
"""

from typing import TYPE_CHECKING

from lockstep import Suites
from transforms.wine import CULTIVARS

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite


def input_suite() -> "ExpectationSuite":
    """The bottles as they come in."""
    import great_expectations as gx

    return gx.ExpectationSuite(
        name="wine input",
        expectations=[
            gx.expectations.ExpectColumnValuesToBeBetween(
                column="alcohol", min_value=8, max_value=17, severity="critical"
            ),
            gx.expectations.ExpectColumnValuesToNotBeNull(
                column="proline", mostly=0.5, severity="warning"
            ),
        ],
    )


def feature_suite() -> "ExpectationSuite":
    """The features."""
    import great_expectations as gx

    return gx.ExpectationSuite(
        name="wine features",
        expectations=[
            gx.expectations.ExpectColumnValuesToBeBetween(
                column="flavanoid_share", min_value=0, max_value=3, severity="critical"
            ),
        ],
    )


def output_suite() -> "ExpectationSuite":
    """The predictions."""
    import great_expectations as gx

    return gx.ExpectationSuite(
        name="wine outputs",
        expectations=[
            gx.expectations.ExpectColumnValuesToBeInSet(
                column="predicted_cultivar", value_set=CULTIVARS, severity="critical"
            ),
        ],
    )


SUITES = Suites(input=input_suite, features=feature_suite, outputs=output_suite)
