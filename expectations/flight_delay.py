"""What departures from New York look like: as they come in, as features, and as predictions.

Critical is what cannot be true of any flight, any weather or any aircraft: such a row is not
scored. A warning is what can be true of one flight, but hardly of so many at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockstep import Suites
from transforms.flight_delay import AIRCRAFT_CLASSES, CARRIER_GROUPS, RISK_BANDS

if TYPE_CHECKING:
    import great_expectations as gx

_POSSIBLE = {
    "sched_dep_time": (0, 2359),  # hhmm
    "sched_arr_time": (0, 2400),  # hhmm
    "distance": (1, 12_451),  # miles; half the equator
    "dest_latitude": (-90, 90),  # degrees north
    "dest_longitude": (-180, 180),  # degrees east
    "dest_utc_offset": (-12, 14),  # hours
    "temp": (-80, 134),  # degrees Fahrenheit; the records of the United States
    "dewp": (-100, 95),  # degrees Fahrenheit; 95 was the highest ever measured
    "humid": (0, 100),  # percent
    "wind_dir": (0, 360),  # degrees
    "wind_speed": (0, 253),  # miles per hour; the strongest gust ever measured
    "wind_gust": (0, 253),
    "precip": (0, 12),  # inches in an hour; the world's record
    "pressure": (870, 1085),  # millibars at sea level; the world's records
    "visib": (0, 10),  # miles; 10 means 10 and more
    "plane_year": (1910, 2100),
    "plane_seats": (1, 853),  # an Airbus A380 in one class
}
"""What a number can be at all; records are those of the World Meteorological Organization's
archive of weather and climate extremes."""
_MOSTLY_KNOWN = {
    **dict.fromkeys(("temp", "dewp", "humid", "wind_speed", "precip", "visib"), 0.9),
    **dict.fromkeys(("plane_year", "plane_seats", "plane_maker"), 0.7),
}
"""Share of rows that have a value at least."""


def input_suite() -> gx.ExpectationSuite:
    """Of the records: what the timetable, the weather and the register of aircraft can hold."""
    import great_expectations as gx

    gxe = gx.expectations
    return gx.ExpectationSuite(
        name="input",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=1, severity="critical"),
            gxe.ExpectColumnValuesToMatchRegex(
                column="carrier", regex="^[A-Z0-9]{2}$", severity="critical"
            ),
            gxe.ExpectColumnValuesToMatchRegex(
                column="dest", regex="^[A-Z]{3}$", severity="critical"
            ),
            *(
                gxe.ExpectColumnValuesToBeBetween(
                    column=column, min_value=low, max_value=high, severity="critical"
                )
                for column, (low, high) in _POSSIBLE.items()
            ),
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="temp",
                column_B="dewp",
                or_equal=True,
                ignore_row_if="either_value_is_missing",
                severity="critical",
            ),
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A="wind_gust",
                column_B="wind_speed",
                or_equal=True,
                ignore_row_if="either_value_is_missing",
                severity="critical",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="carrier", value_set=sorted(CARRIER_GROUPS), mostly=0.99, severity="warning"
            ),
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=share, severity="warning")
                for column, share in _MOSTLY_KNOWN.items()
            ),
        ],
    )


def feature_suite() -> gx.ExpectationSuite:
    """Of the features: that clocks, zones, units and measurements agree with each other."""
    import great_expectations as gx

    gxe = gx.expectations
    return gx.ExpectationSuite(
        name="features",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=1, severity="critical"),
            gxe.ExpectColumnValuesToBeInSet(
                column="clock_error", value_set=[0], severity="critical"
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="humidity_ratio", min_value=0.6, max_value=1.6, severity="critical"
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="plane_age", min_value=-1, max_value=100, severity="critical"
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="aircraft_class", value_set=list(AIRCRAFT_CLASSES), severity="critical"
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="scheduled_duration",
                min_value=20,
                max_value=800,
                mostly=0.99,
                severity="warning",
            ),
            gxe.ExpectColumnValuesToBeBetween(
                column="scheduled_speed",
                min_value=50,
                max_value=600,
                mostly=0.99,
                severity="warning",
            ),
            gxe.ExpectColumnValuesToBeInSet(
                column="weather_known", value_set=[True], mostly=0.9, severity="warning"
            ),
        ],
    )


def output_suite() -> gx.ExpectationSuite:
    """Of the predictions: that they are there, possible, and not all on one side."""
    import great_expectations as gx

    gxe = gx.expectations
    return gx.ExpectationSuite(
        name="outputs",
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=1, severity="critical"),
            gxe.ExpectColumnValuesToNotBeNull(column="late_probability", severity="critical"),
            gxe.ExpectColumnValuesToBeBetween(
                column="late_probability", min_value=0, max_value=1, severity="critical"
            ),
            gxe.ExpectColumnMeanToBeBetween(
                column="late_probability", min_value=0.05, max_value=0.8, severity="warning"
            ),
            gxe.ExpectColumnValuesToNotBeNull(column="expected_delay", severity="critical"),
            # Boosted trees overshoot the largest label, 180, by a little.
            gxe.ExpectColumnValuesToBeBetween(
                column="expected_delay", min_value=-90, max_value=240, severity="critical"
            ),
            gxe.ExpectColumnValuesToNotBeNull(column="will_be_late", severity="critical"),
            gxe.ExpectColumnValuesToBeInSet(
                column="risk_band", value_set=list(RISK_BANDS), severity="critical"
            ),
        ],
    )


SUITES = Suites(input=input_suite, features=feature_suite, outputs=output_suite)
