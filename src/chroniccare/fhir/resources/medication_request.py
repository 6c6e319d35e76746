"""MedicationRequest."""

from typing import Any
from uuid import UUID

from chroniccare.fhir.queries import RequestRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, said

STATUS = {
    "draft": "draft",
    "active": "active",
    "on_hold": "on-hold",
    "stopped": "stopped",
    "completed": "completed",
}


def to_fhir(row: RequestRow, tenant_id: UUID) -> Resource:
    """Return the prescription; what was prescribed has the intent `order` (us-core-21)."""
    del tenant_id
    return said(
        common.started("MedicationRequest", row.id, row.version, row.updated_at),
        status=STATUS[row.status],
        statusReason={"text": row.stop_reason} if row.stop_reason else None,
        intent="order",
        medicationCodeableConcept=medication(row.medication_name, row.rxnorm_code),
        subject=common.reference("Patient", row.patient_id),
        authoredOn=row.created_at,
        requester=common.reference("Practitioner", row.prescribing_provider_id),
        dosageInstruction=row.dosage_instructions,
        dispenseRequest=_dispense(row),
    )


def medication(name: str, rxnorm: str | None) -> Resource:
    """Return what is taken."""
    return common.concept(name, system=common.RXNORM, code=rxnorm)


def days(number: int) -> Resource:
    """Return a Duration."""
    return {"value": number, "unit": "days", "system": common.UCUM, "code": "d"}


def _dispense(row: RequestRow) -> Resource:
    pharmacy: Any = row.pharmacy_info.get("name")
    return said(
        {},
        validityPeriod=said({}, start=row.start_date, end=row.end_date),
        numberOfRepeatsAllowed=row.refills_remaining,
        expectedSupplyDuration=None if row.days_supply is None else days(row.days_supply),
        performer={"display": pharmacy} if isinstance(pharmacy, str) else None,
    )
