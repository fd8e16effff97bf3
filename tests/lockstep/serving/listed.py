"""A server in this process in which a version is live, and a listing of others beside it."""

import json
from pathlib import Path
from typing import Any

from lockstep.artifacts.pointers import ListedVersion, Listing, write_listing
from lockstep.project.home import Home
from lockstep.serving.http.app import application
from lockstep.serving.protocols.service import Service
from lockstep.serving.requestlog.log import Log
from lockstep.serving.versions.canary import Canary
from lockstep.serving.versions.request_limits import RequestLimits
from tests.fixtures.asgi import Client, Told

Records = list[dict[str, Any]]


class Server:
    """A server in which version 1 is live, and a listing beside it."""

    def __init__(
        self,
        home: Home,
        live: Path,
        limits: RequestLimits | None = None,
        log: Log | None = None,
        canary: Canary | None = None,
    ) -> None:
        self.listing = home.listing("orders")
        self.service = Service("orders", live, limits, listing=self.listing, canary=canary, log=log)
        self.client = Client(application(self.service))
        self.client.runner.run(self.service.versions.look())

    def list(self, *versions: ListedVersion, challenger: int | None = None) -> None:
        by_number = {one.version: one for one in versions}
        write_listing(self.listing, Listing("orders", by_number, challenger))

        self.client.runner.run(self.service.versions.look_beside())

    def ask(self, orders: Records, path: str = "/invocations?version=2") -> Told:
        return self.client.post(path, {"dataframe_records": orders})

    async def asking(self, orders: Records, version: int) -> int:
        body = json.dumps({"dataframe_records": orders[:1]}).encode()
        headers = {"content-type": "application/json"}
        told = await self.client.exchange(
            "POST", f"/invocations?version={version}", [body], headers
        )
        return told.status

    @property
    def loaded(self) -> set[int]:
        return {scorer.loaded.version for scorer in self.service.versions.scorers.loaded}
