"""Signing in at an issuer of OpenID Connect: authorization code with PKCE (RFC 7636).

What must survive the way there and back (state, nonce, verifier) is in a cookie of the browser that
goes, signed by us. The ID token is asked for once, by us, and no token of the issuer is kept. The
second factor is the issuer's.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from urllib.parse import quote, urlencode

import orjson

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound, Unauthenticated
from chroniccare.platform.fetch import FetchError, post_form
from chroniccare.platform.postgres import begin, database
from chroniccare.settings import Settings, address, values_of
from chroniccare.settings_identity import Issuer
from chroniccare.staff.accounts.attempts import ENTITY, SignInFailed
from chroniccare.staff.accounts.signing_in import Started
from chroniccare.staff.sessions import actions as sessions
from chroniccare.staff.sessions.actions import Place
from chroniccare.tenancy.people import People

LASTS_S = 600
"""Seconds that the way there and back may take."""
BACK = "/console/sign-in/from"
"""Where the issuer sends the browser back to."""
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class _Way:
    """What must come back as it went."""

    issuer: str
    state: str
    nonce: str
    verifier: str
    clinic: str
    back: str
    until: float  # epoch seconds


@dataclass(frozen=True, slots=True)
class Away:
    """Where a browser goes, and what it keeps meanwhile."""

    url: str
    kept: str


@dataclass(slots=True)
class Elsewhere:
    """The issuers at which staff sign in to the console."""

    people: People

    @property
    def names(self) -> list[str]:
        """Return what they are called, in the order in which `listed` counts."""
        return [one.name for one in self._all()]

    def listed(self, number: int) -> Issuer:
        """Return one of them.

        Raises:
            NotFound: there are not so many.
        """
        found = self._all()
        if not 0 <= number < len(found):
            raise NotFound("No such issuer.")
        return found[number]

    def _all(self) -> list[Issuer]:
        return [one for one in self.people.issuers if one.client_id is not None]

    async def finished(
        self, kept: str, *, code: str, state: str, place: Place
    ) -> tuple[str, Started]:
        """Return where to go on, and a session of whoever has signed in there.

        Raises:
            SignInFailed: nobody has, or not from this browser, or nobody of ours.
            Unavailable: the issuer's keys, or the database, cannot be reached.
        """
        settings, now = database().settings, database().clock()
        way = _read(settings, kept)
        issuer = None if way is None else next(
            (one for one in self._all() if one.issuer == way.issuer), None
        )  # fmt: skip
        if way is None or issuer is None or way.until < now.timestamp():
            raise SignInFailed
        if not code or not hmac.compare_digest(way.state.encode(), state.encode()):
            raise SignInFailed
        try:
            token = await _asked(settings, issuer, code[:_LONGEST], way.verifier)
            member = await self.people.signed_in(
                token, issuer, nonce=way.nonce, clinic=way.clinic or None, now=now
            )
        except Unauthenticated:
            raise SignInFailed from None
        caller = Caller(
            member.tenant_id, member.id, "staff", frozenset(), place.request_id, place.address,
            role=member.role,
        )  # fmt: skip
        async with begin(caller) as tx:
            fresh = await sessions.start(tx, member.id, member.role, needs="", place=place)
            await record(
                tx, action="sign_in", entity_type=ENTITY, entity_id=member.id,
                after={"by": "issuer"},
            )  # fmt: skip
        return way.back, Started(fresh, "")


def begun(settings: Settings, issuer: Issuer, *, clinic: str, back: str) -> Away:
    """Return where to send a browser, whose owner then goes on `back` here."""
    verifier = secrets.token_urlsafe(48)
    until = database().clock().timestamp() + LASTS_S
    way = _Way(
        issuer.issuer, secrets.token_urlsafe(32), secrets.token_urlsafe(32), verifier, clinic, back,
        until,
    )  # fmt: skip
    asked = {
        "response_type": "code", "client_id": issuer.client_id, "scope": "openid",
        "redirect_uri": address(settings) + BACK, "state": way.state, "nonce": way.nonce,
        "code_challenge": _plain(hashlib.sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }  # fmt: skip
    joined = "&" if "?" in (issuer.authorize_url or "") else "?"
    return Away(f"{issuer.authorize_url}{joined}{urlencode(asked)}", _written(settings, way))


async def _asked(settings: Settings, issuer: Issuer, code: str, verifier: str) -> str:
    """Return the ID token that the issuer gives for a code.

    Raises:
        SignInFailed: it gives none.
    """
    fields = {
        "grant_type": "authorization_code", "code": code, "code_verifier": verifier,
        "redirect_uri": address(settings) + BACK, "client_id": issuer.client_id or "",
    }  # fmt: skip
    headers = {"Accept": "application/json"}
    secret = values_of(settings, "oidc_client_secret")
    if secret:  # RFC 6749, 2.3.1: both are written as in a form first
        pair = f"{quote(issuer.client_id or '', safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    try:
        said = orjson.loads(await post_form(issuer.token_url or "", fields, headers))
    except (FetchError, orjson.JSONDecodeError):
        raise SignInFailed from None
    token = said.get("id_token") if isinstance(said, dict) else None
    if not isinstance(token, str):
        raise SignInFailed
    return token


def _written(settings: Settings, way: _Way) -> str:
    text = _plain(orjson.dumps(asdict(way)))
    return f"{text}.{_proof(settings, text)}"


def _read(settings: Settings, kept: str) -> _Way | None:
    text, _, proof = kept.partition(".")
    if not hmac.compare_digest(_proof(settings, text).encode(), proof.encode()):
        return None
    return _Way(**orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


def _proof(settings: Settings, text: str) -> str:
    key = values_of(settings, "key_pepper").encode()
    return hmac.digest(key, b"away|" + text.encode(), hashlib.sha256).hex()


def _plain(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
