"""Staff: add, change, set aside."""

from dataclasses import replace
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx
from chroniccare.settings_identity import issuers
from chroniccare.staff import queries
from chroniccare.staff.schemas import StaffWrite
from chroniccare.staff.sessions import actions as sessions
from chroniccare.webhooks.actions import EventType, emit

ENTITY = "staff"
_LISTING = "staff"


class StaffTaken(Conflict):
    """Another member of staff has the email address, or is this person of the issuer."""

    code = "STAFF_TAKEN"
    message = "Another member of staff has these."


class OwnAccess(Conflict):
    """Nobody takes their own role or access: the clinic could be left without an administrator."""

    code = "OWN_ACCESS"
    message = "Somebody else must change your own role or access."


async def create(tx: Tx, body: StaffWrite) -> queries.Staff:
    """Add a member of staff.

    Raises:
        StaffTaken: the email address or the person is taken.
        Unprocessable: no tokens of the issuer are taken.
    """
    staff_id = new_id()
    await _check(tx, staff_id, body)
    added = await tx.run(
        queries.INSERT, staff_id, tx.caller.tenant_id, body.email, body.display_name, body.role,
        body.issuer, body.subject, body.is_active, tx.now,
    )  # fmt: skip
    if not added:  # by somebody else at the same moment
        raise StaffTaken
    made = await get(tx, staff_id)
    await _tell(tx, "create", "staff.created", before=None, after=made)
    return made


async def update(tx: Tx, staff: queries.Staff, body: StaffWrite) -> queries.Staff:
    """Replace `staff`, whom this transaction has locked, by `body`.

    Raises:
        StaffTaken: the email address or the person is taken.
        OwnAccess: the caller would lose their own role or access.
        Unprocessable: no tokens of the issuer are taken.
    """
    if tx.caller.actor_id == staff.id and (body.role != staff.role or not body.is_active):
        raise OwnAccess
    await _check(tx, staff.id, body)
    await tx.run(
        queries.UPDATE, staff.id, body.email, body.display_name, body.role, body.issuer,
        body.subject, body.is_active, tx.now,
    )  # fmt: skip
    if body.role != staff.role or not body.is_active:
        await sessions.end_others(tx, staff.id)
    changed = await get(tx, staff.id)
    await _tell(tx, "update", "staff.updated", before=staff, after=changed)
    return changed


async def set_aside(tx: Tx, staff: queries.Staff) -> queries.Staff:
    """Refuse the tokens of `staff`, whom this transaction has locked; the record stays.

    Raises:
        OwnAccess: that is the caller.
    """
    kept = replace(staff, is_active=False)
    body = StaffWrite.model_construct(
        email=kept.email, display_name=kept.display_name, role=kept.role, issuer=kept.issuer,
        subject=kept.subject, is_active=False,
    )  # fmt: skip
    return await update(tx, staff, body)


async def get(tx: Tx, staff_id: UUID) -> queries.Staff:
    """Return one member of staff.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    staff = await tx.one(queries.GET, staff_id)
    return _found(staff)


async def get_locked(tx: Tx, staff_id: UUID) -> queries.Staff:
    """Return one member of staff and lock the row; see `get`."""
    staff = await tx.one(queries.GET_FOR_UPDATE, staff_id)
    return _found(staff)


async def listed(
    tx: Tx, *, role: str | None, is_active: bool | None, cursor: str | None, limit: int
) -> paging.Page[queries.Staff]:
    """Return one page by email address."""
    filters = [role, is_active]
    after = paging.decode(cursor, _LISTING, filters, [str]) or [None]
    rows = await tx.all(queries.LIST, role, is_active, *after, limit + 1)
    return paging.page(rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.email])


async def _check(tx: Tx, staff_id: UUID, body: StaffWrite) -> None:
    known = {one.issuer for one in issuers(tx.settings.oidc_issuers)}
    if body.is_active and body.issuer is not None and body.issuer not in known:
        raise Unprocessable.field("issuer", "is none whose tokens the operator takes", "issuer")
    taken = await tx.value(queries.TAKEN, staff_id, body.email, body.issuer, body.subject)
    if taken is not None:
        raise StaffTaken(details=[FieldError(taken, "another member of staff has it", "taken")])


async def _tell(
    tx: Tx,
    action: str,
    event: EventType,
    *,
    before: queries.Staff | None,
    after: queries.Staff,
) -> None:
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=after.id, before=before, after=after
    )
    payload = {"version": after.version, "role": after.role, "is_active": after.is_active}
    await emit(tx, event, entity_type=ENTITY, entity_id=after.id, payload=payload)


def _found(staff: queries.Staff | None) -> queries.Staff:
    if staff is None:
        raise NotFound("No such member of staff.")
    return staff
