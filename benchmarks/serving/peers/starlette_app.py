"""Starlette with nothing around it: JSON in, the pipeline's own prediction, JSON out."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.serving.peers.reference import Reference

reference = Reference()


async def predict(request: Request) -> JSONResponse:
    """Predict for the records of one request; in the loop, which is faster than in a thread."""
    asked = await request.json()
    return JSONResponse({"predictions": reference.predict(asked["dataframe_records"])})


app = Starlette(routes=[Route("/invocations", predict, methods=["POST"])])
