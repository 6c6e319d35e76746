"""People of a clinic who sign in with a password, for the operator of the machine."""

from uuid import UUID

from pydantic import ValidationError

from chroniccare.commands import tenants
from chroniccare.core.caller import system
from chroniccare.core.errors import FieldError, Invalid, NotFound
from chroniccare.platform.postgres import begin
from chroniccare.staff.accounts import actions, queries
from chroniccare.staff.schemas import StaffWrite


async def add(subdomain: str | None, *, email: str, name: str, role: str) -> str:
    """Add somebody and return the password to be given to them, good for three days.

    Raises:
        Invalid: an address, a name or a role that is none.
        StaffTaken: the address is taken.
    """
    try:
        body = StaffWrite.model_validate({"email": email, "display_name": name, "role": role})
    except ValidationError as error:
        wrong = [FieldError(str(one["loc"][0]), one["msg"], one["type"]) for one in error.errors()]
        raise Invalid(details=wrong) from None
    _, password = await actions.add(await tenants.caller(subdomain), body)
    return password


async def reset_password(subdomain: str | None, email: str, *, factor_too: bool) -> str:
    """Give somebody another password and return it; see `accounts.actions.give_password`.

    Raises:
        NotFound: nobody has this address.
    """
    caller = await tenants.caller(subdomain)
    async with begin(caller) as tx:
        found = await tx.one(queries.BY_EMAIL, email.strip().lower())
    if found is None:
        raise NotFound("No member of staff has this email address.")
    return await actions.give_password(caller, found.id, factor_too=factor_too)


async def first_administrator(tenant_id: UUID, email: str) -> str | None:
    """Add the administrator of a clinic where nobody can sign in yet; return their password.

    It is theirs to keep: whoever reads it is who has started the clinic. None: somebody can.
    """
    caller = system(tenant_id, job="up")
    async with begin(caller) as tx:
        if await actions.is_any(tx):
            return None
        known = await tx.one(queries.BY_EMAIL, email)
    if known is not None:
        return await actions.give_password(caller, known.id, must_change=False)
    body = StaffWrite(email=email, display_name="Administrator", role="administrator")
    _, password = await actions.add(caller, body, must_change=False)
    return password
