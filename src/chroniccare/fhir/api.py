"""/fhir: R4 reads and searches, the tenant by the credential."""

import orjson
from fastapi import APIRouter, Request, Response

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid
from chroniccare.fhir import actions, asking, bundles, capability, outcome, transactions, writing
from chroniccare.fhir.holding import Held
from chroniccare.fhir.kind import Check, Kind, Resource
from chroniccare.fhir.registry import KINDS, found, seen_by
from chroniccare.fhir.writing import checked
from chroniccare.platform.postgres import begin, database
from chroniccare.settings import address
from chroniccare.tenancy.api import Straight

router = APIRouter(prefix="/fhir", tags=["fhir"], route_class=Straight, include_in_schema=False)
public = APIRouter(prefix="/fhir", include_in_schema=False)

_JSON = {"json", "application/json", "application/fhir+json", "text/json"}
_ANY = {"*/*", "application/*"}
_FORM = "application/x-www-form-urlencoded"


@public.api_route("/metadata", methods=["GET", "HEAD"])
async def metadata(request: Request) -> Response:
    """Answer what the server can do; it is the same for everybody, so nobody is asked for a key."""
    _check_format(request)
    base = address(database().settings) + outcome.BASE
    answer = Response(capability.statement(base), media_type=outcome.MEDIA_TYPE)
    return _head(request, answer)


@router.api_route("/{kind}/{resource_id}", methods=["GET", "HEAD"])
async def read_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Answer one resource."""
    _check_format(request)
    caller = _caller(request)
    one = found(kind)
    caller = seen_by(caller, one)
    if not request.scope["query_string"] and (held := await actions.held(caller, one, resource_id)):
        return _held(request, held)
    resource = await actions.read(caller, one, resource_id)
    return _answer(request, one, resource)


@router.post("/{kind}/_search")
async def search_by_form(kind: str, request: Request) -> Response:
    """Answer a search whose parameters are in the body, where no log sees them."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != _FORM:
        raise outcome.UnsupportedMedia
    try:
        body = (await request.body()).decode()
    except UnicodeDecodeError:
        raise Invalid.field("body", "is not UTF-8", "encoding") from None
    return await _search(kind, request, [*_pairs(request), *asking.pairs_of(body)])


@router.api_route("/{kind}", methods=["GET", "HEAD"])
async def search(kind: str, request: Request) -> Response:
    """Answer one page of a search."""
    return await _search(kind, request, _pairs(request))


async def _search(name: str, request: Request, pairs: list[tuple[str, str]]) -> Response:
    _check_format(request, pairs)
    caller, kind = _caller(request), found(name)
    strict = "handling=lenient" not in request.headers.get("prefer", "").replace(" ", "")
    ask = asking.read(kind, KINDS, pairs, strict=strict)
    bundle = await actions.search(seen_by(caller, kind), kind, ask)
    return _head(request, Response(_written(request, bundle), media_type=outcome.MEDIA_TYPE))


def _head(request: Request, response: Response) -> Response:
    """Return the answer, of HEAD without its body; its length stays."""
    if request.method == "HEAD":
        response.body = b""
    return response


@router.post("/{kind}")
async def create_resource(kind: str, request: Request) -> Response:
    """Make a record; with If-None-Exist only if none matches."""
    _check_format(request)
    _check_media(request)
    one = found(kind)
    unless, body = request.headers.get("if-none-exist"), await request.body()
    caller = seen_by(_caller(request), one)
    async with begin(caller) as tx:
        written = await writing.create(tx, one, body, unless=unless)
    await writing.note(caller, one, written)
    return _told(request, written)


@router.put("/{kind}/{resource_id}")
async def update_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Replace a record; with If-Match only if nobody changed it since."""
    _check_format(request)
    _check_media(request)
    one = found(kind)
    body = await request.body()
    async with begin(seen_by(_caller(request), one)) as tx:
        written = await writing.update(tx, one, resource_id, body, check=_check(request))
    return _told(request, written)


@router.delete("/{kind}/{resource_id}")
async def delete_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Remove a record; 204, also when it is gone already."""
    async with begin(_caller(request)) as tx:
        await writing.delete(tx, found(kind), resource_id, check=_check(request))
    return Response(status_code=204)


