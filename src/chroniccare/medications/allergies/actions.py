"""Allergies: recorded, changed, removed."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core import paging
from chroniccare.core.errors import NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.medications.allergies import queries
from chroniccare.medications.allergies.schemas import AllergyWrite
from chroniccare.medications.interactions.table import table
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx
from chroniccare.webhooks.actions import emit

MOST = 100
"""Most allergies of a patient."""
ENTITY = "allergy"
_LISTING = "allergies"


async def create(tx: Tx, patient_id: UUID, body: AllergyWrite) -> queries.Allergy:
    """Record an allergy.

    Raises:
        NotFound: no such patient.
        Unprocessable: no such class, noted in the future, or the patient has too many.
    """
    await patients.get_locked(tx, patient_id)
    _check(tx, body)
    if await tx.value(queries.COUNT, patient_id) >= MOST:
        raise Unprocessable.field("patient_id", f"has {MOST} allergies already", "too_many")
    allergy_id = new_id()
    await tx.run(
        queries.INSERT, _document(allergy_id, patient_id, body), tx.caller.tenant_id, tx.now
    )
    made = await get(tx, patient_id, allergy_id)
    await _tell(tx, "create", "allergy.created", before=None, after=made, allergy=made)
    return made


async def update(tx: Tx, allergy: queries.Allergy, body: AllergyWrite) -> queries.Allergy:
    """Replace `allergy`, which this transaction has locked; see `create`."""
    _check(tx, body)
    await tx.run(queries.UPDATE, _document(allergy.id, allergy.patient_id, body), tx.now)
    changed = await get(tx, allergy.patient_id, allergy.id)
    await _tell(tx, "update", "allergy.updated", before=allergy, after=changed, allergy=changed)
    return changed


async def delete(tx: Tx, allergy: queries.Allergy) -> None:
    """Remove `allergy`; what was entered in error can also be kept, marked as such."""
    await tx.run(queries.DELETE, allergy.id, tx.now)
    await _tell(tx, "delete", "allergy.removed", before=allergy, after=None, allergy=allergy)


async def get(tx: Tx, patient_id: UUID, allergy_id: UUID) -> queries.Allergy:
    """Return one allergy.

    Raises:
        NotFound: the patient, in the caller's tenant, has none with this id.
    """
    return await _found(tx, queries.GET, patient_id, allergy_id)


async def get_locked(tx: Tx, patient_id: UUID, allergy_id: UUID) -> queries.Allergy:
    """Return one allergy; its row and the patient's are locked; see `get`."""
    await patients.get_locked(tx, patient_id)
    return await _found(tx, queries.GET_FOR_UPDATE, patient_id, allergy_id)


async def listed(
    tx: Tx, patient_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.Allergy]:
    """Return one page of a patient's allergies, the oldest record first.

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


async def _found(tx: Tx, query: Any, patient_id: UUID, allergy_id: UUID) -> queries.Allergy:
    allergy: queries.Allergy | None = await tx.one(query, patient_id, allergy_id)
    if allergy is None:
        raise NotFound("No such allergy.")
    return allergy


def _check(tx: Tx, body: AllergyWrite) -> None:
    if body.drug_class is not None and body.drug_class not in table().classes:
        raise Unprocessable.field("drug_class", "must be a key of /interaction-sets", "unknown")
    # A day's grace: it may be tomorrow already where the patient lives.
    if body.recorded_on is not None and body.recorded_on - tx.now.date() > timedelta(days=1):
        raise Unprocessable.field("recorded_on", "must not be in the future", "future")


def _document(allergy_id: UUID, patient_id: UUID, body: AllergyWrite) -> dict[str, Any]:
    return {
        "id": str(allergy_id), "patient_id": str(patient_id), **body.model_dump(mode="json")
    }  # fmt: skip


async def _tell(
    tx: Tx, action: str, event: Any, *, before: Any, after: Any, allergy: queries.Allergy
) -> None:
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=allergy.id, before=before, after=after
    )
    await emit(
        tx, event, entity_type=ENTITY, entity_id=allergy.id,
        payload={"version": allergy.version, "patient_id": allergy.patient_id},
    )  # fmt: skip
