"""What the routers of /fhir share: how a request is read, and how an answer is written."""

from typing import Any

from fastapi import Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid
from chroniccare.fhir import asking, conditional, outcome
from chroniccare.fhir.kind import Check, Resource
from chroniccare.platform.postgres import database
from chroniccare.settings import address

_JSON = {"json", "application/json", "application/fhir+json", "text/json"}
_VERSIONS = {"4.0", "4.0.1"}
_ANY = {"*/*", "application/*"}
_FORM = "application/x-www-form-urlencoded"


def media_of(request: Request) -> str:
    """Return of what media type the body says it is."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_r4(media: str) -> bool:
    """Say whether the parameters of a media type ask for no other version of FHIR than R4."""
    for one in media.split(";")[1:]:
        name, _, value = one.partition("=")
        if name.strip().lower() == "fhirversion":
            return value.strip().strip('"') in _VERSIONS
    return True


def check_format(request: Request, pairs: list[tuple[str, str]] | None = None) -> None:
    """Check that the client takes JSON of R4, the only format.

    Raises:
        NotAcceptable: it asks for another.
    """
    if pairs is None:
        pairs = pairs_of(request) if request.scope["query_string"] else []
    wanted = dict(pairs).get("_format") if pairs else None
    if wanted is None:
        accept = request.headers.get("accept") or "*/*"
        able = [one for one in accept.split(",") if _is_r4(one)]
        kinds = {one.partition(";")[0].strip().lower() for one in able}
        if kinds & (_JSON | _ANY):
            return
        raise outcome.NotAcceptable
    media = wanted.partition(";")[0].strip().lower().replace(" ", "+")
    if media not in _JSON or not _is_r4(wanted):
        raise outcome.NotAcceptable


def check_media(request: Request) -> None:
    """Check that the body is R4 as JSON.

    Raises:
        UnsupportedMedia: it is not.
    """
    media = media_of(request)
    is_r4 = _is_r4(request.headers.get("content-type", ""))
    if media not in {"application/fhir+json", wire.JSON} or not is_r4:
        raise outcome.UnsupportedMedia


def pairs_of(request: Request) -> list[tuple[str, str]]:
    """Return the parameters of the address."""
    return asking.pairs_of(request.scope["query_string"].decode("latin-1"))


def caller_of(request: Request) -> Caller:
    """Return who asks."""
    caller: Caller = request.scope["chroniccare.caller"]
    return caller


def check_of(request: Request) -> Check:
    """Return what compares a version with If-Match and If-None-Match, whose ETags are weak here."""
    sent = request.headers
    return conditional.checked(sent.get("if-match"), sent.get("if-none-match"))


def is_strict(request: Request) -> bool:
    """Say whether parameters that are not known are refused."""
    return "handling=lenient" not in request.headers.get("prefer", "").replace(" ", "")


async def form_of(request: Request) -> list[tuple[str, str]]:
    """Return the parameters of a form, behind those of the address.

    Raises:
        UnsupportedMedia: the body is none.
        Invalid: it is not UTF-8.
    """
    if media_of(request) != _FORM:
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
