"""People of a clinic with passwords, and the clock they look at; used by the tests of sign-in."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pyotp

from chroniccare.platform.postgres import database
from chroniccare.staff.accounts import actions
from chroniccare.staff.accounts.signing_in import Reception, Started, Typed
from chroniccare.staff.sessions import actions as sessions
from chroniccare.staff.sessions.actions import Place, Session
from chroniccare.tenancy.actions import list_tenants
from chroniccare.tenancy.guesses import Guesses
from tests.client import Clinic

PLACE = Place("10.0.0.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "test-request")
OWN = "correct horse battery 7"


@dataclass(slots=True)
class Worker:
    """Somebody who works at a clinic and signs in with a password."""

    clinic: Clinic
    id: UUID
    email: str
    subdomain: str
    password: str
    reception: Reception = field(default_factory=lambda: Reception(Guesses(100_000, of="test:")))

    async def sign_in(self, password: str | None = None, **typed: str) -> Started:
        """Sign in, with other words than theirs if told."""
        given = {"clinic": self.subdomain, "email": self.email, **typed}
        words = Typed(given["clinic"], given["email"], password or self.password)
        return await self.reception.sign_in(words, PLACE)

    async def session(self, token: str) -> Session:
        """Return the session behind a token, which must be one."""
        found = await opened(token)
        assert found is not None
        return found

    async def with_codes(self) -> tuple[pyotp.TOTP, list[str]]:
        """Set up a second factor; return the authenticator and the recovery codes."""
        token = (await self.sign_in()).token
        enrolment = await actions.begin_factor(await self.session(token), password=self.password)
        device = pyotp.TOTP(enrolment.secret)
        code = device.at(database().clock())
        fresh, codes = await actions.confirm_factor(await self.session(token), token, code=code)
        assert await opened(token) is None
        assert await opened(fresh) is not None
        return device, codes


async def worker(clinic: Clinic, role: str = "front_desk", *, must_change: bool = False) -> Worker:
    """Add somebody with a role and a password."""
    body = {"email": f"{uuid4()}@clinic.example", "display_name": "Dana Lee", "role": role}
    staff_id = UUID((await clinic.make("/staff", body))["id"])
    password = await actions.give_password(clinic.caller, staff_id, must_change=must_change)
    [tenant] = [one for one in await list_tenants() if one.id == clinic.tenant_id]
    return Worker(clinic, staff_id, body["email"], tenant.subdomain, password)


async def opened(token: str) -> Session | None:
    """Return the session behind a token, at the test's time."""
    return await sessions.opened(token, now=database().clock(), address=PLACE.address)


def let_pass() -> None:
    """Have this process remember no session, as after a second."""
    sessions._memory.held.clear()
