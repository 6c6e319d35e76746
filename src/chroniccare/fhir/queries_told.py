"""SQL of what a patient takes, was told and wants, and of who did what.

As in `queries`: each reads the record whose id is $1.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.queries import RECORDS
from chroniccare.fhir.queries import ONE
from chroniccare.fhir.rules_told import IS_SENT, WRITTEN
from chroniccare.medications import queries as medications
from chroniccare.notifications import queries as notifications
from chroniccare.platform.postgres import Query


@dataclass(frozen=True, slots=True)
class StatementRow(medications.Medication):
    """A prescription as it is taken.

    Attributes:
        taken: doses that were taken, late ones included, since the first.
        observed: doses of which somebody said what became of them, without those excused.
        low_reason: why an episode of low adherence is open; None: none is.
    """

    taken: int
    observed: int
    low_reason: str | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class MessageRow(notifications.Notification):
    """One message; it counts no versions, so the instant of its last change, in us, is one."""

    version: int
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class ConsentRow:
    """What a patient said about messages; id and version are the patient's.

    Attributes:
        consents: by channel; what else stands there is none of ours.
        preferences: categories and quiet hours, as `notifications.preferences` keeps them.
    """

    id: UUID
    patient_name: str
    consents: dict[str, Any]
    preferences: dict[str, Any]
    version: int
    updated_at: datetime
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One entry of the audit log, without what was changed to what."""

    id: UUID
    entity_type: str
    entity_id: UUID | None
    action: str
    user_id: UUID | None
    user_type: str | None
    metadata: dict[str, Any]
    ip_address: str | None
    version: int
    updated_at: datetime
    keys: list[Any]


_MEDICATION = medications.GET.sql.replace("$1", "page.id")
STATEMENT = Query(
    StatementRow,
    "SELECT x.*, h.taken, h.observed, (SELECT e.reason FROM adherence_episodes e"
    " WHERE e.medication_id = x.id AND e.closed_at IS NULL) AS low_reason, page.keys"
    f" FROM {ONE} CROSS JOIN LATERAL ({_MEDICATION}) x CROSS JOIN LATERAL"
    " (SELECT (count(*) FILTER (WHERE d.outcome IN ('t', 'l')))::int AS taken,"
    " (count(*) FILTER (WHERE d.outcome IN ('t', 'l', 's', 'm')))::int AS observed"
    " FROM medication_doses d WHERE d.medication_id = x.id) h",
)
_NOTIFICATION = notifications.GET.sql.replace("$1", "page.id")
MESSAGE = Query(
    MessageRow,
    "SELECT x.*, (extract(epoch FROM x.updated_at) * 1000000)::bigint AS version, page.keys"
    f" FROM {ONE} CROSS JOIN LATERAL ({_NOTIFICATION}) x",
)
SENT_MESSAGE = Query(MessageRow, f"{MESSAGE.sql} WHERE {IS_SENT}")
HAS_SAID = (
    "(p.consent_settings ?| ARRAY['sms', 'email', 'push']"
    " OR p.notification_preferences ? 'categories')"
)
CONSENT = Query(
    ConsentRow,
    "SELECT p.id, p.first_name || ' ' || p.last_name AS patient_name,"
    " p.consent_settings AS consents, p.notification_preferences AS preferences, p.version,"
    f" p.updated_at, page.keys FROM {ONE} JOIN patients p ON p.id = page.id"
    f" WHERE p.deleted_at IS NULL AND {HAS_SAID}",
)
TRAIL = Query(
    TrailRow,
    "SELECT a.id, a.entity_type, a.entity_id, a.action, a.user_id, a.user_type, a.metadata,"
    " host(a.ip_address) AS ip_address, 1 AS version, a.created_at AS updated_at, page.keys"
    f" FROM {ONE} JOIN audit_logs a ON a.id = page.id",
)
WRITE = Query(TrailRow, f"{TRAIL.sql} WHERE {WRITTEN}")
OF_PATIENT = f"a.entity_id IN (SELECT p.id FROM patients p WHERE p.id {{0}} UNION ALL {RECORDS})"
"""Condition that an entry is of a patient, or of something of theirs, as the access report has it;
`{0}` is where `= id`, `= ANY(ids)` or `IN (...)` goes."""
