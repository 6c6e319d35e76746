"""What every api module shares: the authorised caller, and the way an answer is written.

A handler names its permission in its signature:

    PatientsRead = Annotated[Caller, Security(authorise, scopes=["patients:read"])]
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any, Protocol
from uuid import UUID

import orjson
from fastapi import Header, Query, Request, Response
from fastapi.openapi.models import APIKey, APIKeyIn
from fastapi.routing import APIRoute
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import (
    FieldError,
    Forbidden,
    Invalid,
    PreconditionFailed,
    RateLimited,
    Unauthenticated,
)
from chroniccare.core.paging import DEFAULT_LIMIT, MAX_LIMIT
from chroniccare.platform.postgres import Tx, begin, database
from chroniccare.tenancy.caller import SMART, Authority, with_request
from chroniccare.tenancy.depth import check_depth
from chroniccare.tenancy.idempotency import Reply, fingerprint, once
from chroniccare.tenancy.masks import hidden, masked, named
from chroniccare.tenancy.rules import is_token
from chroniccare.tenancy.turns import Turns

_BEARER = "bearer "
# RFC 9110, 13.1.1. Blanks fit in one place only: in two, a header of 4 KiB took minutes to refuse.
_ETAGS = re.compile(r'\s*(?:\*|(?:(?:W/)?"[^"]*"\s*(?:,\s*)?)+)')
_OPERATIONS = frozenset(
    {
        "api-keys",
        "audit",
        "break-glass",
        "privacy",
        "smart-clients",
        "spend",
        "staff",
        "templates",
        "webhooks",
    }
)
"""Tags of what is not done to treat a patient."""


class ForFhirAlone(Forbidden):
    """A token with scopes of SMART was sent to /api/v1."""

    message = "A token with SMART scopes opens /fhir only; here it needs another, or an API key."


class _KeyInHeader(SecurityBase):
    """X-API-Key; or the same key, or a token of an issuer, as Authorization: Bearer."""

    def __init__(self) -> None:
        self.scheme_name = "ApiKey"
        self.model = APIKey(
            **{"in": APIKeyIn.header},  # type: ignore[arg-type]  # `in` is a keyword
            name="X-API-Key",
            description="A key `cck_...`; `Authorization: Bearer cck_...` works as well, as does "
            "the token of a member of staff (docs/identity.md).",
        )

    async def __call__(self, request: Request, scopes: SecurityScopes) -> Caller:
        caller: Caller = request.scope["chroniccare.caller"]
        if not caller.scopes.issuperset(scopes.scopes):
            raise Forbidden
        if caller.hidden:
            await _refuse_hidden(request, caller.hidden)
        if request.scope["query_string"]:
            _check_query(request)
        return caller


async def _refuse_hidden(request: Request, names: frozenset[str]) -> None:
    """Refuse a body or a filter that names a field which the caller does not see.

    Raises:
        Invalid: each of them is named; what is hidden must be neither guessed nor overwritten.
    """
    found = sorted({name for name in request.query_params if name in names})
    if body := await request.body():
        try:
            found += named(orjson.loads(body), names)
        except orjson.JSONDecodeError:  # what we cannot read must not be read by who comes next
            raise Invalid.field("body", "is not JSON in UTF-8", "json") from None
    if found:
        raise Invalid(
            details=[FieldError(one, "is hidden from your role", "hidden") for one in found]
        )


async def _identify(request: Request, tag: str) -> Caller:
    """Return the caller behind the request's key or token; their bucket is one less.

    Raises:
        Unauthenticated: no key or token, or none that is valid.
        RateLimited: the bucket is empty, or too many were wrong.
    """
    signed_in: Caller | None = request.scope.get("chroniccare.session")
    if signed_in is not None:  # the console's own call, whose session and bucket it has looked at
        return _with_request(request, signed_in, tag)
    authority: Authority = request.app.state.authority
    headers = request.headers
    key = headers.get("x-api-key")
    if key is None:
        bearer = headers.get("authorization", "")
        if not bearer.lower().startswith(_BEARER):
            raise Unauthenticated
        key = bearer[len(_BEARER) :].strip()
    elif "." in key or is_token(key):  # a token is no key
        raise Unauthenticated
    client = request.client
    address = client.host if client else None
    caller = await authority.identify(
        key, now=database().clock(), address=address, clinic=headers.get("x-tenant")
    )
    allowance = await authority.take(caller)
    request.scope["chroniccare.allowance"] = allowance
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.wait_s)
    return _with_request(request, caller, tag)


def _with_request(request: Request, caller: Caller, tag: str) -> Caller:
    return with_request(
        caller,
        request_id=request.scope["chroniccare.request_id"],
        ip_address=request.client.host if request.client else None,
        hidden=hidden(caller, request.method, tag),
        purpose="operations" if tag in _OPERATIONS else "",
    )


class KeyFirst(APIRoute):
    """A route that looks at the key before it reads the body, as FastAPI by itself does not."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind the look at the key."""
        handler = self.inner()
        tag, is_ours = str(self.tags[0]), self.path.startswith("/api/")

        async def key_first(request: Request) -> Response:
            caller = await _identify(request, tag)
            request.scope["chroniccare.caller"] = caller  # first: the audit has who was refused
            if is_ours and (caller.smart_scopes or caller.actor_type == SMART):
                raise ForFhirAlone
            turns: Turns = request.app.state.authority.turns
            await turns.admit(caller.tenant_id)
            if request.method != "GET":
                check_depth(await request.body())
            await turns.take(caller.tenant_id)  # now that the body is there, and not before
            try:
                return await handler(request)
            finally:
                turns.give_back(caller.tenant_id)

        return key_first

    def inner(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request whose caller is known: FastAPI's handler."""
        return super().get_route_handler()


class Straight(KeyFirst):
    """A route that calls its endpoint itself where nothing is to be validated.

    That is the request and parts of the path as text: FastAPI's own way to them is a tenth of a
    read from memory (docs/benchmarks.md). Any other endpoint is called FastAPI's way.
    """

    def inner(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what calls the endpoint."""
        wanted, endpoint = inspect.signature(self.endpoint).parameters, self.endpoint
        if any(one.annotation not in {Request, str} for one in wanted.values()) or (
            set(wanted) != {"request", *self.param_convertors}
        ):
            return super().inner()

        async def straight(request: Request) -> Response:
            answer: Response = await endpoint(request=request, **request.path_params)
            return answer

        return straight


def _check_query(request: Request) -> None:
    """Refuse parameters that the operation does not have, and those given twice.

    Raises:
        Invalid: each of them is named; a mistyped filter would otherwise show everything.
    """
    route: APIRoute = request.scope["route"]
    given = [name for name, _ in request.query_params.multi_items()]
    known = {parameter.alias: parameter for parameter in route.dependant.query_params}
    wrong = [
        FieldError(name, "is not a parameter of this operation", "unknown")
        for name in dict.fromkeys(given)
        if name not in known
    ]
    wrong += [
        FieldError(name, "is given more than once", "repeated")
        for name in dict.fromkeys(given)
        if name in known
        and given.count(name) > 1
        and "list[" not in str(known[name].field_info.annotation)
    ]
    if wrong:
        raise Invalid(details=wrong)


authorise = _KeyInHeader()

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="The same key with the same body answers the same and has one effect.",
        examples=["5c1f6f0e-visit-42"],
    ),
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="ETag the record must still have.", examples=['"3"']),
]
# Read from the request: as a parameter, its validation would cost a tenth of a cached read.
CONDITIONAL = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "ETag the client has already; the answer is 304 when it still holds.",
            "schema": {"type": "string", "examples": ['"3"']},
        }
    ]
}
Cursor = Annotated[
    str | None, Query(description="Where to go on: `next_cursor` of the page before.")
]
Ids = Annotated[
    list[UUID] | None, Query(alias="id", max_length=MAX_LIMIT, description="These; repeat it.")
]
Limit = Annotated[
    int,
    Query(
        ge=1,
        le=MAX_LIMIT,
        description=f"Rows a page, 1 to {MAX_LIMIT}; {DEFAULT_LIMIT} unless told.",
    ),
]


Replayed = Callable[[Tx, str], Awaitable[None]]
Shown = Callable[[Reply], bytes]


class Made(Protocol):
    """A record that was just made."""

    @property
    def id(self) -> UUID:
        """Its id."""
        ...

    @property
    def version(self) -> int:
        """Its version, the ETag."""
        ...


def shown_to(caller: Caller, data: bytes) -> bytes:
    """Return rendered `data` as the caller may see them: every answer passes here."""
    return masked(data, caller.hidden) if caller.hidden else data


def answer(caller: Caller, data: bytes, *, status: int = 200, etag: int | None = None) -> Response:
    """Return `data` in the envelope; `etag` is the record's version."""
    headers = None if etag is None else {"etag": f'"{etag}"'}
    return Response(
        wire.success(shown_to(caller, data), caller.request_id),
        status,
        headers=headers,
        media_type=wire.JSON,
    )


def record(caller: Caller, request: Request, data: bytes, *, version: int) -> Response:
    """Return one record with its ETag, or 304 when the client has this version already."""
    known = request.headers.get("if-none-match")
    # Who has broken the glass may hold the version of before, without what was hidden.
    is_same = caller.emergency_id is None
    if is_same and known is not None and _names(known.replace("W/", ""), version):  # weak, RFC 9110
        return Response(status_code=304, headers={"etag": f'"{version}"'})
    return answer(caller, data, etag=version)


def page(caller: Caller, items: list[Any], next_cursor: str | None) -> Response:
    """Return one page of a list."""
    return answer(caller, wire.dumps({"items": items, "next_cursor": next_cursor}))


def check_version(if_match: str | None, version: int) -> None:
    """Compare If-Match with the record's version, inside the transaction that changes it.

    Raises:
        PreconditionFailed: the record has another version by now.
        Invalid: the header is not a list of ETags.
    """
    if if_match is None:
        return
    if not _ETAGS.fullmatch(if_match):
        raise Invalid.field("If-Match", 'must be ETags such as "3"', "etag")
    if not _names(if_match, version):
        raise PreconditionFailed


def _names(header: str, version: int) -> bool:
    return any(tag.strip() in {"*", f'"{version}"'} for tag in header.split(","))


async def post(
    tx: Tx,
    request: Request,
    key: str | None,
    work: Callable[[], Awaitable[Reply]],
    *,
    replayed: Replayed | None = None,
    shown: Shown | None = None,
) -> Response:
    """Answer a POST once: a repeated Idempotency-Key answers what the first request answered.

    `shown` returns the data as they are answered, for what must not be kept, such as a secret.
    """
    # The scopes too: an answer is repeated only to who may see as much.
    print_ = fingerprint(
        request.method, request.url.path, await request.body(), scopes=tx.caller.scopes
    )
    reply = await once(tx, key=key, request=print_, work=work)
    headers = dict(reply.headers)
    if reply.replayed:
        headers["idempotent-replayed"] = "true"
        if replayed is not None:
            await replayed(tx, headers["location"])
    data = reply.data if shown is None else shown(reply)
    body = wire.success(shown_to(tx.caller, data), tx.caller.request_id)
    return Response(body, reply.status, headers=headers, media_type=wire.JSON)


async def create(
    caller: Caller,
    request: Request,
    key: str | None,
    act: Callable[[Tx], Awaitable[Made]],
    *,
    replayed: Replayed | None = None,
    shown: Shown | None = None,
    below: str | None = None,
) -> Response:
    """Answer a POST that makes one record: 201 with its place below the request's, and its ETag.

    `replayed` audits that a repeated key showed the record at its place again, `shown` is `post`'s,
    and `below` is where the records are read if not below the request's own path.
    """
    async with begin(caller) as tx:

        async def work() -> Reply:
            made = await act(tx)
            headers = {
                "location": f"{below or request.url.path}/{made.id}",
                "etag": f'"{made.version}"',
            }
            return Reply(201, wire.dumps(made), headers)

        return await post(tx, request, key, work, replayed=replayed, shown=shown)
