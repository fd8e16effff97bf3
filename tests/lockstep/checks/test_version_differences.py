"""What differs between two versions."""

from lockstep.checks.version_differences import VersionDifferences

HEAVY = ("return weight > 5", "return weight > 6")


def test_versions_of_the_same_code_and_rows_do_not_differ(two_versions) -> None:
    first, second = (two_versions.registry.load("orders", number) for number in (1, 2))
    assert not VersionDifferences.of(first, second).any


def test_a_changed_function_is_told_with_its_column_its_code_and_its_effect(
    live, edited_orders
) -> None:
    number = live.fit(edited_orders(HEAVY))
    first, second = (live.registry.load("orders", each) for each in (1, number))
    differences = VersionDifferences.of(first, second, ("5a1c", "0e77"))
    assert differences.columns == {"is_heavy": "changed"}
    assert [*differences.code] == ["transforms.orders.is_heavy"]
    diff = differences.code["transforms.orders.is_heavy"].splitlines()
    assert diff[:2] == ["--- version 1", f"+++ version {number}"]
    assert [line for line in diff[2:] if line[0] in "+-"] == [
        "-    return weight > 5",
        "+    return weight > 6",
    ]
    assert differences.files == {"module transforms.orders": "changed"}
    assert (differences.suites, differences.environment) == ({}, {})
    assert differences.rows == {"SHA-256 of the training set": ("5a1c", "0e77")}
    assert "risk auc" in differences.metrics
