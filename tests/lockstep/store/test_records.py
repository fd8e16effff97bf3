"""Which check results block what comes after."""

from lockstep.checks.results import CheckResult
from lockstep.checks.specs import INPUT_DRIFT, INPUT_SUITE, SUDDEN_SHIFT
from lockstep.store.records import blocking


def test_only_errors_of_blocking_checks_block() -> None:
    check_results = {
        "input_suite": CheckResult(False, "no rows"),
        "sudden_shift": CheckResult(False, "accepted", "WARN"),
        "input_drift": CheckResult(False, "drifted"),
    }
    found = blocking((INPUT_SUITE, SUDDEN_SHIFT, INPUT_DRIFT), check_results)
    assert found == {"input_suite": "no rows"}
