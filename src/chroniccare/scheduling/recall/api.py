"""/api/v1/recalls: the worklist of patients who are due back."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.audit.actions import replayed
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Day, Name
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.recall import actions, schemas
from chroniccare.scheduling.recall.queries import Recall
from chroniccare.scheduling.recall.report import report
from chroniccare.tenancy.api import (
    Cursor,
    IdempotencyKey,
    IfMatch,
    KeyFirst,
    Limit,
    answer,
    authorise,
    check_version,
    create,
    page,
    post,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1/recalls", tags=["recalls"], route_class=KeyFirst)

RecallsRead = Annotated[Caller, Security(authorise, scopes=["recalls:read"])]
RecallsWrite = Annotated[Caller, Security(authorise, scopes=["recalls:write"])]


async def _seen_again(tx: Tx, location: str) -> None:
    """Audit what a repeated key showed again: the recall, or that there was none."""
    if location != router.prefix:
        await replayed(tx, location, entity_type="recall")


@router.get(
    "",
    summary="List recalls",
    response_model=Listed[schemas.Card],
    responses=errors(),
)
async def list_recalls(
    caller: RecallsRead,
    status: Annotated[
        schemas.Status | None,
        Query(description="All open or all closed ones; unless told, those to be called now."),
    ] = None,
    patient_id: Annotated[UUID | None, Query(description="Of this patient.")] = None,
    facility_id: Annotated[UUID | None, Query(description="Of this facility.")] = None,
    provider_id: Annotated[UUID | None, Query(description="Of this provider.")] = None,
    overdue_at_least: Annotated[
        schemas.Days | None, Query(description="At least so many days overdue, 0 to 365.")
    ] = None,
    overdue_at_most: Annotated[
        schemas.Days | None, Query(description="At most so many days overdue, 0 to 365.")
    ] = None,
    has_phone: Annotated[
        bool | None, Query(description="Only patients with a phone, or only those without.")
    ] = None,
    high_risk: Annotated[
        bool | None, Query(description="Only those at high risk, or only the others.")
    ] = None,
    worker: Annotated[
        Name | None, Query(description="Show what this person has claimed through this key, too.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page, high risk first, then the longest overdue; who was seen is audited."""
    filters = [
        patient_id, facility_id, provider_id, high_risk, has_phone, overdue_at_least,
        overdue_at_most,
    ]  # fmt: skip
    found = await actions.listed(
        caller, status=status, worker=worker, filters=filters, cursor=cursor, limit=limit
    )
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/report",
    summary="Report on recalls",
    response_model=Data[schemas.Report],
    responses=errors(),
)
async def report_recalls(
    caller: RecallsRead,
    from_date: Annotated[Day, Query(description="First local day.")],
    to_date: Annotated[Day, Query(description="Last local day, at most 365 days later.")],
    facility_id: Annotated[UUID | None, Query(description="Only recalls of this facility.")] = None,
) -> Response:
    """Answer how many who were overdue were called, and how many of these came back in time."""
    async with begin(caller) as tx:
        made = await report(tx, from_date=from_date, to_date=to_date, facility_id=facility_id)
    return answer(caller, wire.dumps(made))


@router.get(
    "/{recall_id}",
    summary="Read a recall",
    response_model=Data[schemas.CardWithCalls],
    responses=errors(404),
)
async def read_recall(recall_id: UUID, caller: RecallsRead) -> Response:
    """Answer one recall with its calls and its ETag; the read is written to the audit first."""
    found = await actions.shown(caller, recall_id)
    return answer(caller, wire.dumps(found), etag=found["version"])


@router.post(
    "",
    status_code=201,
    summary="Open a recall",
    response_model=Data[schemas.Recall],
    responses=errors(409, 413, 422),
)
async def open_recall(
    body: schemas.RecallWrite,
    request: Request,
    caller: RecallsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put a patient on the list; 409 names the recall that is open for this kind of visit."""
    return await create(
        caller, request, idempotency_key, lambda tx: actions.open_recall(tx, body),
        replayed=_seen_again,
    )  # fmt: skip


@router.put(
    "/{recall_id}",
    summary="Change a recall",
    response_model=Data[schemas.Recall],
    responses=errors(404, 409, 412, 413, 422),
)
async def change_recall(
    recall_id: UUID,
    body: schemas.RecallWrite,
    caller: RecallsWrite,
    if_match: IfMatch = None,
) -> Response:
    """Replace an open recall; its patient stays, and so does who is calling."""
    async with begin(caller) as tx:
        recall = await actions.get_locked(tx, recall_id)
        check_version(if_match, recall.version)
        changed = await actions.change(tx, recall, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)


@router.post(
    "/claim",
    summary="Claim the next recall",
    response_model=Data[schemas.Card | None],
    responses=errors(409, 413, 422),
)
async def claim_recall(
    body: schemas.Claim,
    request: Request,
    caller: RecallsWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Claim the next patient for 15 minutes and answer the card; null when nobody is left."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            card = await actions.claim(tx, body)
            if card is None:
                return Reply(200, b"null", {"location": router.prefix})
            headers = {"location": f"{router.prefix}/{card['id']}", "etag": f'"{card["version"]}"'}
            return Reply(200, wire.dumps(card), headers)

        return await post(tx, request, idempotency_key, work, replayed=_seen_again)


@router.post(
    "/{recall_id}/release",
    summary="Release a recall",
    response_model=Data[schemas.Recall],
    responses=errors(404, 409, 412, 413, 422),
)
async def release_recall(
    recall_id: UUID,
    body: schemas.Release,
    request: Request,
    caller: RecallsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Give a claim back without a call; the recall is on the worklist again at once."""
    return await _taken(
        caller, request, recall_id,
        lambda tx, recall: actions.release(tx, recall, worker=body.worker),
        key=idempotency_key, if_match=if_match,
    )  # fmt: skip


@router.post(
    "/{recall_id}/calls",
    summary="Note a call",
    response_model=Data[schemas.Recall],
    responses=errors(404, 409, 412, 413, 422),
)
async def note_call(
    recall_id: UUID,
    body: schemas.CallWrite,
    request: Request,
    caller: RecallsWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Note what came of a call: the recall is listed again later, or closed with a reason."""
    return await _taken(
        caller, request, recall_id, lambda tx, recall: actions.note_call(tx, recall, body),
        key=idempotency_key, if_match=if_match,
    )  # fmt: skip


async def _taken(
    caller: Caller,
    request: Request,
    recall_id: UUID,
    act: Callable[[Tx, Recall], Awaitable[Recall]],
    *,
    key: str | None,
    if_match: str | None,
) -> Response:
    """Answer a step once, with the recall as it is then and its ETag."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            recall = await actions.get_locked(tx, recall_id)
            check_version(if_match, recall.version)
            changed = await act(tx, recall)
            headers = {
                "etag": f'"{changed.version}"',
                "location": f"{router.prefix}/{recall_id}",
            }
            return Reply(200, wire.dumps(changed), headers)

        return await post(tx, request, key, work, replayed=_seen_again)
