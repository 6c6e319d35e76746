"""/fhir: R4 reads, searches, histories and writes, the tenant by the credential."""

from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Request, Response

from chroniccare.core import wire
from chroniccare.core.errors import Invalid
from chroniccare.fhir import (
    actions,
    asking,
    bundles,
    capability,
    changing,
    conditional,
    history,
    outcome,
    transactions,
    values,
    writing,
)
from chroniccare.fhir.answers_api import (
    caller_of,
    check_format,
    check_media,
    check_of,
    form_of,
    media_of,
    pairs_of,
)
from chroniccare.fhir.holding import Held
from chroniccare.fhir.kind import Kind, Resource, is_told_by_version
from chroniccare.fhir.queries_versions import Version
from chroniccare.fhir.registry import KINDS, reads, seen_by
from chroniccare.fhir.registry import found as of_registry
from chroniccare.platform.gathering import gathered
from chroniccare.platform.postgres import begin, database
from chroniccare.settings import address
from chroniccare.tenancy.api import Straight

router = APIRouter(prefix="/fhir", tags=["fhir"], route_class=Straight, include_in_schema=False)
_SUMMARIES = frozenset({"data", "false", "text", "true"})
"""Of one resource, of which there is no count."""
_READ = msgspec.json.Decoder(float_hook=Decimal)
public = APIRouter(prefix="/fhir", include_in_schema=False)


@public.api_route("/metadata", methods=["GET", "HEAD"])
async def metadata(request: Request) -> Response:
    """Answer what the server can do; it is the same for everybody, so nobody is asked for a key."""
    check_format(request)
    base = address(database().settings) + outcome.BASE
    exports = bool(database().settings.fhir_export_dir)
    answer = Response(capability.statement(base, exports=exports), media_type=outcome.MEDIA_TYPE)
    return _head(request, answer)


@public.api_route("/metadata", methods=["DELETE", "PATCH", "POST", "PUT"])
async def no_metadata() -> Response:
    """Refuse what would else be of a type of this name."""
    raise outcome.NotWritable


@router.api_route("/_history", methods=["GET", "HEAD"])
async def history_of_all(request: Request) -> Response:
    """Answer what was changed, whatever it is of."""
    check_format(request)
    bundle = await history.of_all(caller_of(request), history.wanted(pairs_of(request)))
    return _head(request, Response(_written(request, bundle), media_type=outcome.MEDIA_TYPE))


@router.api_route("/{kind}/_history", methods=["GET", "HEAD"])
async def history_of_type(kind: str, request: Request) -> Response:
    """Answer what was changed of a type."""
    check_format(request)
    one, ask = found(kind), history.wanted(pairs_of(request))
    bundle = await history.of_type(seen_by(caller_of(request), one), one, ask)
    return _head(request, Response(_written(request, bundle), media_type=outcome.MEDIA_TYPE))


@router.api_route("/{kind}/{resource_id}/_history", methods=["GET", "HEAD"])
async def history_of_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Answer every version of a record."""
    check_format(request)
    one, ask = found(kind), history.wanted(pairs_of(request))
    bundle = await history.of_record(seen_by(caller_of(request), one), one, resource_id, ask)
    return _head(request, Response(_written(request, bundle), media_type=outcome.MEDIA_TYPE))


@router.api_route("/{kind}/{resource_id}/_history/{version}", methods=["GET", "HEAD"])
async def read_version(kind: str, resource_id: str, version: str, request: Request) -> Response:
    """Answer a record as it was."""
    check_format(request)
    one, part = found(kind), _part(request)
    resource = await history.version(seen_by(caller_of(request), one), one, resource_id, version)
    return _answer(request, one, resource, part)


@router.api_route("/{kind}/{resource_id}", methods=["GET", "HEAD"])
async def read_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Answer one resource."""
    check_format(request)
    caller = caller_of(request)
    one = found(kind)
    caller = seen_by(caller, one)
    if not request.scope["query_string"] and (held := await actions.held(caller, one, resource_id)):
        return _held(request, held)
    part = _part(request)
    resource = await actions.read(caller, one, resource_id)
    return _answer(request, one, resource, part)


@router.post("/{kind}/_search")
async def search_by_form(kind: str, request: Request) -> Response:
    """Answer a search whose parameters are in the body, where no log sees them."""
    return await _search(kind, request, await form_of(request))


