"""Erasure of a patient: at once, in one transaction, with the audit kept; legal holds forbid it."""

from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.errors import Conflict, NotFound
from chroniccare.medications import actions as medications
from chroniccare.notifications.devices.actions import LOOP as DEVICES
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx
from chroniccare.privacy import actions, queries, queries_erasing
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling import telling
from chroniccare.tenancy import idempotency
from chroniccare.webhooks.actions import emit

_REASON = "patient erased"
_EXPORTS = "exports"
"""The loop that removes the files of exports: its slice stands above this one."""


class LegalHold(Conflict):
    """The patient's data must be kept, whoever asks."""

    code = "LEGAL_HOLD"
    message = "A legal hold forbids erasing this patient; lift it first."


async def erase(tx: Tx, patient_id: UUID, *, reason: str) -> queries.Job:
    """Erase what names the patient; visits to come are cancelled, messages are not sent.

    Nobody is told: there is no address left. Prescriptions are stopped by the worker, as those of
    every patient who was removed.

    Raises:
        NotFound: no such patient.
        LegalHold: one is placed.
    """
    await _lock(tx, patient_id)
    if await tx.one(queries_erasing.HOLD, patient_id) is not None:
        raise LegalHold
    coming = await tx.all(queries_erasing.COMING, patient_id, tx.now)
    if coming:
        await scheduling.cancel_many(tx, coming, reason=_REASON, notify=False)
    rows = {"appointments_cancelled": len(coming)}
    for name, step in queries_erasing.STEPS:
        rows[name] = await tx.run(step, patient_id, tx.now)
    rows["idempotency_keys"] = await idempotency.forget_about(tx, str(patient_id))
    await tx.run(queries_erasing.LOCK_EXPORTS, str(tx.caller.tenant_id))
    rows["fhir_exports"] = await tx.run(queries_erasing.CANCEL_EXPORTS)
    tx.wake(_EXPORTS)
    report = {"rows": {name: count for name, count in rows.items() if count}}
    job = await actions.write(tx, "erasure", patient_id, reason=reason, report=report)
    await record(
        tx, action="erase", entity_type="patient", entity_id=patient_id,
        after={"job_id": job.id, "reason": reason, **report},
    )  # fmt: skip
    await _forget(tx, patient_id)
    tx.wake(DEVICES)
    await emit(
        tx, "patient.updated", entity_type="patient", entity_id=patient_id,
        payload={"deleted": True},
    )  # fmt: skip
    return job


async def hold(tx: Tx, patient_id: UUID, *, reason: str) -> queries.Hold:
    """Place a legal hold on a patient, or give it another reason.

    Raises:
        NotFound: no such patient.
    """
    await tx.value(queries_erasing.LOCK_HOLDS, str(tx.caller.tenant_id))
    await _lock(tx, patient_id)
    before = await tx.one(queries_erasing.HOLD, patient_id)
    placed = await tx.one(
        queries_erasing.PLACE_HOLD, tx.caller.tenant_id, patient_id, reason, tx.now
    )
    if placed is None:
        raise NotFound
    await record(
        tx, action="hold", entity_type="patient", entity_id=patient_id, before=before, after=placed
    )
    return placed


async def lift(tx: Tx, patient_id: UUID) -> None:
    """Lift the legal hold on a patient.

    Raises:
        NotFound: no such patient, or none is placed.
    """
    await _lock(tx, patient_id)
    before = await tx.one(queries_erasing.HOLD, patient_id)
    if before is None:
        raise NotFound("There is no legal hold on this patient.")
    await tx.run(queries_erasing.LIFT_HOLD, patient_id)
    await record(tx, action="lift_hold", entity_type="patient", entity_id=patient_id, before=before)


async def held(tx: Tx, patient_id: UUID) -> queries.Hold:
    """Return the legal hold on a patient.

    Raises:
        NotFound: there is none.
    """
    found = await tx.one(queries_erasing.HOLD, patient_id)
    if found is None:
        raise NotFound("There is no legal hold on this patient.")
    return found


async def _lock(tx: Tx, patient_id: UUID) -> None:
    if await tx.value(queries_erasing.LOCK, patient_id) is None:
        raise NotFound("No such patient.")


async def _forget(tx: Tx, patient_id: UUID) -> None:
    """Name everything of the patient that is cached; it is gone with the commit."""
    tenant_id = tx.caller.tenant_id
    for visit_id in await tx.values(queries_erasing.VISITS, patient_id):
        tx.drop(*telling.keys(tenant_id, visit_id))
    tx.drop(*patients.keys(tenant_id, patient_id))
    tx.bump(
        patients.lists(tenant_id),
        patients.key(tenant_id, patient_id) + ":appointments",
        medications.active(tenant_id, patient_id),
    )
