"""`/docs` and `/openapi.json`: what a version takes and gives, from its own declaration."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import jsonschema
import pytest

from lockstep.artifacts.version import LoadedVersion
from lockstep.serving.protocols.examples import example_of, usual_value
from lockstep.serving.versions.request_scorer import Scorer
from tests.fixtures.asgi import Client

Records = list[dict[str, Any]]


@pytest.fixture
def described(client: Client) -> dict[str, Any]:
    told = client.get("/openapi.json")
    assert told.status == 200
    found: dict[str, Any] = told.json()
    return found


def validator(described: dict[str, Any], name: str) -> Any:
    root = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    return jsonschema.Draft202012Validator(root)


def test_the_fields_have_their_types_and_the_comments_beside_them(
    described: dict[str, Any],
) -> None:
    fields = described["components"]["schemas"]["Order"]["properties"]

    assert fields["price"]["type"] == "number"
    assert fields["price"]["description"].startswith("euros")
    assert fields["weight"]["type"] == ["number", "null"]
    assert fields["sent_at"] == {"type": "string", "format": "date-time"}


def test_a_row_rule_is_told_with_its_field(
    described: dict[str, Any], loaded: LoadedVersion
) -> None:
    fields = described["components"]["schemas"]["Order"]["properties"]

    assert "Refused unless " in fields["price"]["description"]


def test_outputs_are_told_as_their_author_documented_them(described: dict[str, Any]) -> None:
    outputs = described["components"]["schemas"]["Prediction"]["properties"]

    assert outputs["loss"]["description"] == "Euros that are lost on average."
    assert outputs["will_return"]["type"] == "boolean"


def test_a_response_is_described_by_what_the_error_means(described: dict[str, Any]) -> None:
    responses = [
        response
        for path in described["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
        for response in operation["responses"].values()
        if "description" in response
    ]

    descriptions = [response["description"] for response in responses]

    refused = described["paths"]["/invocations"]["post"]["responses"]["422"]
    assert refused["description"] == (
        "Rows or the body are refused. Rows do not fit their declaration, or break a row rule."
    )
    assert not [text for text in descriptions if "Attributes:" in text or "Args:" in text]


def test_records_that_are_scored_fit_the_document_and_so_do_their_predictions(
    client: Client, described: dict[str, Any], orders: Records
) -> None:
    predictions = client.post("/invocations", {"dataframe_records": orders}).json()["predictions"]

    for order in orders:
        validator(described, "Order").validate(order)
    for prediction in predictions:
        validator(described, "Prediction").validate(prediction)


@pytest.mark.parametrize("change", [{"price": "1"}, {"items": 2.5}, {"gift": None}, {"more": 1}])
def test_records_that_are_refused_do_not_fit_it(
    client: Client, described: dict[str, Any], orders: Records, change: dict[str, Any]
) -> None:
    record = {**orders[0], **change}

    assert client.post("/invocations", {"dataframe_records": [record]}).status == 422
    assert not validator(described, "Order").is_valid(record)


def test_the_example_is_answered_and_is_nobodys_record(
    client: Client, described: dict[str, Any], loaded: LoadedVersion
) -> None:
    body = described["paths"]["/invocations"]["post"]["requestBody"]["content"]
    example = body["application/json"]["example"]

    assert client.post("/invocations", example).status == 200
    (record,) = example["dataframe_records"]
    assert record["order_id"] not in loaded.golden.records["order_id"].tolist()


def test_where_usual_values_do_not_fit_one_another_the_example_is_one_of_training(
    scorer: Scorer, loaded: LoadedVersion
) -> None:
    profile = loaded.profile
    price = replace(profile.columns["price"], quantiles=[-1.0])
    changed = replace(profile, columns={**profile.columns, "price": price})
    refused = replace(scorer, loaded=replace(loaded, profile=changed))

    found = example_of(refused, hidden=["weight"])

    assert found is not None
    assert found[0]["price"] in loaded.golden.records["price"]
    assert found[0]["weight"] == usual_value(refused, scorer.pipeline.record_schema["weight"])


def test_in_compat_more_fields_are_admitted(compat: Client) -> None:
    described = compat.get("/openapi.json").json()

    assert described["components"]["schemas"]["Order"]["additionalProperties"] is True
    assert "422" not in described["paths"]["/invocations"]["post"]["responses"]


def test_every_path_of_the_document_is_there(client: Client, described: dict[str, Any]) -> None:
    for path, item in described["paths"].items():
        asked = path.replace("{name}", "orders").replace("{version}", "1")
        for verb in item.keys() & {"get", "post"}:
            assert client.request(verb.upper(), asked).status not in (404, 405), path


class Page(HTMLParser):
    """What a page shows, and what it would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text, self.tags, self.loads = "", [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.loads += [value for name, value in attrs if name == "src"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_fields_outputs_and_paths_and_loads_nothing(client: Client) -> None:
    told = client.get("/docs")

    assert told.status == 200
    assert told.headers["content-type"] == "text/html; charset=utf-8"
    page = Page(told.content.decode())
    for said in ("kilograms", "Euros that are lost on average.", "/v2/models/{name}/infer"):
        assert said in page.text
    assert "script" not in page.tags
    assert page.loads == []


def test_the_request_on_the_page_is_one_that_is_answered(client: Client) -> None:
    text = Page(client.get("/docs").content.decode()).text
    body = text.partition("<<'END'\n")[2].partition("\nEND")[0]

    assert client.post("/invocations", json.loads(body)).status == 200


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({"host": "models.example.org:8443"}, "http://models.example.org:8443"),
        ({"host": "[::1]:8081"}, "http://[::1]:8081"),
        ({"host": "$(reboot)"}, "http://127.0.0.1:80"),
        ({}, "http://127.0.0.1:80"),
    ],
)
def test_the_request_on_the_page_goes_where_the_page_came_from(
    client: Client, headers: dict[str, str], address: str
) -> None:
    text = Page(client.request("GET", "/docs", headers=headers).content.decode()).text

    assert f"curl {address}/invocations " in text
