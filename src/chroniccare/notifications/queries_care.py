"""SQL of messages about care: who prescribed what, and what is given up."""

from dataclasses import dataclass
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Prescriber:
    """Who prescribed a medication, and the clinic that a message about it names."""

    medication_id: UUID
    provider_id: UUID
    provider_name: str | None
    facility_name: str | None


# The clinic is where the prescriber works first of all.
PRESCRIBERS = Query(
    Prescriber,
    "SELECT m.id AS medication_id, d.id AS provider_id,"
    " nullif(concat_ws(' ', d.first_name, d.last_name), '') AS provider_name,"
    " (SELECT f.name FROM provider_facilities l JOIN facilities f ON f.tenant_id = l.tenant_id"
    " AND f.id = l.facility_id WHERE l.tenant_id = d.tenant_id AND l.provider_id = d.id"
    " AND f.deleted_at IS NULL ORDER BY l.is_primary DESC, f.name, f.id LIMIT 1) AS facility_name"
    " FROM medications m JOIN providers d ON d.tenant_id = m.tenant_id"
    " AND d.id = m.prescribing_provider_id WHERE m.id = ANY ($1::uuid[])",
)
CANCEL_OF_PATIENTS = Command(
    "UPDATE notifications SET delivery_status = 'cancelled', lease_until = NULL, updated_at = $3"
    " WHERE patient_id = ANY ($1::uuid[]) AND notification_type = ANY ($2::text[])"
    " AND delivery_status IN ('pending', 'held', 'queued')"
)
