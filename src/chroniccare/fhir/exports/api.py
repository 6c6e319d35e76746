"""/fhir/$export, and of Patient and of a Group: the asynchronous pattern of Bulk Data Access."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid
from chroniccare.fhir import asked_api, outcome
from chroniccare.fhir.actions import base_of
from chroniccare.fhir.answers_api import caller_of, pairs_of
from chroniccare.fhir.exports import actions, cohort, wanted
from chroniccare.platform.postgres import begin, database
from chroniccare.tenancy.api import KeyFirst

router = APIRouter(prefix="/fhir", tags=["privacy"], route_class=KeyFirst, include_in_schema=False)

_NDJSON = "application/fhir+ndjson"


@router.get("/$export")
@router.post("/$export")
async def export_everything(request: Request) -> Response:
    """Begin an export of all types."""
    return await _begun(request, of_patients=False)


@router.get("/Patient/$export")
@router.post("/Patient/$export")
async def export_patients(request: Request) -> Response:
    """Begin an export of what is a patient's."""
    return await _begun(request, of_patients=True)


@router.get("/Group/{group_id}/$export")
@router.post("/Group/{group_id}/$export")
async def export_group(group_id: str, request: Request) -> Response:
    """Begin an export of what is of a Group's patients."""
    return await _begun(request, of_patients=True, group=group_id)


@router.get("/$export/{export_id}")
async def follow_export(export_id: str, request: Request) -> Response:
    """Answer 202 while it is under way, and then what it came to."""
    async with begin(_caller(request)) as tx:
        row = await actions.get(tx, export_id)
        await actions.check(tx, row)
        if row.state == "failed":
            raise actions.ExportFailed
        if row.state != "done" or row.expires_at is None:
            progress = f"{row.exported} resources"
            headers = {"x-progress": progress, "retry-after": str(actions.RETRY_S)}
            return Response(status_code=202, headers=headers)
        body = await actions.manifest(tx, row)
    expires = row.expires_at.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return Response(wire.dumps(body), headers={"expires": expires}, media_type=wire.JSON)


@router.delete("/$export/{export_id}")
async def cancel_export(export_id: str, request: Request) -> Response:
    """End it, or forget its files before their time."""
    async with begin(_caller(request)) as tx:
        await actions.cancel(tx, await actions.get(tx, export_id))
    return Response(status_code=202)


@router.get("/$export/{export_id}/{file_id}")
async def fetch_file(export_id: str, file_id: str, request: Request) -> Response:
    """Answer one file, streamed."""
    async with begin(_caller(request)) as tx:
        lines = await actions.fetch(tx, await actions.get(tx, export_id), file_id)
    return StreamingResponse(lines, media_type=_NDJSON)


async def _begun(request: Request, *, of_patients: bool, group: str | None = None) -> Response:
    caller = _caller(request)
    prefer = request.headers.get("prefer", "").replace(" ", "")
    if "respond-async" not in prefer:
        raise Invalid.field("Prefer", "must be respond-async: an export takes its time", "required")
    pairs, query = await asked_api.asked(request), request.scope["query_string"]
    lenient = "handling=lenient" in prefer
    if any(name == "patient" for name, _ in pairs_of(request)):
        raise Invalid.field("patient", "is taken by POST alone, whose body no log has", "value")
    asked = wanted.read(caller, pairs, of_patients=of_patients, lenient=lenient)
    if group is not None:
        asked.patients = await cohort.of_group(caller, group)
    if asked.named:
        asked.patients = await cohort.checked(caller, asked.named, asked.patients)
    async with begin(caller) as tx:
        base = base_of(tx)
        asked.request = base + request.url.path.removeprefix(outcome.BASE)
        asked.request += "?" + query.decode("latin-1") if query else ""
        export_id = await actions.start(tx, asked)
    return Response(
        wire.dumps(outcome.information("The export has begun.")), 202,
        headers={"content-location": actions.address(base, export_id)},
        media_type=outcome.MEDIA_TYPE,
    )  # fmt: skip


def _caller(request: Request) -> Caller:
    """Return the caller, who is a program that may export, and the server can."""
    if not database().settings.fhir_export_dir:
        raise outcome.NotWritable
    caller = caller_of(request)
    wanted.check_caller(caller)
    return caller
