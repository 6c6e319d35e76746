"""AppointmentResponse."""

from uuid import UUID

from chroniccare.fhir.queries_responses import ResponseRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, said


def to_fhir(row: ResponseRow, tenant_id: UUID) -> Resource:
    """Return what a patient says of a visit."""
    del tenant_id
    return said(
        common.started("AppointmentResponse", row.id, row.version, row.updated_at),
        appointment=common.reference("Appointment", row.id),
        start=row.scheduled_start,
        end=row.scheduled_end,
        actor=common.reference("Patient", row.patient_id),
        participantStatus=row.participant_status,
    )
