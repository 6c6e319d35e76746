"""How patients are written: the resource's fields, and the actions of their slice."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.fhir import queries
from chroniccare.fhir.kind import Check, Resource, Writer
from chroniccare.fhir.kinds.common import email, phone
from chroniccare.fhir.resources import patient_write
from chroniccare.patients import actions as patients
from chroniccare.patients.schemas import AssignmentWrite, PatientWrite
from chroniccare.platform.postgres import Tx


def made(model: type[BaseModel], fields: dict[str, Any]) -> Any:
    """Return the body of /api/v1 that these fields make.

    Raises:
        Unprocessable: valid FHIR, but not what the record takes; each field is named.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        details = [
            FieldError(
                ".".join(str(step) for step in one["loc"]),
                "is needed" if one["input"] is None else one["msg"].removeprefix("Value error, "),
                "required" if one["input"] is None else "value",
            )
            for one in error.errors(include_url=False, include_context=False)
        ]
        raise Unprocessable(details=details) from None


async def _body(tx: Tx, said: Resource, kept: dict[str, Any]) -> PatientWrite:
    fields = patient_write.from_fhir(said, kept, tx.caller.tenant_id, phone=phone, email=email)
    body: PatientWrite = made(PatientWrite, fields)
    return body


async def _create(tx: Tx, said: Resource) -> UUID:
    zones = await tx.values(queries.ZONES)
    # Who sends no number of the clinic's gets one: R4 does not ask for any.
    kept = {"mrn": f"F-{new_id().hex[-12:].upper()}", "time_zone": zones[0] if zones else "UTC"}
    patient = await patients.create(tx, await _body(tx, said, kept))
    await _assign(tx, patient.id, said)
    return patient.id


async def _update(tx: Tx, patient_id: UUID, said: Resource, check: Check) -> None:
    patient = await patients.get_locked(tx, patient_id)
    check(patient.version)
    kept = {name: getattr(patient, name) for name in PatientWrite.model_fields}
    await patients.update(tx, patient, await _body(tx, said, kept))
    await _assign(tx, patient_id, said)


async def _assign(tx: Tx, patient_id: UUID, said: Resource) -> None:
    """Make the provider who is named first the primary one; naming none ends nothing."""
    name = patient_write.practitioner(said)
    if name is None:
        return
    row = await tx.one(queries.PATIENT, patient_id)
    if row is not None and name in map(str, row.practitioner_ids):
        return
    fields = {"provider_id": name, "relationship_type": "primary_care", "is_primary": True}
    await patients.assign(tx, patient_id, made(AssignmentWrite, fields))


async def _delete(tx: Tx, patient_id: UUID, check: Check) -> None:
    patient = await patients.get_locked(tx, patient_id)
    check(patient.version)
    await patients.delete(tx, patient)


PATIENT = Writer(
    scope="patients:write",
    places=patient_write.PLACES,
    create=_create,
    update=_update,
    delete=_delete,
    patient=lambda row: row.id,
)
