"""RelatedPerson, CareTeam, MedicationDispense and MedicationAdministration."""

from uuid import UUID

from chroniccare.fhir.queries_beside import AdministrationRow, DispenseRow, RelatedRow, TeamRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, said
from chroniccare.fhir.resources.medication_request import days, medication

_SUPPLY = "http://terminology.hl7.org/CodeSystem/v3-ActPharmacySupplyType"
FILLS = {"first_fill": "FF", "refill": "RF", "emergency": "EM"}
REPORTS = {"taken": "completed", "skipped": "not-done", "missed": "not-done"}


def related(row: RelatedRow, tenant_id: UUID) -> Resource:
    """Return somebody related; the relationship is what the clinic wrote."""
    del tenant_id
    language = {"coding": [{"system": common.LANGUAGES, "code": row.language}]}
    return said(
        common.started("RelatedPerson", row.id, row.version, row.updated_at),
        active=row.is_active,
        patient=common.reference("Patient", row.patient_id),
        relationship=[{"text": row.relationship}],
        name=[{"text": row.name}],
        telecom=common.telecom(row.contact_info),
        address=common.addresses(row.contact_info.get("address")),
        period=said({}, start=row.period_start, end=row.period_end),
        communication=[{"language": language, "preferred": True}],
    )


def team(row: TeamRow, tenant_id: UUID) -> Resource:
    """Return who cares for a patient; who did is in it with an end."""
    return said(
        common.started("CareTeam", row.id, row.version, row.updated_at),
        status="active" if row.is_current else "inactive",
        subject=common.reference("Patient", row.id, row.patient_name),
        participant=[
            {
                "role": [{"text": one["role"]}],
                "member": common.reference("Practitioner", one["provider_id"], one["name"]),
                "period": said({}, start=one["assigned_at"], end=one["ended_at"]),
            }
            for one in row.members
        ],
        managingOrganization=[common.reference("Organization", tenant_id)],
    )


def dispense(row: DispenseRow, tenant_id: UUID) -> Resource:
    """Return a fill; one that was taken back was entered in error."""
    del tenant_id
    return said(
        common.started("MedicationDispense", row.id, row.version, row.updated_at),
        status="entered-in-error" if row.is_voided else "completed",
        medicationCodeableConcept=medication(row.medication_name, row.rxnorm_code),
        subject=common.reference("Patient", row.patient_id),
        performer=[{"actor": {"display": row.pharmacy}}] if row.pharmacy else None,
        authorizingPrescription=[common.reference("MedicationRequest", row.medication_id)],
        type_=common.concept(row.kind.replace("_", " "), system=_SUPPLY, code=FILLS[row.kind]),
        quantity=None if row.quantity is None else {"value": row.quantity},
        daysSupply=days(row.days_supply),
        whenHandedOver=row.filled_on,
    )


def administration(row: AdministrationRow, tenant_id: UUID) -> Resource:
    """Return a report about a dose; of one that was not taken, when it was due."""
    del tenant_id
    status = "entered-in-error" if row.is_replaced else REPORTS[row.status]
    reason = row.reason or row.status
    return said(
        common.started("MedicationAdministration", row.id, row.version, row.updated_at),
        status=status,
        statusReason=[{"text": reason}] if row.status != "taken" else None,
        medicationCodeableConcept=medication(row.medication_name, row.rxnorm_code),
        subject=common.reference("Patient", row.patient_id),
        effectiveDateTime=row.taken_at or row.scheduled_time,
        performer=[{"actor": common.reference("Patient", row.patient_id)}]
        if row.source == "patient"
        else None,
        request=common.reference("MedicationRequest", row.medication_id),
    )
