"""A misspelt keyword of a declaration is told with the one that was meant."""

from dataclasses import replace

import pytest

from assets.orders import ASSETS
from lockstep import Calendar, Constraints, CsvSource, PipelineAssets, Quality, Serving
from lockstep.errors import DeclarationError


@pytest.mark.parametrize(
    ("kind", "keyword", "meant"),
    [
        (PipelineAssets, "max_quarantine", "max_quarantined"),
        (PipelineAssets, "outcome", "outcomes"),
        (Calendar, "holiday", "holidays"),
        (Quality, "treshold", "threshold"),
        (Constraints, "first_batch", "first_batches"),
        (CsvSource, "pth", "path"),
    ],
)
def test_it_names_the_keyword_that_was_meant(kind, keyword, meant) -> None:
    with pytest.raises(DeclarationError) as raised:
        kind(**{keyword: 1})
    assert str(raised.value) == f"{kind.__name__} takes no {keyword!r}; did you mean {meant!r}?"


def test_without_anything_alike_it_names_what_there_is() -> None:
    with pytest.raises(DeclarationError, match="Serving takes no 'zzz'; it takes log, "):
        Serving(zzz=1)


def test_what_is_right_goes_on() -> None:
    assert replace(ASSETS, max_quarantined=0.5).max_quarantined == 0.5
