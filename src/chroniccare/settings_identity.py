"""Who may sign in: a part of `settings.Settings`."""

from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from chroniccare.core.addresses import is_http, is_loopback


class Issuer(BaseModel):
    """An issuer of OpenID Connect whose tokens are taken.

    Attributes:
        issuer: exactly as its tokens name it in `iss`.
        audiences: of which one must stand in `aud`; for Cognito's access tokens, in `client_id`.
        token_use: Cognito's; None for issuers that have no such claim.
        jwks_url: where its keys are; None: `/.well-known/jwks.json` below the issuer.
        client_id: as what the console signs people in there; None: it does not.
        authorize_url: where their browsers go for that.
        token_url: where we ask who they are.
        name: what the console's button calls it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: Annotated[str, Field(max_length=255)]
    audiences: Annotated[frozenset[str], Field(min_length=1, max_length=20)]
    token_use: Literal["access", "id"] | None = None
    jwks_url: str | None = None
    client_id: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    authorize_url: str | None = None
    token_url: str | None = None
    name: Annotated[str, Field(min_length=1, max_length=60)] = "OpenID Connect"

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({one is None for one in (self.client_id, self.authorize_url, self.token_url)}) > 1:
            raise ValueError("client_id, authorize_url and token_url belong together")
        return self

    @property
    def for_id_tokens(self) -> "Issuer":
        """Return what takes the tokens that say who has signed in at the console."""
        use = "id" if self.token_use else None
        update = {"audiences": frozenset({self.client_id}), "token_use": use}
        return self.model_copy(update=update)

    @property
    def addresses(self) -> list[str]:
        """Return every address of it that is set."""
        return [one for one in (self.issuer, self.keys_at, self.authorize_url, self.token_url)
                if one]  # fmt: skip

    @property
    def has_client_id(self) -> bool:
        """Return whether its tokens name whom they are for in `client_id`."""
        return self.token_use == "access"  # noqa: S105  a kind of token, no secret

    @property
    def keys_at(self) -> str:
        """Return the address of its key set."""
        return self.jwks_url or self.issuer.rstrip("/") + "/.well-known/jwks.json"


_LIST = TypeAdapter(list[Issuer])


def issuers(text: str) -> list[Issuer]:
    """Return the issuers that a setting lists.

    Raises:
        ValueError: it is no such list, or an address in it is neither https nor loopback's.
    """
    if not text:
        return []
    try:
        found = _LIST.validate_json(text)
    except ValidationError as error:
        [first, *_] = error.errors()
        place = ".".join(str(step) for step in first["loc"])
        raise ValueError(
            f"must be a JSON list of issuers; {place or 'it'}: {first['msg']}"
        ) from None
    for one in found:
        for url in one.addresses:
            if not (is_loopback_at(url) or (is_http(url) and url.startswith("https:"))):
                raise ValueError("issuers and their keys must be at https://...")
    if len({one.issuer for one in found}) != len(found):
        raise ValueError("an issuer is listed twice")
    return found


def is_loopback_at(url: str) -> bool:
    """Return whether `url` is at a port of this machine, in clear text."""
    scheme, _, rest = url.partition("://")
    return is_loopback(f"{scheme}://{rest.partition('/')[0]}")


def _listed(text: str) -> str:
    issuers(text)
    return text


class IdentitySettings(BaseModel):
    """Staff's tokens, and how much one address or one clinic may ask for."""

    oidc_issuers: Annotated[
        str,
        AfterValidator(_listed),
        Field(
            description="Issuers of OpenID Connect whose tokens staff sign in with, as a JSON "
            "list; docs/identity.md says of what. Empty: none."
        ),
    ] = ""
    oidc_client_secret: Annotated[
        SecretStr,
        Field(
            description="Secret of the console's client at the issuer whose `client_id` is set, if "
            "it has one. Empty: a public client, with PKCE alone."
        ),
    ] = SecretStr("")
    wrong_keys_per_minute: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Wrong keys and tokens a minute from one address, after which it must "
            "wait, a minute at first and an hour at most.",
        ),
    ] = 10
    requests_at_once: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Requests of one clinic that an API process works on at once; ten times "
            "as many wait for up to two seconds, more are refused (429). Keep it below the pool's "
            "size, so that one clinic does not hold every connection.",
        ),
    ] = 8
    wrong_passwords_per_minute: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="Wrong passwords and codes a minute from one address at the console, and "
            "wrong birth dates at patients' links, after which it must wait, a minute at first and "
            "an hour at most.",
        ),
    ] = 20
    session_idle_minutes: Annotated[
        int,
        Field(ge=1, le=480, description="Minutes after which whoever does nothing is signed out."),
    ] = 15
    session_hours: Annotated[
        int, Field(ge=1, le=24, description="Hours after which everybody must sign in again.")
    ] = 12
    second_factor: Annotated[
        Literal["optional", "required"],
        Field(
            description="`required`: who signs in to the console with a password must set up codes "
            "of an authenticator before anything else."
        ),
    ] = "optional"
