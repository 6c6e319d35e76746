"""Schedule."""

from uuid import UUID

from chroniccare.fhir.queries import ScheduleRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, said
from chroniccare.fhir.resources.practitioner import specialties


def to_fhir(row: ScheduleRow, tenant_id: UUID) -> Resource:
    """Return the hours of a provider at a facility; their days are those of the place."""
    return said(
        common.started("Schedule", row.id, row.version, row.updated_at),
        active=row.is_active,
        specialty=specialties(row.specializations, tenant_id),
        actor=[
            common.reference("Practitioner", row.provider_id, row.provider_name),
            common.reference("Location", row.facility_id, row.facility_name),
        ],
        planningHorizon=said({}, start=row.begins_on, end=row.ends_on),
    )
