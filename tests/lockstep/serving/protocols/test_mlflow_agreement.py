"""MLflow's own scoring server beside ours in `compat`, the same version behind both."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lockstep.artifacts.pointers import read_live
from lockstep.project.home import Home
from tests.fixtures.asgi import Client

from .forms import CSV, FORMS, JSON, PARQUET, Records, columns, split


class Theirs:
    """What MLflow's server answers: its application, without a network."""

    def __init__(self, directory: Path) -> None:
        import mlflow.pyfunc
        from mlflow.pyfunc import scoring_server

        self.client = Client(scoring_server.init(mlflow.pyfunc.load_model(str(directory))))

    def post(self, body: Any, content_type: str) -> tuple[int, Any]:
        told = self.client.post("/invocations", body, content_type)
        return told.status, told.json() if told.status == 200 else None


@pytest.fixture(scope="module")
def theirs(live_home: Path) -> Any:
    live = read_live(Home(live_home).live("orders"))
    assert live is not None
    found = Theirs(live.directory.parent)
    with found.client:
        yield found


def body(name: str, rows: Any, **more: Any) -> bytes:
    return json.dumps({name: rows, **more}).encode()


ACCEPTED: dict[str, Any] = {
    **{name: form for name, form in FORMS.items() if name != "CSV"},
    "charset": lambda orders: (body("inputs", orders), f"{JSON}; charset=UTF-8"),
    "unknown params": lambda orders: (body("inputs", orders, params={"a": 1}), JSON),
    "another member": lambda orders: (body("inputs", orders, more=1), JSON),
    "another field": lambda orders: (body("inputs", [{**one, "more": 1} for one in orders]), JSON),
    "NaN": lambda orders: (body("inputs", [{**one, "weight": math.nan} for one in orders]), JSON),
    "fields of a record": lambda orders: (body("inputs", orders[0]), JSON),
    "Parquet of pandas": lambda orders: (pd.DataFrame(orders).to_parquet(), PARQUET),
}
"""What both take: the predictions are the same. (MLflow's server reads no CSV for a signature that
leaves values as they come.)"""

REFUSED: dict[str, Any] = {
    "no JSON": lambda _: (b"this is,,,, not valid json", JSON),
    "no object": lambda _: (b"[1]", JSON),
    "no format": lambda _: (b'{"not": "a serialized dataframe"}', JSON),
    "two formats": lambda _: (b'{"dataframe_records": [], "dataframe_split": {"data": []}}', JSON),
    "records as split": lambda orders: (body("dataframe_records", split(orders)), JSON),
    "split as records": lambda orders: (body("dataframe_split", orders), JSON),
    "index and rows": lambda _: (body("dataframe_split", {"index": [1], "data": [[1], [2]]}), JSON),
    "more in split": lambda orders: (body("dataframe_split", {**split(orders), "more": 1}), JSON),
    "other columns": lambda _: (body("dataframe_split", {"columns": ["a"], "data": [[1]]}), JSON),
    "lengths": lambda orders: (body("inputs", {**columns(orders), "price": [1.0]}), JSON),
    "text for a number": lambda orders: (body("inputs", [{**orders[0], "price": "high"}]), JSON),
    "null where none may be": lambda orders: (body("inputs", [{**orders[0], "gift": None}]), JSON),
    "not UTF-8": lambda _: (b'{"dataframe_records": ["\xff"]}', JSON),
    "empty CSV": lambda _: (b"", CSV),
    "CSV not in UTF-8": lambda _: (b"order_id\n\xff\n", CSV),
    "no Parquet": lambda _: (b"no such file", PARQUET),
    "another type": lambda orders: (body("inputs", orders), "not_a_type"),
    "another parameter": lambda orders: (body("inputs", orders), f"{JSON}; a=b"),
    "another charset": lambda orders: (body("inputs", orders), f"{JSON}; charset=latin-1"),
}
"""What neither takes: the status is the same."""


def table(predictions: Records) -> pd.DataFrame:
    """Predictions without the spelling of times, in which the servers differ."""
    return pd.DataFrame(predictions).assign(sent_at=lambda it: pd.to_datetime(it["sent_at"]))


@pytest.mark.filterwarnings("ignore")  # MLflow's, and those of what it loads
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_both_take_gets_the_same_predictions(
    compat: Client, theirs: Theirs, orders: Records, name: str
) -> None:
    sent, content_type = ACCEPTED[name](orders[:6])

    status, expected = theirs.post(sent, content_type)
    told = compat.post("/invocations", sent, content_type)

    assert (status, told.status) == (200, 200)
    pd.testing.assert_frame_equal(
        table(told.predictions), table(expected["predictions"]), rtol=1e-12
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_what_neither_takes_gets_the_same_status(
    compat: Client, theirs: Theirs, orders: Records, name: str
) -> None:
    sent, content_type = REFUSED[name](orders[:3])

    status, _ = theirs.post(sent, content_type)
    told = compat.post("/invocations", sent, content_type)

    assert (told.status, "error_code" in told.json()) == (status, True)


def test_mlflows_own_client_works_against_ours(compat: Client, orders: Records) -> None:
    from mlflow.deployments import PredictionsResponse
    from mlflow.utils.proto_json_utils import dump_input_data

    told = compat.post("/invocations", dump_input_data(pd.DataFrame(orders[:5])))

    frame = PredictionsResponse.from_json(told.content.decode()).get_predictions()
    assert frame["order_id"].tolist() == [order["order_id"] for order in orders[:5]]
