"""What the routers beside `fhir.api` share: how a request is read, and how an answer is written."""

from functools import partial
from typing import Any

from fastapi import Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid
from chroniccare.fhir import api, asking, outcome
from chroniccare.fhir.kind import Check, Resource
from chroniccare.platform.postgres import database
from chroniccare.settings import address
from chroniccare.tenancy.api import check_version

_FORM = "application/x-www-form-urlencoded"

# One way to say it: these are the router's own.
check_format = api._check_format  # noqa: SLF001  as above
check_media = api._check_media  # noqa: SLF001  as above
pairs_of = api._pairs  # noqa: SLF001  as above


def caller_of(request: Request) -> Caller:
    """Return who asks."""
    caller: Caller = request.scope["chroniccare.caller"]
    return caller


def check_of(request: Request) -> Check:
    """Return what compares a version with If-Match, whose ETags are weak here."""
    wanted = request.headers.get("if-match")
    return partial(check_version, None if wanted is None else wanted.replace("W/", ""))


def is_strict(request: Request) -> bool:
    """Say whether parameters that are not known are refused."""
    return "handling=lenient" not in request.headers.get("prefer", "").replace(" ", "")


async def form_of(request: Request) -> list[tuple[str, str]]:
    """Return the parameters of a form, behind those of the address.

    Raises:
        UnsupportedMedia: the body is none.
        Invalid: it is not UTF-8.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise outcome.UnsupportedMedia
    try:
        body = (await request.body()).decode()
    except UnicodeDecodeError:
        raise Invalid.field("body", "is not UTF-8", "encoding") from None
    return [*pairs_of(request), *asking.pairs_of(body)]


def answered(request: Request, resource: Resource, status: int = 200) -> Response:
    """Return a resource, with its version if it has one."""
    headers: dict[str, str] = {}
    meta: dict[str, Any] = resource.get("meta", {})
    if "versionId" in meta:
        headers["etag"] = f'W/"{meta["versionId"]}"'
    if status == 201:  # noqa: PLR2004  created
        base = address(database().settings) + outcome.BASE
        headers["location"] = f"{base}/{resource['resourceType']}/{resource['id']}"
    written = wire.pretty if dict(pairs_of(request)).get("_pretty") == "true" else wire.dumps
    response = Response(written(resource), status, headers=headers, media_type=outcome.MEDIA_TYPE)
    if request.method == "HEAD":
        response.body = b""
    return response
