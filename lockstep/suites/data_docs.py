"""Data Docs: Great Expectations' own pages of validations, written as files."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockstep.suites.batches import context

_SITE = "lockstep"
_OF_ROWS = ("result", "exception_info")
"""Parts of a result that may hold values of rows."""


def write_docs(
    validations: Mapping[str, Mapping[str, Any]], about: str, run: str, folder: Path
) -> Path:
    """Write a site of pages of validations, and return the path of its first page.

    `validations` are results, as `SuiteResult.validation` holds them, by name of a page. Writing
    fetches nothing. (A browser that shows the pages fetches Great Expectations' styles.)
    """
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    docs = _context(folder)
    for name, validation in validations.items():
        results = [
            result | {part: _escaped(result[part]) for part in _OF_ROWS}
            for result in validation["results"]
        ]
        expectations = [result["expectation_config"] for result in results]
        docs.suites.add(gx.ExpectationSuite(name=name, expectations=expectations))
        made = RunIdentifier(run_name=run, run_time=validation["meta"]["validation_time"])
        meta = {
            **validation["meta"],
            "run_id": made.to_json_dict(),
            "batch_spec": {"data_asset_name": html.escape(about)},
        }
        written = {**validation, "results": results, "suite_name": name, "meta": meta}
        docs.validation_results_store.set(
            ValidationResultIdentifier(ExpectationSuiteIdentifier(name), made, name),
            expectationSuiteValidationResultSchema.load(written),
        )
    docs.build_data_docs()
    return folder / "index.html"


def _context(folder: Path) -> Any:
    """A context that keeps only the site, in a folder."""
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {
            "class_name": "TupleFilesystemStoreBackend",
            "base_directory": str(folder.absolute()),
        },
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    return context({_SITE: site})


def _escaped(value: Any) -> Any:
    """Values of rows escaped for HTML: Great Expectations writes them into its pages as is."""
    match value:
        case str():
            return html.escape(value)
        case list():
            return [_escaped(held) for held in value]
        case Mapping():
            return {name: _escaped(held) for name, held in value.items()}
        case _:
            return value
