"""Consent: what a patient said about messages, one for each patient. Its id is the patient's.

The base rule permits; each exception names a channel, or what messages are about. An exception
that permits says that the patient said yes: silence lets care be written about, and no more.
"""

from uuid import UUID

from chroniccare.fhir.queries_told import ConsentRow
from chroniccare.fhir.resources import common
from chroniccare.fhir.resources.common import Resource, said
from chroniccare.fhir.resources.messages import category, medium
from chroniccare.notifications.preferences.rules import CHANNELS

_SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
_LOINC = "http://loinc.org"
RULE = "Silence lets care be written about; invitations go by the law of the country."


def to_fhir(row: ConsentRow, tenant_id: UUID) -> Resource:
    """Return what the patient said."""
    return said(
        common.started("Consent", row.id, row.version, row.updated_at),
        status="active",
        scope=common.concept("Privacy", system=_SCOPES, code="patient-privacy"),
        category=[common.concept("Patient consent", system=_LOINC, code="59284-0")],
        patient=common.reference("Patient", row.id, row.patient_name),
        performer=[common.reference("Patient", row.id)],
        organization=[common.reference("Organization", tenant_id)],
        policyRule={"text": RULE},
        provision=said({"type": "permit"}, provision=_exceptions(row, tenant_id)),
    )


def _exceptions(row: ConsentRow, tenant_id: UUID) -> list[Resource]:
    """Return what differs from the rule; what is recorded and is no yes is a no."""
    found = [
        {
            "type": "permit" if row.consents[channel] is True else "deny",
            "code": [medium(channel, tenant_id)],
        }
        for channel in CHANNELS
        if row.consents.get(channel) is not None
    ]
    chosen = row.preferences.get("categories") or {}
    found += [
        {"type": "deny", "code": [category(name, tenant_id)]}
        for name in sorted(chosen)
        if not chosen[name].get("enabled", True)
    ]
    return found
