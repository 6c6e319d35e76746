"""Wire shapes of API keys."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Line, Name, Wire, Word

_MOST_NETWORKS = 20


class ApiKeyWrite(Wire):
    """A key as an administrator asks for it."""

    key_name: Annotated[Name, Field(description="What it is for.", examples=["Billing"])]
    scopes: Annotated[
        list[Word],
        Field(
            min_length=1,
            max_length=100,
            description="What it may do; nothing that the caller may not do.",
            examples=[["appointments:read", "patients:read"]],
        ),
    ]
    environment: Annotated[
        Literal["live", "test"], Field(description="Part of the key, for people.")
    ] = "live"
    expires_at: Annotated[
        Instant | None, Field(description="UTC instant of its end; null: none.", examples=[None])
    ] = None
    networks: Annotated[
        list[Line],
        Field(
            max_length=_MOST_NETWORKS,
            description="The only networks it may be used from; none: from anywhere.",
            examples=[["192.0.2.0/24"]],
        ),
    ] = []


class ApiKey(Wire):
    """A key as its clinic sees it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    key_name: Annotated[str, Field(description="What it is for.", examples=["Billing"])]
    key_id: Annotated[str, Field(description="Part of the key, no secret.", examples=["3k7Qx0"])]
    environment: Annotated[Literal["live", "test"], Field(description="Part of the key.")]
    scopes: Annotated[list[str], Field(description="What it may do.")]
    is_active: Annotated[bool, Field(description="False: it was revoked.")]
    last_used_at: Annotated[
        Instant | None, Field(description="UTC instant of its last use, to the minute.")
    ]
    expires_at: Annotated[Instant | None, Field(description="UTC instant of its end.")]
    created_at: Annotated[Instant, Field(description="UTC instant of creation.")]
    revoked_at: Annotated[Instant | None, Field(description="UTC instant it was revoked.")]
    networks: Annotated[list[str], Field(description="Where it may be used from.")]


class ApiKeyMade(ApiKey):
    """A new key with its secret."""

    key: Annotated[
        str | None,
        Field(description="The whole key, shown this once; null when a request is repeated."),
    ]
