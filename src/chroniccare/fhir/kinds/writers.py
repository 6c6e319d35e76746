"""How patients and visits are written: the resource's fields, and the actions of their slices."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from chroniccare.core.errors import FieldError, Forbidden, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.fhir import outcome, queries
from chroniccare.fhir.kind import Check, Many, Resource, Writer
from chroniccare.fhir.kinds import slots
from chroniccare.fhir.kinds.common import email, phone
from chroniccare.fhir.parameters import uuids
from chroniccare.fhir.resources import appointment, appointment_write, common, patient_write
from chroniccare.patients import actions as patients
from chroniccare.patients import queries as people
from chroniccare.patients.schemas import AssignmentWrite, PatientWrite
from chroniccare.platform.gathering import once
from chroniccare.platform.postgres import Tx
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling import lifecycle, moving, rules
from chroniccare.scheduling.schemas import AppointmentBook, AppointmentWrite
from chroniccare.scheduling.telling import sees_telehealth
from chroniccare.settings import address


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


def one_id(name: str | None, field: str) -> UUID:
    """Return the id that a reference names.

    Raises:
        Unprocessable: it names none of this server.
    """
    found = uuids([name or ""])
    if not found:
        raise Unprocessable.field(field, "is needed, as a reference to one of this server")
    return found[0]


def here(tx: Tx, said: Resource) -> Resource:
    """Return the resource with its references to this server as the server tells them."""
    found: Resource = common.relative(said, address(tx.settings) + outcome.BASE)
    return found


async def _body(tx: Tx, said: Resource, kept: dict[str, Any]) -> PatientWrite:
    fields = patient_write.from_fhir(said, kept, tx.caller.tenant_id, phone=phone, email=email)
    body: PatientWrite = made(PatientWrite, fields)
    return body


async def _ready(tx: Tx, said: Resource) -> list[Any]:
    zones = await once(tx, queries.ZONES)
    # Who sends no number of the clinic's gets one: R4 does not ask for any.
    kept = {"mrn": f"F-{new_id().hex[-12:].upper()}", "time_zone": zones[0] if zones else "UTC"}
    return await patients.ready(tx, await _body(tx, said, kept))


async def _finish(tx: Tx, said: Resource, row: Any) -> UUID | queries.PatientRow:
    patient = await patients.told(tx, row)
    if patient_write.practitioner(here(tx, said)) is None:
        return queries.new_patient(patient)
    await _assign(tx, patient.id, said)
    return patient.id


async def _create(tx: Tx, said: Resource) -> UUID | queries.PatientRow:
    row = await tx.one(_MANY.insert, *await _ready(tx, said))
    return await _finish(tx, said, row)


_MANY = Many(
    ready=_ready,
    insert=people.INSERT,
    id=lambda row: UUID(row[0]["id"]),
    turn=lambda row: str(row[0]["mrn"]),
    finish=_finish,
)


async def _update(tx: Tx, patient_id: UUID, said: Resource, check: Check) -> bool:
    patient = await patients.get_locked(tx, patient_id)
    check(patient.version)
    kept = {name: getattr(patient, name) for name in PatientWrite.model_fields}
    await patients.update(tx, patient, await _body(tx, said, kept))
    await _assign(tx, patient_id, said)
    return True


async def _assign(tx: Tx, patient_id: UUID, said: Resource) -> None:
    """Make the provider who is named first the primary one; naming none ends nothing."""
    name = patient_write.practitioner(here(tx, said))
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
    many=_MANY,
)


_HOLD_MINUTES = 15
"""For which a visit is held that a client proposes, or leaves pending."""
_STEPS: dict[str, rules.Step] = {
    "checked-in": "check_in",
    "arrived": "start",
    "fulfilled": "complete",
    "noshow": "no_show",
}


async def _visit(tx: Tx, said: Resource, kept: dict[str, Any], model: type[BaseModel]) -> Any:
    """Return the body of a visit; without a place it is at the provider's main facility."""
    said = here(tx, said)
    _check_participants(said, base=address(tx.settings) + outcome.BASE + "/")
    fields = appointment_write.from_fhir(said, kept, tx.caller.tenant_id)
    if sees_telehealth(tx.caller):
        fields["telehealth_details"] = appointment_write.joining(
            said, kept.get("telehealth_details")
        )
    elif appointment_write.virtual(said):
        raise Forbidden
    if fields["facility_id"] is None and (providers := uuids([fields["provider_id"] or ""])):
        fields["facility_id"] = await tx.value(queries.MAIN_PLACE, providers[0])
    return made(model, fields)


def _check_participants(said: Resource, *, base: str) -> None:
    """Check that the participants are records of ours.

    Raises:
        Unprocessable: one is another server's; each is named.
    """
    references = [one.get("actor", {}).get("reference", "") for one in said.get("participant", [])]
    wrong = [
        FieldError(f"Appointment.participant[{number}].actor", "is another server's", "not-found")
        for number, one in enumerate(references)
        if "://" in one and not one.startswith(base)
    ]
    if wrong:
        raise Unprocessable(details=wrong)


async def _book(tx: Tx, said: Resource) -> queries.AppointmentRow:
    status = said.get("status")
    if status not in {"booked", "pending", "proposed"}:
        raise Unprocessable.field("status", "of a new visit is booked, pending or proposed")
    slots.placed(said)
    body = await _visit(tx, said, {}, AppointmentBook)
    minutes = None if status == "booked" else _HOLD_MINUTES
    return queries.new_visit(await scheduling.book(tx, body, hold_minutes=minutes))


async def _change(tx: Tx, visit_id: UUID, said: Resource, check: Check) -> bool:
    """Change a visit, or take the step that leads to the state that the client wants."""
    visit = await scheduling.get_locked(tx, visit_id)
    check(visit.version)
    said.pop("slot", None)  # it follows from time and people, and may be that of before
    wanted = said.get("status", "")
    step = _STEPS.get(wanted)
    if wanted == appointment.STATUS[visit.status]:
        kept = {name: getattr(visit, name) for name in AppointmentWrite.model_fields
                if name not in {"override", "scheduled_end"}}  # fmt: skip
        await moving.change(tx, visit, await _visit(tx, said, kept, AppointmentWrite))
        return True
    if wanted == "cancelled":
        reason = appointment_write.cancellation(said)
        await scheduling.cancel(tx, visit, reason=reason)
    elif wanted == "booked" and visit.status == "held":
        await lifecycle.take_up(tx, visit)
    elif step is not None:
        await lifecycle.advance(tx, visit, step)
    else:
        raise Unprocessable.field("status", "cannot become that")
    return False


APPOINTMENT = Writer(
    scope="appointments:write",
    places=appointment_write.PLACES,
    create=_book,
    update=_change,
    delete=None,
    patient=lambda row: row.patient_id,
    told=frozenset({appointment.VIRTUAL}),
)
