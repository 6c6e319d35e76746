"""An API function: the application with the routers of one slice, behind API Gateway."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from typing import Any

from fastapi import APIRouter, FastAPI
from mangum import Mangum

from chroniccare.assembly import AllowedOfFhir, assemble
from chroniccare.core import wire
from chroniccare.core.errors import Invalid, Problem, Unavailable
from chroniccare.lambdas import environment
from chroniccare.settings import Settings
from chroniccare.tenancy.caller import Authority

log = logging.getLogger(__name__)

Handler = Callable[[Any, Any], dict[str, Any]]
Held = Mapping[str, Callable[[Authority, Settings], object]]
"""What routes of a function look for in `app.state`, by name, and how it is made."""
Apart = Callable[[str], str | None]
"""From a path to the module whose `ROUTERS`, and what they `HELD`, have it; None: none has."""
_TEXTS = ["text/", "application/json", "application/fhir+json", "application/x-ndjson"]
_NEEDED = ("httpMethod", "path", "headers", "requestContext")
"""Of every request of a REST API, by AWS's format 1.0 of proxy events."""


def serving(
    name: str, routers: Sequence[APIRouter], *, held: Held | None = None,
    allowed_of_fhir: AllowedOfFhir | None = None, apart: Apart | None = None,
) -> Handler:  # fmt: skip
    """Return the handler of the function `name`, which has these routers and no others.

    What is `apart` is imported by the first request that asks for it, and kept.
    """
    served = cache(partial(_served, routers, held or {}, allowed_of_fhir))
    environment.start(served)

    def handler(event: Any, context: Any) -> dict[str, Any]:
        if not _is_request(event):
            environment.count(name, RejectedEvents=1)
            return _failure(Invalid("The event is no request of a REST API."), context)
        module = apart(event["path"]) if apart else None
        app, mangum = _served_by(module) if module else served()
        try:
            app.state.platform = environment.run(environment.platform())
        except Unavailable as problem:
            log.warning("no database", extra={"function": name})
            return _failure(problem, context)
        return mangum(event, context)

    return handler


@cache
def _served_by(module: str) -> tuple[FastAPI, Mangum]:
    with environment.loading():
        made = import_module(module)
        return _served(made.ROUTERS, made.HELD, None)


def _made(
    routers: Sequence[APIRouter], held: Held, allowed_of_fhir: AllowedOfFhir | None
) -> FastAPI:
    app = FastAPI(
        openapi_url=None, redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )  # fmt: skip
    settings = environment.settings()
    assemble(app, settings, routers, allowed_of_fhir=allowed_of_fhir)
    for name, make in held.items():
        setattr(app.state, name, make(app.state.authority, settings))
    return app


def _served(
    routers: Sequence[APIRouter], held: Held, allowed_of_fhir: AllowedOfFhir | None
) -> tuple[FastAPI, Mangum]:
    app = _made(routers, held, allowed_of_fhir)
    environment.loop()
    logging.getLogger("mangum").setLevel(logging.WARNING)  # below, it logs paths, and so ids
    mangum = Mangum(app, lifespan="off", text_mime_types=_TEXTS)
    mangum(_WARM_UP, _NOBODY)  # the stack of middleware is built while there is a whole CPU
    return app, mangum


_NOBODY: Any = None
_WARM_UP = {
    "httpMethod": "GET", "path": "/livez", "headers": {}, "multiValueHeaders": {},
    "queryStringParameters": None, "multiValueQueryStringParameters": None, "body": None,
    "isBase64Encoded": False, "resource": "/livez",
    "requestContext": {"identity": {"sourceIp": "127.0.0.1"}},
}  # fmt: skip


def _is_request(event: Any) -> bool:
    """Return whether Mangum can make a request of `event`."""
    if not isinstance(event, Mapping) or not all(name in event for name in _NEEDED):
        return False
    texts = (event["httpMethod"], event["path"])
    return all(isinstance(one, str) for one in texts) and (
        isinstance(event["requestContext"], Mapping)
        and isinstance(event.get("body"), str | None)
        and isinstance(event["headers"], Mapping | None)
    )


def _failure(problem: Problem, context: Any) -> dict[str, Any]:
    headers = {"content-type": wire.JSON, "cache-control": "no-store"}
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    body = wire.failure(problem, str(context.aws_request_id)).decode()
    return {
        "statusCode": problem.status, "headers": headers, "body": body, "isBase64Encoded": False,
    }  # fmt: skip