@router.post("")
async def bundle(request: Request) -> Response:
    """Take a Bundle: a transaction is done as a whole or not at all, a batch entry by entry."""
    _check_format(request)
    _check_media(request)
    prefer = request.headers.get("prefer", "").replace(" ", "")
    answer = await transactions.take(
        _caller(request), await request.body(), told="return=minimal" not in prefer
    )
    return Response(_written(request, answer), media_type=outcome.MEDIA_TYPE)


def _check(request: Request) -> Check:
    """Return what compares a version with If-Match, whose ETags are weak here."""
    return checked(request.headers.get("if-match"))


def _check_media(request: Request) -> None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {"application/fhir+json", wire.JSON}:
        raise outcome.UnsupportedMedia


def _told(request: Request, written: writing.Written) -> Response:
    """Return what was written, as much of it as the client prefers."""
    resource = written.resource
    name = f"{resource['resourceType']}/{resource['id']}"
    base = address(database().settings) + outcome.BASE
    headers = {
        "etag": f'W/"{resource["meta"]["versionId"]}"',
        "last-modified": bundles.http_date(resource["meta"]["lastUpdated"]),
        "location": f"{base}/{name}",
    }
    prefer = request.headers.get("prefer", "").replace(" ", "")
    if "return=minimal" in prefer:
        return Response(status_code=written.status, headers=headers)
    if "return=OperationOutcome" in prefer:
        resource = outcome.information(f"{name} is written.")
    return Response(
        _written(request, resource), written.status, headers=headers, media_type=outcome.MEDIA_TYPE
    )


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope["chroniccare.caller"]
    return caller


def _pairs(request: Request) -> list[tuple[str, str]]:
    return asking.pairs_of(request.scope["query_string"].decode("latin-1"))


def _check_format(request: Request, pairs: list[tuple[str, str]] | None = None) -> None:
    """Check that the client takes JSON, the only format.

    Raises:
        NotAcceptable: it asks for another.
    """
    if pairs is None:
        pairs = _pairs(request) if request.scope["query_string"] else []
    wanted = dict(pairs).get("_format") if pairs else None
    if wanted is None:
        accept = request.headers.get("accept") or "*/*"
        kinds = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
        if kinds & (_JSON | _ANY):
            return
        raise outcome.NotAcceptable
    if wanted.partition(";")[0].strip().lower().replace(" ", "+") not in _JSON:
        raise outcome.NotAcceptable


def _answer(request: Request, kind: Kind, resource: Resource) -> Response:
    """Return one resource with its version, or 304 when the client has that already."""
    pairs = dict(_pairs(request))
    headers = {
        "etag": f'W/"{resource["meta"]["versionId"]}"',
        "last-modified": bundles.http_date(resource["meta"]["lastUpdated"]),
    }
    if _knows(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    summary, elements = pairs.get("_summary", "false"), asking.split(pairs.get("_elements", ""))
    resource = bundles.reduced(kind, resource, summary=summary, elements=elements)
    response = Response(_written(request, resource), headers=headers, media_type=outcome.MEDIA_TYPE)
    return _head(request, response)


def _held(request: Request, one: Held) -> Response:
    """Return one resource that was there as bytes, or 304."""
    headers = {"etag": f'W/"{one.version}"', "last-modified": one.modified}
    if _knows(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return _head(request, Response(one.data, headers=headers, media_type=outcome.MEDIA_TYPE))


def _knows(request: Request, etag: str) -> bool:
    """Say whether the client has this version already."""
    known = request.headers.get("if-none-match")
    # Who has broken the glass may hold the version of before, without what was hidden.
    if known is None or _caller(request).emergency_id is not None:
        return False
    tags = {one.strip().removeprefix("W/") for one in known.split(",")}
    return bool(tags & {"*", etag.removeprefix("W/")})


def _written(request: Request, resource: Resource) -> bytes:
    written = wire.dumps(resource)
    if request.scope["query_string"] and dict(_pairs(request)).get("_pretty") == "true":
        return wire.pretty(orjson.loads(written))  # what is held is bytes by now
    return written
