"""Wire shapes of SMART clients, and the answers of OAuth."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from chroniccare.core.fields import Line, Wire, Word
from chroniccare.tenancy.guesses import networks
from chroniccare.tenancy.smart_scopes import MOST, ScopeError, parse, written

_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MOST_NETWORKS = 20
_MOST_KEYS = 10
Number = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,1400}$")]


def _public(value: Any) -> Any:
    if isinstance(value, dict) and not _PRIVATE.isdisjoint(value):
        raise PydanticCustomError(
            "private", "is a private key, which somebody else has seen by now: make a new one"
        )
    return value


def _scope(value: str) -> str:
    try:
        found = parse(value)
    except ScopeError as error:
        raise PydanticCustomError("scope", str(error)) from None
    if found.context != "system":
        raise PydanticCustomError("scope", "must begin with system/: no person signs in with it")
    return written(found)


def _network(value: str) -> str:
    try:
        return str(networks([value])[0])
    except ValueError:
        raise PydanticCustomError("cidr", "must be a network such as 10.1.0.0/16") from None


class Jwk(Wire):
    """A public key as RFC 7517 writes it; what else stands in it is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    kty: Annotated[Literal["RSA", "EC"], Field(description="Kind of key.", examples=["EC"])]
    kid: Annotated[Word, Field(description="What the client calls it.", examples=["2026-11"])]
    use: Annotated[Literal["sig"], Field(description="It signs.")] = "sig"
    alg: Annotated[
        Literal["RS384", "ES384"] | None, Field(description="With this.", examples=["ES384"])
    ] = None
    crv: Annotated[Literal["P-384"] | None, Field(description="Of `EC`.", examples=["P-384"])] = (
        None
    )
    x: Annotated[Number | None, Field(description="Of `EC`.", examples=["AQAB"])] = None
    y: Annotated[Number | None, Field(description="Of `EC`.", examples=["AQAB"])] = None
    n: Annotated[
        Number | None, Field(description="Of `RSA`, 2048 bits or more.", examples=["AQAB"])
    ] = None
    e: Annotated[Number | None, Field(description="Of `RSA`.", examples=["AQAB"])] = None


class Jwks(Wire):
    """Public keys."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    keys: Annotated[
        list[Annotated[Jwk, BeforeValidator(_public)]],
        Field(min_length=1, max_length=_MOST_KEYS, description="The keys, two during a change."),
    ]


class ClientWrite(Wire):
    """A SMART client as an administrator writes it."""

    name: Annotated[Line, Field(description="What people call it.", examples=["Nightly export"])]
    jwks_url: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None,
        Field(
            description="Where its public keys are, https; this or `jwks`.",
            examples=["https://93.184.215.14/jwks.json"],
        ),
    ] = None
    jwks: Annotated[
        Jwks | None,
        Field(
            description="Its public keys: RSA of 2048 bits or more, or P-384, each with a `kid`.",
            examples=[None],
        ),
    ] = None
    scopes: Annotated[
        list[Annotated[str, AfterValidator(_scope)]],
        Field(
            min_length=1,
            max_length=MOST,
            description="The most that it may ask for, in SMART's second or first edition.",
            examples=[["system/Patient.rs", "system/Appointment.cruds"]],
        ),
    ]
    networks: Annotated[
        list[Annotated[Word, AfterValidator(_network)]],
        Field(
            max_length=_MOST_NETWORKS,
            description="Networks it may come from; empty: any.",
            examples=[["10.1.0.0/16"]],
        ),
    ] = []
    enabled: Annotated[bool, Field(description="False: neither it nor its tokens are taken.")] = (
        True
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.jwks_url is None) == (self.jwks is None):
            raise PydanticCustomError("pair", "either jwks_url or jwks must be given")
        return self


class Client(BaseModel):
    """A SMART client as the API answers it."""

    id: Annotated[UUID, Field(description="Its `client_id`.")]
    name: Annotated[str, Field(description="What people call it.")]
    jwks_url: Annotated[str | None, Field(description="Where its public keys are.")]
    jwks: Annotated[dict[str, Any] | None, Field(description="Its public keys.")]
    scopes: Annotated[list[str], Field(description="The most that it may ask for.")]
    networks: Annotated[list[str], Field(description="Networks it may come from.")]
    enabled: Annotated[bool, Field(description="Whether it and its tokens are taken.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.")]
    created_at: Annotated[datetime, Field(description="UTC instant of creation.")]
    updated_at: Annotated[datetime, Field(description="UTC instant of the last change.")]