@router.api_route("/{kind}", methods=["GET", "HEAD"])
async def search(kind: str, request: Request) -> Response:
    """Answer one page of a search."""
    return await _search(kind, request, pairs_of(request))


async def _search(name: str, request: Request, pairs: list[tuple[str, str]]) -> Response:
    check_format(request, pairs)
    caller, kind = caller_of(request), found(name)
    strict = "handling=lenient" not in request.headers.get("prefer", "").replace(" ", "")
    ask = asking.read(kind, KINDS, pairs, strict=strict)
    bundle = await actions.search(seen_by(caller, kind), kind, ask)
    return _head(request, Response(_written(request, bundle), media_type=outcome.MEDIA_TYPE))


def found(name: str) -> Kind:
    """Return the type called `name`.

    Raises:
        NotFound: it is not served.
        NotWritable: it is by routes of its own, for all that can be done with it.
    """
    if name in capability.APART:
        raise outcome.NotWritable
    return of_registry(name)


def _head(request: Request, response: Response) -> Response:
    """Return the answer, of HEAD without its body; its length stays."""
    if request.method == "HEAD":
        response.body = b""
    return response


@router.post("/{kind}")
async def create_resource(kind: str, request: Request) -> Response:
    """Make a record; with If-None-Exist, or a query as fhirpy has it, only if none matches."""
    check_format(request)
    check_media(request)
    one = found(kind)
    unless, body = request.headers.get("if-none-exist") or _searched(request), await request.body()
    caller = seen_by(caller_of(request), one)
    async with begin(caller) as tx, gathered(tx):
        written = await writing.create(tx, one, body, unless=unless)
    await writing.note(caller, one, written)
    return _told(request, written)


@router.put("/{kind}/{resource_id}")
async def update_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Replace a record; with If-Match only if nobody changed it since."""
    check_format(request)
    check_media(request)
    one = found(kind)
    body = await request.body()
    async with begin(seen_by(caller_of(request), one)) as tx:
        written = await writing.update(tx, one, resource_id, body, check=check_of(request))
    return _told(request, written)


@router.put("/{kind}")
async def update_matching(kind: str, request: Request) -> Response:
    """Replace the one record that the query finds, or make one."""
    check_format(request)
    check_media(request)
    one = found(kind)
    body = await request.body()
    condition = changing.Condition(check_of(request), bool(request.headers.get("if-match")))
    async with begin(seen_by(caller_of(request), one)) as tx:
        written = await changing.update_where(tx, one, _query(request), body, condition=condition)
    return _told(request, written)


@router.patch("/{kind}/{resource_id}")
async def patch_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Change a part of a record: by JSON Patch, or by FHIRPath Patch."""
    one, change = await _change(kind, request)
    async with begin(seen_by(caller_of(request), one)) as tx:
        written = await changing.patch(tx, one, resource_id, change, check=check_of(request))
    return _told(request, written)


@router.patch("/{kind}")
async def patch_matching(kind: str, request: Request) -> Response:
    """Change a part of the one record that the query finds."""
    one, change = await _change(kind, request)
    async with begin(seen_by(caller_of(request), one)) as tx:
        query, check = _query(request), check_of(request)
        written = await changing.patch_where(tx, one, query, change, check=check)
    return _told(request, written)


async def _change(kind: str, request: Request) -> tuple[Kind, changing.Change]:
    check_format(request)
    media = media_of(request)
    if media != changing.JSON_PATCH:
        check_media(request)
    return found(kind), changing.change_of(await request.body(), media)


@router.delete("/{kind}/{resource_id}")
async def delete_resource(kind: str, resource_id: str, request: Request) -> Response:
    """Remove a record; 204, also when it is gone already."""
    async with begin(caller_of(request)) as tx:
        gone = await writing.delete(tx, found(kind), resource_id, check=check_of(request))
    return _removed(gone)


@router.delete("/{kind}")
async def delete_matching(kind: str, request: Request) -> Response:
    """Remove the one record that the query finds; 204, also when there is none."""
    async with begin(caller_of(request)) as tx:
        query, check = _query(request), check_of(request)
        gone = await changing.delete_where(tx, found(kind), query, check=check)
    return _removed(gone)


def _removed(gone: Version | None) -> Response:
    headers = {} if gone is None else _versioned(gone.version, gone.updated_at)
    return Response(status_code=204, headers=headers)


