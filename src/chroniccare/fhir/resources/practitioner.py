"""Practitioner and PractitionerRole."""

from uuid import UUID

from chroniccare.fhir.queries import PractitionerRow, RoleRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local, said


def to_fhir(row: PractitionerRow, tenant_id: UUID) -> Resource:
    """Return the provider."""
    del tenant_id
    identifiers = [
        {
            "type": {"coding": [{"system": common.V2_0203, "code": one["type"]}]},
            "system": one["system"],
            "value": one["value"],
        }
        for one in row.identifiers
    ]
    if row.npi is not None:
        identifiers.insert(0, _npi(row.npi))
    return said(
        common.started("Practitioner", row.id, row.version, row.updated_at),
        identifier=identifiers,
        active=row.is_active,
        name=[{"use": "official", "family": row.last_name, "given": [row.first_name]}],
        telecom=common.telecom(row.contact_info),
        address=common.addresses(row.contact_info.get("address")),
        qualification=[{"code": {"text": one}} for one in row.qualifications],
        communication=[
            {"coding": [{"system": common.LANGUAGES, "code": one}]} for one in row.languages
        ],
    )


def _npi(number: str) -> Resource:
    return {
        "type": {"coding": [{"system": common.V2_0203, "code": "NPI"}]},
        "system": common.NPI,
        "value": number,
    }


def role(row: RoleRow, tenant_id: UUID) -> Resource:
    """Return what the provider does at one facility."""
    return said(
        common.started("PractitionerRole", row.id, row.version, row.updated_at),
        active=row.is_active,
        period={"start": row.associated_at},
        practitioner=common.reference("Practitioner", row.provider_id, row.provider_name),
        organization=common.reference("Organization", tenant_id),
        location=[common.reference("Location", row.facility_id, row.facility_name)],
        specialty=specialties(row.specializations, tenant_id),
        telecom=common.telecom(row.contact_info),
    )


def specialties(names: list[str], tenant_id: UUID) -> list[Resource]:
    """Return fields of work: codes of the clinic's own, for they are written in words."""
    system = local(tenant_id, "specialization")
    return [common.concept(one, system=system, code=one) for one in names]
