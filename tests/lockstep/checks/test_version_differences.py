"""What differs between two versions."""

from lockstep.checks.version_differences import VersionDifferences
from tests.fixtures.orders import EDITED


def test_versions_of_the_same_code_and_rows_do_not_differ(two_versions) -> None:
    first, second = (two_versions.registry.load("orders", number) for number in (1, 2))
    assert not VersionDifferences.of(first, second).any


def test_a_changed_function_is_told_with_its_column_and_its_code(three_versions) -> None:
    first, second = (three_versions.registry.load("orders", each) for each in (1, EDITED))
    differences = VersionDifferences.of(first, second, ("5a1c", "0e77"))
    assert differences.columns == {"will_return": "changed"}
    assert [*differences.code] == ["transforms.orders.will_return"]
    diff = differences.code["transforms.orders.will_return"].splitlines()
    assert diff[:2] == ["--- version 1", f"+++ version {EDITED}"]
    assert [line for line in diff[2:] if line[0] in "+-"] == [
        "-    return return_probability >= 0.5",
        "+    return return_probability >= 0.2",
    ]
    assert differences.files == {"module transforms.orders": "changed"}
    assert (differences.suites, differences.environment) == ({}, {})
    assert differences.rows == {"SHA-256 of the training set": ("5a1c", "0e77")}