def _searched(request: Request) -> str | None:
    """Return the search that stands in the address, without what says how to answer."""
    if not request.scope["query_string"]:
        return None
    pairs = [one for one in pairs_of(request) if one[0] not in {"_format", "_pretty"}]
    return urlencode(pairs) or None


def _query(request: Request) -> str:
    return str(request.scope["query_string"].decode("latin-1"))


@router.post("")
@router.post("/")  # so say stock clients
async def bundle(request: Request) -> Response:
    """Take a Bundle: a transaction is done as a whole or not at all, a batch entry by entry."""
    check_format(request)
    check_media(request)
    answer = await transactions.take(
        caller_of(request), await request.body(), told=_preferred(request)
    )
    return Response(_written(request, answer), media_type=outcome.MEDIA_TYPE)


def _preferred(request: Request) -> transactions.Told:
    """Return what of a write the client wants to be told."""
    prefer = request.headers.get("prefer", "").replace(" ", "")
    if "return=minimal" in prefer:
        return "minimal"
    return "OperationOutcome" if "return=OperationOutcome" in prefer else "representation"


def _told(request: Request, written: writing.Written) -> Response:
    """Return what was written, as much of it as the client prefers."""
    resource = written.resource
    name = f"{resource['resourceType']}/{resource['id']}"
    base = address(database().settings) + outcome.BASE
    headers = {**_version(resource), "location": f"{base}/{writing.location(resource)}"}
    may_read = reads(caller_of(request), KINDS[resource["resourceType"]])
    told = _preferred(request) if may_read else "minimal"
    if told == "minimal":
        return Response(status_code=written.status, headers=headers)
    if told == "OperationOutcome":
        resource = outcome.information(f"{name} is written.")
    return Response(
        _written(request, resource), written.status, headers=headers, media_type=outcome.MEDIA_TYPE
    )


def _part(request: Request) -> tuple[str, list[str]]:
    """Return how much of one resource is asked for, by `_summary` and `_elements`.

    Raises:
        Invalid: that is no summary of one.
    """
    given = pairs_of(request)
    pairs = dict(given)
    summary = pairs.get("_summary", "false")
    if [name for name, _ in given].count("_summary") > 1:
        raise Invalid.field("_summary", "must be given once", "value")
    if summary not in _SUMMARIES:
        raise Invalid.field("_summary", "must be true, text, data or false", "value")
    return summary, values.split(pairs.get("_elements", ""))


def _answer(
    request: Request, kind: Kind, resource: Resource, part: tuple[str, list[str]]
) -> Response:
    """Return a part of one resource with its version, or 304 when the client has that already."""
    headers = _version(resource)
    if is_told_by_version(kind) and _knows(
        request, resource["meta"]["versionId"], resource["meta"]["lastUpdated"]
    ):
        return Response(status_code=304, headers=headers)
    resource = bundles.reduced(kind, resource, summary=part[0], elements=part[1])
    response = Response(_written(request, resource), headers=headers, media_type=outcome.MEDIA_TYPE)
    return _head(request, response)


def _knows(request: Request, version: object, changed: datetime) -> bool:
    """Say whether the client has this version already."""
    # Who has broken the glass may hold the version of before, without what was hidden.
    return caller_of(request).emergency_id is None and conditional.is_known(
        version,
        changed,
        tags=request.headers.get("if-none-match"),
        since=request.headers.get("if-modified-since"),
    )


def _version(resource: Resource) -> dict[str, str]:
    meta = resource["meta"]
    return _versioned(meta["versionId"], meta["lastUpdated"])


def _versioned(version: object, at: datetime) -> dict[str, str]:
    """Return the headers that tell a version."""
    return {"etag": f'W/"{version}"', "last-modified": bundles.http_date(at)}


def _held(request: Request, one: Held) -> Response:
    """Return one resource that was there as bytes."""
    headers = {"etag": f'W/"{one.version}"', "last-modified": one.modified}
    return _head(request, Response(one.data, headers=headers, media_type=outcome.MEDIA_TYPE))


def _written(request: Request, resource: Resource) -> bytes:
    written = wire.dumps(resource)
    if request.scope["query_string"] and dict(pairs_of(request)).get("_pretty") == "true":
        return wire.pretty(_READ.decode(written))  # what is held is bytes by now
    return written
