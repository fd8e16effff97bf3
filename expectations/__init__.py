"""Expectations: what a pipeline's data must look like, in Great Expectations' words.

A suite is written once. It is validated on whole batches (`validate`), and its critical
expectations about single rows are compiled into row rules on arrays (`compile_rules`), which
refuse the same rows. Every public module of this package holds the suites of one pipeline.
"""

from expectations._errors import SuiteError
from expectations._rules import Refusals, RowRules, Skipped, compile_rules
from expectations._suite import SuiteJson, Suites, from_json, suite_json
from expectations._validation import validate
from expectations._verdict import Finding, Severity, Verdict

__all__ = [
    "Finding",
    "Refusals",
    "RowRules",
    "Severity",
    "Skipped",
    "SuiteError",
    "SuiteJson",
    "Suites",
    "Verdict",
    "compile_rules",
    "from_json",
    "suite_json",
    "validate",
]
