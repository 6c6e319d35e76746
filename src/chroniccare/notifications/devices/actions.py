"""Devices as the app registers them; the provider hears of it afterwards, see `registering`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.drivers import applications
from chroniccare.core.errors import Conflict, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.notifications.devices import queries
from chroniccare.notifications.devices.schemas import DeviceWrite
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx
from chroniccare.platform.sealing import as_bytea
from chroniccare.settings import drivers
from chroniccare.webhooks.actions import EventType, emit

LOOP = "devices"
ENTITY = "device"
MOST = 10
"""Most devices of a patient."""
_LISTING = "devices"


class TokenTaken(Conflict):
    """Another device has this token: it is that one which is to be named again, or removed."""

    code = "TOKEN_TAKEN"
    message = "Another device is registered with this token."


async def register(tx: Tx, patient_id: UUID, body: DeviceWrite) -> queries.Device:
    """Register a device, or note that a known one is in use; the same token is the same device.

    A token that another patient's device had is this patient's from now on: who signs in on a
    device last receives what it shows.

    Raises:
        NotFound: no such patient.
        Unprocessable: the platform is not set up, or the patient has too many devices.
    """
    await patients.get_locked(tx, patient_id)
    _check_platform(tx, body)
    await tx.value(queries.LOCK_TOKEN, body.platform, body.token)
    known = await tx.one(queries.BY_TOKEN, body.platform, body.token, await _blind(tx, body))
    if known is not None and known.patient_id == patient_id:
        return await _write(tx, known, body)
    if await tx.value(queries.COUNT, patient_id) >= MOST:
        raise Unprocessable.field("patient_id", f"has {MOST} devices already", "too_many")
    if known is not None:
        await _seal(tx, known, body)
        await remove(tx, known)
    device_id = new_id()
    document = await _document(tx, device_id, body)
    document["patient_id"] = str(patient_id)
    await tx.run(queries.INSERT, document, tx.caller.tenant_id, tx.now)
    made = await get(tx, patient_id, device_id)
    tx.wake(LOOP)
    await tell(tx, "create", "device.registered", before=None, after=made, device=made)
    return made


async def update(tx: Tx, device: queries.Device, body: DeviceWrite) -> queries.Device:
    """Replace `device`, which this transaction has locked: its push service gave it another token.

    Raises:
        TokenTaken: another device has this token.
        Unprocessable: another platform, or one that is not set up.
    """
    _check_platform(tx, body)
    if body.platform != device.platform:
        raise Unprocessable.field("platform", "a device keeps its platform", "platform")
    await tx.value(queries.LOCK_TOKEN, body.platform, body.token)
    known = await tx.one(queries.BY_TOKEN, body.platform, body.token, await _blind(tx, body))
    if known is not None and known.id != device.id:
        raise TokenTaken
    return await _write(tx, device, body)


async def _write(tx: Tx, device: queries.Device, body: DeviceWrite) -> queries.Device:
    await tx.run(queries.UPDATE, await _document(tx, device.id, body), tx.now)
    changed = await get(tx, device.patient_id, device.id)
    if changed.status == "waiting":
        tx.wake(LOOP)
    await tell(tx, "update", "device.registered", before=device, after=changed, device=changed)
    return changed


async def _document(tx: Tx, device_id: UUID, body: DeviceWrite) -> dict[str, Any]:
    """Return the row with its token sealed, and what it is found by."""
    keys = await tx.keyring()
    return {
        **body.model_dump(mode="json"),
        "id": str(device_id),
        "token": keys.sealed(queries.TOKEN, device_id, body.token),
        "token_index": as_bytea(keys.blind(queries.TOKEN, body.token)),
    }


async def _blind(tx: Tx, body: DeviceWrite) -> bytes:
    return (await tx.keyring()).blind(queries.TOKEN, body.token)


async def _seal(tx: Tx, device: queries.Device, body: DeviceWrite) -> None:
    """Seal the token of a row that may be from before: what is shared is seen by its hash."""
    row = await _document(tx, device.id, body)
    written = {"id": row["id"], "value": row["token"], "blind": row["token_index"]}
    await tx.run(queries.RESEAL_TOKENS, [written])


async def remove(tx: Tx, device: queries.Device) -> None:
    """Remove `device`, which this transaction has locked: nothing more goes there."""
    await tx.run(queries.REMOVE, device.id, tx.now)
    tx.wake(LOOP)
    await tell(tx, "delete", "device.removed", before=device, after=None, device=device)


async def get(tx: Tx, patient_id: UUID, device_id: UUID) -> queries.Device:
    """Return one device.

    Raises:
        NotFound: the patient, in the caller's tenant, has none with this id.
    """
    return await _found(tx, queries.GET, patient_id, device_id)


async def get_locked(tx: Tx, patient_id: UUID, device_id: UUID) -> queries.Device:
    """Return one device; its row and the patient's are locked; see `get`."""
    await patients.get_locked(tx, patient_id)
    return await _found(tx, queries.GET_FOR_UPDATE, patient_id, device_id)


async def listed(
    tx: Tx, patient_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.Device]:
    """Return one page of a patient's devices, the oldest record first.

    Raises:
        NotFound: no such patient.
    """
    await patients.get(tx, patient_id)
    after = paging.decode(cursor, _LISTING, [patient_id], [datetime.fromisoformat, UUID])
    rows = await tx.all(queries.LIST, patient_id, *(after or [None, None]), limit + 1)
    return paging.page(
        rows, limit, listing=_LISTING, filters=[patient_id],
        key=lambda row: [row.created_at, row.id],
    )  # fmt: skip


async def tell(
    tx: Tx, action: str, event: EventType, *, before: Any, after: Any, device: queries.Device
) -> None:
    """Audit a change of a device and emit its event; neither holds the token."""
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=device.id, before=before, after=after
    )
    await emit(
        tx, event, entity_type=ENTITY, entity_id=device.id,
        payload={"version": device.version, "patient_id": device.patient_id},
    )  # fmt: skip


async def _found(tx: Tx, query: Any, patient_id: UUID, device_id: UUID) -> queries.Device:
    device: queries.Device | None = await tx.one(query, patient_id, device_id)
    if device is None:
        raise NotFound("No such device.")
    return device


def _check_platform(tx: Tx, body: DeviceWrite) -> None:
    if "sns" not in drivers(tx.settings, "push"):
        return
    if body.platform not in applications(tx.settings.push_applications):
        raise Unprocessable.field("platform", "is not set up here", "platform")
