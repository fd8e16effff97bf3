"""What the registry relies on in skops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from skops.io.exceptions import UntrustedTypesFoundException

NUMBERS = np.arange(40.0).reshape(-1, 1)
EVEN = np.arange(40) % 2 == 0


def test_trees_are_not_trusted_unless_their_types_are_named() -> None:
    boosting = skops.io.dumps(HistGradientBoostingClassifier(max_iter=2).fit(NUMBERS, EVEN))
    forest = skops.io.dumps(RandomForestClassifier(2).fit(NUMBERS, EVEN))
    assert skops.io.get_untrusted_types(data=boosting) == [
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"
    ]
    assert skops.io.get_untrusted_types(data=forest) == ["sklearn.tree._tree.Tree"]


calls: list[str] = []


def noisy(values: object) -> object:
    calls.append("called")
    return values


class Noisy(Ridge):
    """An estimator that tells when it is made."""

    def __setstate__(self, state: dict[str, object]) -> None:
        calls.append("made")
        super().__setstate__(state)


def test_a_type_that_is_not_trusted_is_refused_before_anything_is_made() -> None:
    data = skops.io.dumps(make_pipeline(FunctionTransformer(noisy), Noisy().fit(NUMBERS, EVEN)))
    calls.clear()
    with pytest.raises(UntrustedTypesFoundException):
        skops.io.loads(data, trusted=[])
    assert calls == []


def test_functions_are_reported_by_their_full_name() -> None:
    data = skops.io.dumps(FunctionTransformer(noisy))
    assert skops.io.get_untrusted_types(data=data) == [f"{__name__}.noisy"]


def test_floats_come_back_bit_for_bit() -> None:
    floats = np.array([0.1, -0.0, np.nan, np.inf, 5e-324, np.nextafter(1.0, 2.0)])
    back = skops.io.loads(skops.io.dumps({"floats": floats}))["floats"]
    assert back.tobytes() == floats.tobytes()


def test_categories_keep_none_and_nan_apart() -> None:
    text = pd.DataFrame({"text": pd.Series(["a", None, "b"], dtype=object)})
    number = pd.DataFrame({"number": [1.0, np.nan, 2.0]})
    for table in (text, number):
        encoder = OneHotEncoder(handle_unknown="ignore").fit(table)
        back = skops.io.loads(skops.io.dumps(encoder))
        assert [type(value) for value in back.categories_[0]] == [
            type(value) for value in encoder.categories_[0]
        ]
        np.testing.assert_array_equal(
            back.transform(table).toarray(), encoder.transform(table).toarray()
        )


def test_compressed_files_are_read_like_others() -> None:
    import zipfile

    data = skops.io.dumps(Ridge().fit(NUMBERS, EVEN), compression=zipfile.ZIP_DEFLATED)
    assert skops.io.loads(data).coef_ == Ridge().fit(NUMBERS, EVEN).coef_
