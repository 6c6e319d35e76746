"""CommunicationRequest, a message as it was planned, and Communication, what became of it.

Both have the message's id. Neither tells its text or its address, which /api/v1 tells nobody.
"""

from typing import Any
from uuid import UUID

from chroniccare.fhir.queries_told import MessageRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, local, said
from chroniccare.fhir.rules_told import PLANNED, SENT
from chroniccare.notifications.rules_categories import category_of

PRIORITY = {"urgent": "urgent", "normal": "routine", "bulk": "routine"}
MODES = "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode"
MEDIA = {"sms": "SMSWRIT", "email": "EMAILWRIT"}
"""HL7 knows no push message: its code is the clinic's own."""


def medium(channel: str, tenant_id: UUID) -> Resource:
    """Return a channel."""
    if channel in MEDIA:
        return common.concept(channel, system=MODES, code=MEDIA[channel])
    return common.concept(channel, system=local(tenant_id, "channel"), code=channel)


def category(name: str, tenant_id: UUID) -> Resource:
    """Return what a message is about, as a patient may choose."""
    return common.concept(name, system=local(tenant_id, "message-category"), code=name)


def request(row: MessageRow, tenant_id: UUID) -> Resource:
    """Return the message as it was planned."""
    return said(
        common.started("CommunicationRequest", row.id, row.version, row.updated_at),
        status=PLANNED[row.delivery_status],
        statusReason=_reason(row, PLANNED[row.delivery_status] in {"on-hold", "revoked"}),
        **_both(row, tenant_id),
        occurrenceDateTime=row.scheduled_send_time,
        authoredOn=row.created_at,
        reasonCode=[_type(row, tenant_id)],
    )


def sent(row: MessageRow, tenant_id: UUID) -> Resource:
    """Return what became of the message."""
    status = SENT[row.delivery_status]
    return said(
        common.started("Communication", row.id, row.version, row.updated_at),
        basedOn=[common.reference("CommunicationRequest", row.id)],
        status=status,
        statusReason=_reason(row, status in {"stopped", "not-done"}),
        **_both(row, tenant_id),
        topic=_type(row, tenant_id),
        sent=row.sent_at,
        received=row.read_at,
    )


def _type(row: MessageRow, tenant_id: UUID) -> Resource:
    words = row.notification_type.replace("_", " ")
    system = local(tenant_id, "message-type")
    return common.concept(words, system=system, code=row.notification_type)


def _reason(row: MessageRow, is_wanted: bool) -> Resource | None:  # noqa: FBT001  one caller each
    reason = row.reason or row.delivery_status
    return {"text": reason.replace("_", " ")} if is_wanted else None


def _both(row: MessageRow, tenant_id: UUID) -> dict[str, Any]:
    """Return the elements that the two have in common."""
    patient = row.patient_id and common.reference("Patient", row.patient_id)
    person = row.related_person_id and common.reference("RelatedPerson", row.related_person_id)
    about = [("Appointment", row.appointment_id), ("MedicationRequest", row.medication_id)]
    return {
        "category": [category(category_of(row.notification_type), tenant_id)],
        "priority": PRIORITY[row.priority],
        "medium": [medium(row.channel, tenant_id)],
        "subject": patient,
        "about": [common.reference(kind, one) for kind, one in about if one is not None],
        "recipient": [one for one in [person or patient] if one],
        "sender": common.reference("Organization", tenant_id),
    }
