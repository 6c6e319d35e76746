"""/api/v1/templates and /api/v1/message-policy."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response, Security

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.fields import Language
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.notifications.schemas import Channel
from chroniccare.notifications.templates import actions, schemas
from chroniccare.notifications.templates import preview as previews
from chroniccare.notifications.templates.queries import Template
from chroniccare.platform.postgres import Tx, begin
from chroniccare.tenancy.api import (
    CONDITIONAL,
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
    record,
)
from chroniccare.tenancy.idempotency import Reply

router = APIRouter(prefix="/api/v1", tags=["templates"], route_class=KeyFirst)

TemplatesRead = Annotated[Caller, Security(authorise, scopes=["templates:read"])]
TemplatesWrite = Annotated[Caller, Security(authorise, scopes=["templates:write"])]


@router.get(
    "/templates/types",
    summary="List the types of messages",
    response_model=Data[schemas.MessageTypes],
    responses=errors(),
)
async def list_message_types(caller: TemplatesRead) -> Response:
    """Answer every type with its variables and built-in texts, by channel."""
    return answer(caller, wire.dumps(previews.types()))


@router.post(
    "/templates/preview",
    summary="Preview a text",
    response_model=Data[schemas.Preview],
    responses=errors(404, 409, 413, 422),
)
async def preview_template(
    body: schemas.PreviewWrite,
    request: Request,
    caller: TemplatesWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer what a patient would read, what an SMS would cost, and what is wrong with it."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            return Reply(200, wire.dumps(await previews.preview(tx, body)), {})

        return await post(tx, request, idempotency_key, work)


@router.get(
    "/templates",
    summary="List the clinic's own templates",
    response_model=Listed[schemas.Template],
    responses=errors(),
)
async def list_templates(
    caller: TemplatesRead,
    notification_type: Annotated[
        schemas.NotificationType | None, Query(description="Only this type.")
    ] = None,
    channel: Annotated[Channel | None, Query(description="Only this channel.")] = None,
    locale: Annotated[Language | None, Query(description="Only this exact locale.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """Answer one page by type, channel and locale."""
    filters = [notification_type, channel, locale]
    async with begin(caller) as tx:
        found = await actions.search(tx, filters=filters, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/templates",
    status_code=201,
    summary="Write a template",
    response_model=Data[schemas.Template],
    responses=errors(409, 413, 422),
)
async def create_template(
    body: schemas.TemplateWrite,
    request: Request,
    caller: TemplatesWrite,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Write the first version of a template; nothing is sent with it until it is activated."""
    return await create(caller, request, idempotency_key, lambda tx: actions.create(tx, body))


@router.get(
    "/templates/{template_id}",
    summary="Read a template",
    response_model=Data[schemas.Template],
    responses=errors(304, 404),
    openapi_extra=CONDITIONAL,
)
async def read_template(template_id: UUID, request: Request, caller: TemplatesRead) -> Response:
    """Answer one template with its ETag."""
    async with begin(caller) as tx:
        found = await actions.get(tx, template_id)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.get(
    "/templates/{template_id}/versions",
    summary="List a template's versions",
    response_model=Listed[schemas.Version],
    responses=errors(404),
)
async def list_versions(
    template_id: UUID, caller: TemplatesRead, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, the latest version first."""
    async with begin(caller) as tx:
        found = await actions.versions(tx, template_id, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.post(
    "/templates/{template_id}/versions",
    status_code=201,
    summary="Write a version of a template",
    response_model=Data[schemas.Version],
    responses=errors(404, 409, 412, 413, 422),
)
async def create_version(
    template_id: UUID,
    body: schemas.VersionWrite,
    request: Request,
    caller: TemplatesWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Write the next version; what is active stays active until another is activated."""
    async with begin(caller) as tx:

        async def work() -> Reply:
            template = await actions.get_locked(tx, template_id)
            check_version(if_match, template.version)
            made = await actions.add_version(tx, template, body)
            return Reply(201, wire.dumps(made), {"location": f"{request.url.path}/{made.id}"})

        return await post(tx, request, idempotency_key, work)


@router.get(
    "/templates/{template_id}/versions/{version_id}",
    summary="Read a version of a template",
    response_model=Data[schemas.Version],
    responses=errors(404),
)
async def read_version(template_id: UUID, version_id: UUID, caller: TemplatesRead) -> Response:
    """Answer one version as it was written."""
    async with begin(caller) as tx:
        found = await actions.get_version(tx, template_id, version_id)
    return answer(caller, wire.dumps(found))


@router.post(
    "/templates/{template_id}/versions/{version_id}/activate",
    summary="Activate a version of a template",
    response_model=Data[schemas.Template],
    responses=errors(404, 409, 412, 422),
)
async def activate_version(
    template_id: UUID,
    version_id: UUID,
    request: Request,
    caller: TemplatesWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Send this version from now on, in messages that wait as well."""
    return await _switched(
        caller, request, template_id, lambda tx, found: actions.activate(tx, found, version_id),
        key=idempotency_key, if_match=if_match,
    )  # fmt: skip


@router.post(
    "/templates/{template_id}/deactivate",
    summary="Go back to the built-in text",
    response_model=Data[schemas.Template],
    responses=errors(404, 409, 412, 422),
)
async def deactivate_template(
    template_id: UUID,
    request: Request,
    caller: TemplatesWrite,
    idempotency_key: IdempotencyKey = None,
    if_match: IfMatch = None,
) -> Response:
    """Send the built-in text from now on; every version stays to be read or activated again."""
    return await _switched(
        caller, request, template_id, actions.deactivate, key=idempotency_key, if_match=if_match
    )


async def _switched(
    caller: Caller, request: Request, template_id: UUID,
    act: Callable[[Tx, Template], Awaitable[Template]], *, key: str | None, if_match: str | None,
) -> Response:  # fmt: skip
    async with begin(caller) as tx:

        async def work() -> Reply:
            template = await actions.get_locked(tx, template_id)
            check_version(if_match, template.version)
            changed = await act(tx, template)
            return Reply(200, wire.dumps(changed), {"etag": f'"{changed.version}"'})

        return await post(tx, request, key, work)


@router.get(
    "/message-policy",
    summary="Read the clinic's rules of its texts",
    response_model=Data[schemas.MessagePolicy],
    responses=errors(304),
    openapi_extra=CONDITIONAL,
)
async def read_message_policy(request: Request, caller: TemplatesRead) -> Response:
    """Answer the rules with their ETag; version 0 is the defaults."""
    async with begin(caller) as tx:
        found = await actions.policy(tx)
    return record(caller, request, wire.dumps(found), version=found.version)


@router.put(
    "/message-policy",
    summary="Replace the clinic's rules of its texts",
    response_model=Data[schemas.MessagePolicy],
    responses=errors(409, 412, 413, 422),
)
async def update_message_policy(
    body: schemas.MessagePolicyWrite, caller: TemplatesWrite, if_match: IfMatch = None
) -> Response:
    """Replace every rule; they hold for what is written, activated or sent from now on."""
    async with begin(caller) as tx:
        before = await actions.policy_locked(tx)
        check_version(if_match, before.version)
        changed = await actions.set_policy(tx, before, body)
    return answer(caller, wire.dumps(changed), etag=changed.version)
