"""POST /auth/token, and where a FHIR client reads how to sign in."""

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response

from chroniccare.core import wire
from chroniccare.core.errors import Problem
from chroniccare.platform.postgres import database
from chroniccare.settings import Settings, address
from chroniccare.settings_identity import issuers
from chroniccare.smart.tokens import LIFE, Desk, OAuthError
from chroniccare.tenancy import smart_scopes
from chroniccare.tenancy.caller import Authority

TOKEN_PATH = "/auth/token"  # noqa: S105  an address
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20
_SCOPES, _SCOPES_OF_PEOPLE = (
    ["system/*.rs", "system/*.cruds"],
    ["user/*.rs", "user/*.cruds", "patient/*.rs"],
)
_CAPABILITIES, _CAPABILITIES_OF_PEOPLE = (
    ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    ["permission-user", "permission-patient"],
)
_NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}

public = APIRouter(include_in_schema=False)


def desk(authority: Authority, settings: Settings) -> Desk:
    """Return what hands out tokens; it stands in `app.state.smart`."""
    return Desk(
        authority, address(settings) + TOKEN_PATH, anywhere=settings.webhook_targets == "any"
    )


@public.post(TOKEN_PATH)
async def issue_token(request: Request) -> Response:
    """Answer an assertion with an access token, or with an error of OAuth (RFC 6749, 5.2)."""
    desk: Desk = request.app.state.smart
    try:
        issued = await desk.issue(
            await _form(request),
            request_id=request.scope["chroniccare.request_id"],
            address=request.client.host if request.client else None,
            now=database().clock(),
        )
    except OAuthError as error:
        return _error(error)
    except Problem as problem:
        if problem.status not in {429, 503}:
            raise
        busy = OAuthError("temporarily_unavailable", problem.message, problem.status)
        return _error(busy, retry_after=problem.retry_after)
    body = {
        "access_token": issued.token,
        "token_type": "bearer",
        "expires_in": int(LIFE.total_seconds()),
        "scope": " ".join(map(smart_scopes.written, issued.scopes)),
    }
    return Response(wire.dumps(body), headers=_NO_STORE, media_type=wire.JSON)


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of the body.

    Raises:
        OAuthError: it is no form, or a field stands there twice.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise OAuthError("invalid_request", f"Content-Type must be {_FORM}.")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"), keep_blank_values=True, strict_parsing=True,
            errors="strict", max_num_fields=_MOST_FIELDS,
        )  # fmt: skip
    except ValueError:
        raise OAuthError("invalid_request", "The body is not a form.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A field is given twice.")
    return form


def _error(error: OAuthError, *, retry_after: int | None = None) -> Response:
    body = {"error": error.error, "error_description": error.description}
    headers = dict(_NO_STORE)
    if retry_after is not None:
        headers["retry-after"] = str(retry_after)
    return Response(wire.dumps(body), error.status, headers=headers, media_type=wire.JSON)


@public.get("/.well-known/smart-configuration")
@public.get("/fhir/.well-known/smart-configuration")
async def read_configuration(request: Request) -> Response:
    """Answer how to sign in, as JSON whatever is asked for; what is not true is left out."""
    desk: Desk = request.app.state.smart
    has_people = bool(issuers(database().settings.oidc_issuers))
    body = {
        "token_endpoint": desk.token_url,
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "scopes_supported": _SCOPES + _SCOPES_OF_PEOPLE * has_people,
        "capabilities": _CAPABILITIES + _CAPABILITIES_OF_PEOPLE * has_people,
    }
    return Response(wire.dumps(body), media_type=wire.JSON)
