"""How prescriptions, fills and reports about doses are written: by the actions of their slices."""

from typing import Any
from uuid import UUID

from chroniccare.core.errors import Conflict, Unprocessable
from chroniccare.fhir.kind import Check, Resource, Writer
from chroniccare.fhir.kinds.writers import here, made, one_id
from chroniccare.fhir.resources import common, drug_write, medication_request
from chroniccare.fhir.resources.common import target_of
from chroniccare.medications import actions as medications
from chroniccare.medications import lifecycle, queries, rules
from chroniccare.medications.adherence import actions as adherence
from chroniccare.medications.adherence.schemas import ReportWrite
from chroniccare.medications.fills import actions as fills
from chroniccare.medications.fills.schemas import FillWrite
from chroniccare.medications.interactions import service
from chroniccare.medications.interactions.service import Advice
from chroniccare.medications.schemas import MedicationChange, MedicationCreate, MedicationWrite
from chroniccare.patients import actions as patients
from chroniccare.platform.postgres import Tx

_STOPPED = "Stopped by a FHIR client"


class AskedElsewhere(Conflict):
    """The clinic asks a service of its own about each drug, before a transaction begins."""

    code = "INTERACTION_SERVICE"
    message = (
        "This clinic's interaction service is asked about each drug: prescribe through /api/v1."
    )


def _check_service() -> None:
    """Check that no safety check is passed by.

    Raises:
        AskedElsewhere: /api/v1 asks an external service, which is not asked here.
    """
    if service.is_used():
        raise AskedElsewhere


def _check_order(said: Resource) -> None:
    """Check that it is an order to take something.

    Raises:
        Unprocessable: it is a plan or a proposal, or says that something is not to be taken.
    """
    if said.get("intent") != "order":
        raise Unprocessable.field("MedicationRequest.intent", "must be order")
    if said.get("doNotPerform"):
        reason = "is not kept here: what is not to be taken is an allergy, or is stopped"
        raise Unprocessable.field("MedicationRequest.doNotPerform", reason)
    if "medicationCodeableConcept" not in said:
        reason = "must be a medicationCodeableConcept"
        raise Unprocessable.field("MedicationRequest.medication", reason)


async def _prescribe(tx: Tx, said: Resource) -> UUID:
    said = here(tx, said)
    _check_order(said)
    _check_service()
    if said.get("status") not in {"active", "draft"}:
        raise Unprocessable.field("status", "of a new prescription is active or draft")
    patient_id = one_id(target_of(said.get("subject"), "Patient"), "patient_id")
    patient = await patients.get(tx, patient_id)
    today = rules.today(tx.now, patient.time_zone).isoformat()
    fields = {**drug_write.request(said, {}, today=today), "status": said["status"]}
    return (await medications.create(tx, patient_id, made(MedicationCreate, fields))).id


async def _change(tx: Tx, medication_id: UUID, said: Resource, check: Check) -> bool:
    """Change a prescription, or take the step that leads to the state that the client wants."""
    said = here(tx, said)
    found = await medications.get_locked(tx, medication_id)
    check(found.version)
    _check_order(said)
    if one_id(target_of(said.get("subject"), "Patient"), "patient_id") != found.patient_id:
        raise Unprocessable.field("patient_id", "cannot become another")
    wanted = said.get("status", "")
    if wanted != medication_request.STATUS[found.status]:
        await _step(tx, found, wanted, said)
        return False
    _check_service()
    kept = {name: getattr(found, name) for name in MedicationWrite.model_fields}
    kept["start_date"] = found.start_date.isoformat()
    fields = drug_write.request(said, kept, today=kept["start_date"])
    await medications.change(tx, found, made(MedicationChange, fields))
    return True


async def _step(tx: Tx, found: queries.Medication, wanted: str, said: Resource) -> None:
    """Take one step, and change nothing else."""
    if wanted == "stopped":
        reason = common.words(said.get("statusReason", {})) or _STOPPED
        await lifecycle.stop(tx, found, reason=reason)
    elif wanted == "completed":
        await lifecycle.complete(tx, found)
    elif wanted == "on-hold":
        await lifecycle.hold(tx, found, until=None)
    elif wanted == "active" and found.status == "draft":
        _check_service()
        await lifecycle.activate(tx, found, override=None, advice=Advice())
    elif wanted == "active":
        await lifecycle.resume(tx, found)
    else:
        raise Unprocessable.field("status", "cannot become that")


REQUEST = Writer(
    scope="medications:write",
    places=drug_write.REQUEST_PLACES,
    create=_prescribe,
    update=_change,
    delete=None,
    patient=lambda row: row.patient_id,
    decided=frozenset({"authoredOn"}),  # searches go by when it was written here
)


async def _of(tx: Tx, said: Resource, reference: Resource | None) -> UUID:
    """Return the prescription that something is of.

    Raises:
        Unprocessable: it names none, none that is there, or that of another patient.
    """
    medication_id = one_id(target_of(reference, "MedicationRequest"), "medication_id")
    found = await tx.one(queries.GET, medication_id)
    if found is None:
        raise Unprocessable.field("medication_id", "no such prescription")
    patient = one_id(target_of(said.get("subject"), "Patient"), "patient_id")
    if patient != found.patient_id:
        raise Unprocessable.field("patient_id", "is not whose prescription it is")
    return medication_id


async def _dispense(tx: Tx, said: Resource) -> UUID:
    said = here(tx, said)
    if said.get("status") != "completed":
        raise Unprocessable.field("status", "of a new fill is completed")
    prescriptions: list[Any] = said.get("authorizingPrescription", [])
    medication_id = await _of(tx, said, next(iter(prescriptions), None))
    return (await fills.add(tx, medication_id, made(FillWrite, drug_write.fill(said)))).id


async def _void(tx: Tx, fill_id: UUID, said: Resource, check: Check) -> bool:
    """Take back a fill: nothing else of it changes."""
    said = here(tx, said)
    prescriptions: list[Any] = said.get("authorizingPrescription", [])
    medication_id = await _of(tx, said, next(iter(prescriptions), None))
    found = await fills.get(tx, medication_id, fill_id, lock=True)
    check(found.version)
    if said.get("status") != "entered-in-error":
        raise Unprocessable.field("status", "can become entered-in-error, and nothing else changes")
    await fills.void(tx, medication_id, found)
    return False


DISPENSE = Writer(
    scope="medications:write",
    places=drug_write.DISPENSE_PLACES,
    create=_dispense,
    update=_void,
    delete=None,
    patient=lambda row: row.patient_id,
)


async def _report(tx: Tx, said: Resource) -> UUID:
    said = here(tx, said)
    if said.get("status") not in {"completed", "not-done"}:
        raise Unprocessable.field("status", "of a report is completed or not-done")
    medication_id = await _of(tx, said, said.get("request"))
    body = made(ReportWrite, drug_write.report(said))
    return (await adherence.report(tx, medication_id, body)).report.id


ADMINISTRATION = Writer(
    scope="medications:write",
    places=drug_write.ADMINISTRATION_PLACES,
    create=_report,
    update=None,  # a later report corrects it
    delete=None,
    patient=lambda row: row.patient_id,
)
