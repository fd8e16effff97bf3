"""Where bottles come from: here, from a table that ships with scikit-learn."""

import pandas as pd
from sklearn.datasets import load_wine

from expectations.wine import SUITES
from lockstep import FunctionSource, PipelineAssets, Quality, Serving
from transforms.wine import CULTIVARS, PIPELINE


def history() -> pd.DataFrame:
    """All bottles whose cultivar is known: the fields of Bottle and of Origin."""
    table = load_wine(as_frame=True)
    frame = table.frame.rename(columns={"total_phenols": "phenols"})
    frame["bottle"] = [f"bottle {number}" for number in range(len(frame))]
    frame["cultivar"] = table.target.map(dict(enumerate(CULTIVARS)))
    measured = ["alcohol", "flavanoids", "phenols", "color_intensity", "proline"]
    return frame[["bottle", *measured, "cultivar"]]


ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    suites=SUITES,
    history=FunctionSource(history),  # or CsvSource("bottles.csv"), ParquetSource, SqlSource
    quality=[Quality("likely_cultivar", "true_cultivar", "accuracy", threshold=0.85)],
    serving=Serving(),  # `lockstep up` starts an HTTP server that answers with the live version
)
