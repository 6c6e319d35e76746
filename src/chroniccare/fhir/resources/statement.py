"""MedicationStatement: a prescription as it is taken. Its id is the prescription's."""

from datetime import date, datetime
from uuid import UUID

from chroniccare.fhir.queries_told import StatementRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local, said
from chroniccare.fhir.resources.medication_request import medication
from chroniccare.medications.adherence.measures import percent

STATUS = {
    "draft": "intended",
    "active": "active",
    "on_hold": "on-hold",
    "stopped": "stopped",
    "completed": "completed",
}
_ADHERENCE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationStatement.adherence"
_CODES = "http://hl7.org/fhir/CodeSystem/medication-statement-adherence"


def to_fhir(row: StatementRow, tenant_id: UUID) -> Resource:
    """Return what is taken, and how well."""
    return said(
        common.started("MedicationStatement", row.id, row.version, row.updated_at),
        extension=_adherence(row, tenant_id),
        basedOn=[common.reference("MedicationRequest", row.id)],
        status=STATUS[row.status],
        statusReason=[{"text": row.stop_reason}] if row.stop_reason else None,
        medicationCodeableConcept=medication(row.medication_name, row.rxnorm_code),
        subject=common.reference("Patient", row.patient_id),
        effectivePeriod=said({}, start=row.start_date, end=_last(row)),
        dateAsserted=row.updated_at,
        informationSource=common.reference("Organization", tenant_id),
        dosage=row.dosage_instructions,
    )


def _last(row: StatementRow) -> date | datetime | None:
    """Return when it ended: what was stopped on its first day, or before, has no other end."""
    if row.stopped_at is not None:
        return row.stopped_at if row.stopped_at.date() > row.start_date else None
    return row.end_date


def _adherence(row: StatementRow, tenant_id: UUID) -> list[Resource]:
    """Return the share of the observed doses that was taken, and whether that is low (R5)."""
    found: list[Resource] = []
    share = percent(row.taken, row.observed)
    if share is not None:
        quantity = {"value": share, "unit": "%", "system": common.UCUM, "code": "%"}
        found.append({"url": local(tenant_id, "adherence"), "valueQuantity": quantity})
    if row.low_reason is not None:
        concept = common.concept(
            row.low_reason.replace("_", " "), system=_CODES, code="taking-not-as-directed"
        )
        parts = [{"url": "code", "valueCodeableConcept": concept}]
        found.append({"url": _ADHERENCE, "extension": parts})
    return found
