"""SQL of the page behind the link in a reminder of doses."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chroniccare.medications.reminders.model import Told
from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class Row:
    """A dose of the reminder with its patient; `zone` and `language` are the patient's.

    `is_gone`: the patient was erased or removed, and `born` says nothing.
    """

    id: UUID
    medication_id: UUID
    name: str
    due_at: datetime
    state: str
    source: str | None
    missed_at: datetime
    patient_id: UUID
    born: date
    language: str
    zone: str
    is_gone: bool

    @property
    def told(self) -> Told:
        """The dose as the rules of replies see it."""
        return Told(self.id, self.state, self.source, self.missed_at)


# The doses of who is gone are cancelled, and their link still says that it is in use no longer.
SHOWN = Query(
    Row,
    "SELECT d.id, m.id AS medication_id, concat_ws(' ', m.medication_name, m.strength) AS name,"
    " d.due_at, d.state, d.source, d.missed_at, p.id AS patient_id, p.date_of_birth AS born,"
    " p.language, p.time_zone AS zone, p.deleted_at IS NOT NULL AS is_gone"
    " FROM medication_reminder_doses b"
    " JOIN medication_doses d ON d.tenant_id = b.tenant_id AND d.id = b.dose_id"
    " JOIN medications m ON m.tenant_id = d.tenant_id AND m.id = d.medication_id"
    " JOIN patients p ON p.tenant_id = d.tenant_id AND p.id = d.patient_id"
    " JOIN tenants t ON t.id = b.tenant_id AND t.is_active"
    " WHERE b.bundle_id = $1 AND d.due_at = b.due_at"
    " AND (d.state NOT IN ('cancelled', 'not_applicable') OR p.deleted_at IS NOT NULL)"
    " ORDER BY d.due_at, m.medication_name, d.id",
)
