"""Patient."""

from typing import Any
from uuid import UUID

from chroniccare.fhir.queries import PatientRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local, said

_CONTACT = "http://terminology.hl7.org/CodeSystem/v2-0131"


def to_fhir(row: PatientRow, tenant_id: UUID) -> Resource:
    """Return the patient; a gender that is not known is `unknown`, as US Core asks for one."""
    mrn = {
        "use": "usual",
        "type": {"coding": [{"system": common.V2_0203, "code": "MR"}]},
        "system": local(tenant_id, "mrn"),
        "value": row.mrn,
    }
    return said(
        common.started("Patient", row.id, row.version, row.updated_at),
        identifier=[mrn],
        active=row.is_active,
        name=[{"use": "official", "family": row.last_name, "given": [row.first_name]}],
        telecom=common.telecom(row.contact_info),
        gender=row.gender or "unknown",
        birthDate=row.date_of_birth,
        deceasedBoolean=True if row.treatment_status == "deceased" else None,
        address=common.addresses(row.contact_info.get("address")),
        contact=_contact(row.emergency_contact),
        communication=[
            {
                "language": {"coding": [{"system": common.LANGUAGES, "code": row.language}]},
                "preferred": True,
            }
        ],
        generalPractitioner=[common.reference("Practitioner", one) for one in row.practitioner_ids],
        managingOrganization=common.reference("Organization", tenant_id),
        extension=[{"url": common.ZONE, "valueCode": row.time_zone}],
    )


def _contact(value: dict[str, Any]) -> list[Resource]:
    """Return whom to call, unless nothing is said of them (pat-1)."""
    name, phone, email = (value.get(one) for one in ("name", "phone", "email"))
    points = [
        {"system": system, "value": str(one)}
        for system, one in (("phone", phone), ("email", email))
        if one
    ]
    details = said({}, name={"text": str(name)} if name else None, telecom=points)
    if not details:
        return []
    relationship = [{"coding": [{"system": _CONTACT, "code": "C"}]}]
    if kin := value.get("relationship"):
        relationship[0]["text"] = str(kin)  # type: ignore[assignment]
    return [{"relationship": relationship, **details}]
