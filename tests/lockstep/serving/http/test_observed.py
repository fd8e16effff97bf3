"""What is counted of requests: each by its route, of which there are few."""

from pathlib import Path

import pytest

from lockstep.serving.http.app import application
from lockstep.serving.http.server import Observed
from lockstep.serving.protocols.service import Service
from tests.fixtures.asgi import Client


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/ping", "/ping"),
        ("/v2", "/v2"),
        ("/v2/models/orders", "/v2/models/{name}"),
        ("/v2/models/orders/versions/1/infer", "/v2/models/{name}/versions/{version}/infer"),
        ("/v2/models/orders/no/such", "other"),
        ("/favicon.ico", "other"),
    ],
)
def test_a_request_is_counted_by_its_route(path: str, route: str) -> None:
    service = Service("orders", Path("nowhere"))
    answering = application(service)
    observed = Observed(answering, service, answering.route_of)

    with Client(observed) as client:
        status = client.get(path).status

    counted = f'lockstep_requests_total{{pipeline="orders",route="{route}",status="{status}"}} 1.0'
    assert counted in service.metrics.text().decode()


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("POST", "/invocations", 1),
        ("POST", "/v2/models/orders/infer", 1),
        ("GET", "/ping", 0),
        ("GET", "/page/now", 0),
    ],
)
def test_requests_to_score_records_are_the_traffic(method: str, path: str, counted: int) -> None:
    service = Service("orders", Path("nowhere"))
    answering = application(service)
    observed = Observed(answering, service, answering.route_of)

    with Client(observed) as client:
        client.request(method, path)

    assert sum(sum(one.counts) for one in service.traffic.last()) == counted
