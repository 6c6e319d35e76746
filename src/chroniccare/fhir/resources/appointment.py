"""Appointment."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroniccare.fhir.queries import AppointmentRow
from chroniccare.fhir.resources import common, slot
from chroniccare.fhir.resources.common import Resource, local, said
from chroniccare.fhir.resources.places import visit_type

STATUS = {
    "held": "pending",
    "scheduled": "booked",
    "confirmed": "booked",
    "checked_in": "checked-in",
    "in_progress": "arrived",
    "completed": "fulfilled",
    "cancelled": "cancelled",
    "no_show": "noshow",
}
PART_STATUS = {
    "held": "tentative",
    "scheduled": "needs-action",
    "cancelled": "declined",
}
"""Of the patient, who has accepted in every other state; everybody else always has."""
PRIORITY = {"urgent": 1, "high": 3, "normal": 5, "low": 9}
"""As RFC 5545 counts: 1 is the highest."""
VIRTUAL = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Appointment.virtualService"


def to_fhir(row: AppointmentRow, tenant_id: UUID) -> Resource:
    """Return the visit."""
    cancelled = row.status == "cancelled"
    return said(
        common.started("Appointment", row.id, row.version, row.updated_at),
        extension=_virtual(row.telehealth_details),
        identifier=_series(row, tenant_id),
        status=STATUS[row.status],
        cancelationReason={"text": row.cancellation_reason} if cancelled and row.cancellation_reason
        else None,
        serviceType=[visit_type(row.appointment_type, tenant_id)],
        reasonCode=[{"text": row.reason}] if row.reason else None,
        priority=PRIORITY[row.priority],
        start=row.scheduled_start,
        end=row.scheduled_end,
        minutesDuration=row.duration_minutes,
        slot=_slot(row),
        created=row.created_at,
        patientInstruction=common.lines(row.pre_appointment_instructions),
        participant=_participants(row),
    )  # fmt: skip


def _slot(row: AppointmentRow) -> list[Resource]:
    """Return the time that the visit takes, as long as it takes it."""
    if row.status in {"cancelled", "no_show"}:
        return []
    return [
        slot.of_visit(row.provider_id, row.facility_id, row.scheduled_start, row.duration_minutes)
    ]


def _participants(row: AppointmentRow) -> list[Resource]:
    said_yes = PART_STATUS.get(row.status, "accepted")
    found = [_participant("Patient", row.patient_id, said_yes)]
    providers = (row.provider_id, *row.additional_provider_ids)
    found += [_participant("Practitioner", one) for one in providers]
    found.append(_participant("Location", row.facility_id))
    return found


def _participant(kind: str, record_id: UUID, status: str = "accepted") -> Resource:
    return {
        "actor": common.reference(kind, record_id),
        "required": "required",
        "status": status,
    }


def _series(row: AppointmentRow, tenant_id: UUID) -> list[Resource]:
    """Return the number that the visits of a series share: R4 has no recurrence."""
    if row.series_id is None:
        return []
    return [{"system": local(tenant_id, "series"), "value": str(row.series_id)}]


def _virtual(details: Mapping[str, Any] | None) -> list[Resource]:
    """Return the way into a video visit, as the extension for R5's element."""
    link = (details or {}).get("link")
    if not isinstance(link, str):
        return []
    return [{"url": VIRTUAL, "extension": [{"url": "addressUrl", "valueUrl": link}]}]
