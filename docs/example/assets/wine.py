"""Where bottles come from: the table that ships with scikit-learn, and files in the inbox."""

import pandas as pd
from sklearn.datasets import load_wine

from expectations.wine import SUITES
from lockstep import FunctionSource, PipelineAssets, Quality
from transforms.wine import PIPELINE


def history() -> pd.DataFrame:
    """All analysed bottles, with their growers."""
    table = load_wine(as_frame=True)
    frame = table.frame.rename(columns={"total_phenols": "phenols"})
    return pd.DataFrame(
        {
            "bottle": [f"bottle {number}" for number in range(len(frame))],
            **{
                name: frame[name]
                for name in ("alcohol", "flavanoids", "phenols", "color_intensity", "proline")
            },
            "grower": table.target.map({0: "barolo", 1: "grignolino", 2: "barbera"}),
        }
    )


ASSETS = PipelineAssets(
    pipeline=PIPELINE,
    suites=SUITES,
    history=FunctionSource(history),
    quality=(Quality("cultivar", "true_cultivar", "accuracy", threshold=0.85),),
)
