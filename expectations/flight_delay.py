"""What departures from New York look like, and tables, features and predictions.

Critical is what cannot be true of any flight, any weather or any aircraft: such a row is not
scored. A warning is what can be true of one flight, but hardly of so many at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lockstep import Suites
from transforms.flight_delay import AIRCRAFT_CLASSES, CARRIER_GROUPS, RISK_BANDS

if TYPE_CHECKING:
    import great_expectations as gx

_FLIGHT = {
    "sched_dep_time": (0, 2359),  # hhmm
    "sched_arr_time": (0, 2400),  # hhmm
    "distance": (1, 12_451),  # miles; half the equator
}
_WEATHER = {
    "temp": (-80, 134),  # degrees Fahrenheit; the records of the United States
    "dewp": (-100, 95),  # degrees Fahrenheit; 95 was the highest ever measured
    "humid": (0, 100),  # percent
    "wind_dir": (0, 360),  # degrees
    "wind_speed": (0, 253),  # miles per hour; the strongest gust ever measured
    "wind_gust": (0, 253),
    "precip": (0, 12),  # inches in an hour; the world's record
    "pressure": (870, 1085),  # millibars at sea level; the world's records
    "visib": (0, 10),  # miles; 10 means 10 and more
}
"""Records are those of the World Meteorological Organization's archive of weather and climate
extremes."""
_AIRCRAFT = {
    "year": (1910, 2100),
    "seats": (1, 853),  # an Airbus A380 in one class
}
_AIRPORT = {
    "latitude": (-90, 90),  # degrees north
    "longitude": (-180, 180),  # degrees east
    "utc_offset": (-12, 14),  # hours
}
_MOSTLY_KNOWN = ("temp", "dewp", "humid", "wind_speed", "precip", "visib")
_MOSTLY_FOUND = {"weather_temp": 0.9, "aircraft_year": 0.7, "aircraft_seats": 0.7}
"""Share of the flights for which a look-up has to find a value."""

Ranges = Mapping[str, tuple[float, float]]


def _suite(
    name: str, possible: Ranges, *others: gx.expectations.Expectation
) -> gx.ExpectationSuite:
    """There are rows, and no number is one that cannot be at all."""
    import great_expectations as gx

    gxe = gx.expectations
    return gx.ExpectationSuite(
        name=name,
        expectations=[
            gxe.ExpectTableRowCountToBeBetween(min_value=1, severity="critical"),
            *(
                gxe.ExpectColumnValuesToBeBetween(
                    column=column, min_value=low, max_value=high, severity="critical"
                )
                for column, (low, high) in possible.items()
            ),
            *others,
        ],
    )


def input_suite() -> gx.ExpectationSuite:
    """Of the records: what the timetable can hold."""
    import great_expectations as gx

    gxe = gx.expectations
    return _suite(
        "input",
        _FLIGHT,
        gxe.ExpectColumnValuesToMatchRegex(
            column="carrier", regex="^[A-Z0-9]{2}$", severity="critical"
        ),
        gxe.ExpectColumnValuesToMatchRegex(column="dest", regex="^[A-Z]{3}$", severity="critical"),
        gxe.ExpectColumnValuesToBeInSet(
            column="carrier", value_set=sorted(CARRIER_GROUPS), mostly=0.99, severity="warning"
        ),
    )


def weather_suite() -> gx.ExpectationSuite:
    """Of the weather: what stations can report."""
    import great_expectations as gx

    gxe = gx.expectations
    return _suite(
        "weather",
        _WEATHER,
        *(
            gxe.ExpectColumnPairValuesAToBeGreaterThanB(
                column_A=larger,
                column_B=smaller,
                or_equal=True,
                ignore_row_if="either_value_is_missing",
                severity="critical",
            )
            for larger, smaller in (("temp", "dewp"), ("wind_gust", "wind_speed"))
        ),
        *(
            gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=0.9, severity="warning")
            for column in _MOSTLY_KNOWN
        ),
    )


def aircraft_suite() -> gx.ExpectationSuite:
    """Of the register of aircraft."""
    return _suite("aircraft", _AIRCRAFT)


def airport_suite() -> gx.ExpectationSuite:
    """Of the airports."""
    return _suite("airport", _AIRPORT)


def feature_suite() -> gx.ExpectationSuite:
    """Of the features: that clocks, zones, units and measurements agree, and tables had most."""
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
            *(
                gxe.ExpectColumnValuesToNotBeNull(column=column, mostly=share, severity="warning")
                for column, share in _MOSTLY_FOUND.items()
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
