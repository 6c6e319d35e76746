"""SQL of what is kept of a patient, of jobs and of legal holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.notifications.inbound import queries as inbound
from chroniccare.notifications.proxies import queries as proxies
from chroniccare.notifications.queries_due import (
    OUTBOX_BODY,
    OUTBOX_CALENDAR,
    OUTBOX_HTML,
    OUTBOX_RECIPIENT,
    OUTBOX_SUBJECT,
    RECIPIENT,
)
from chroniccare.notifications.queries_sealed import OPENS_DATA
from chroniccare.patients import queries as patients
from chroniccare.patients import queries_extras as extras
from chroniccare.patients import queries_records as records
from chroniccare.platform.postgres import Command, Query
from chroniccare.platform.sealing import Opens
from chroniccare.privacy.queries_tables import WHAT
from chroniccare.tenancy.queries_addresses import POINT

OPENS = {
    "fhir_extras": extras.OPENS,
    "fhir_resources": records.OPENS,
    "contact_points": (Opens(POINT, "value"),),
    "inbound_messages": inbound.OPENS,
    "notification_attempts": (Opens(RECIPIENT, "recipient"),),
    "notifications": (OPENS_DATA,),
    "outbox_messages": (
        Opens(OUTBOX_RECIPIENT, "recipient"),
        Opens(OUTBOX_SUBJECT, "subject"), Opens(OUTBOX_BODY, "body"),
        Opens(OUTBOX_CALENDAR, "calendar"), Opens(OUTBOX_HTML, "html"),
    ),
    "patients": patients.OPENS,
    "related_persons": proxies.OPENS,
}  # fmt: skip
"""By table, what of it is sealed; a test searches an export for what is left so."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one table has of a patient."""

    name: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Job:
    """What was done, and what it came to; field order is the wire's."""

    id: UUID
    kind: str
    status: str
    patient_id: UUID | None
    reason: str
    report: dict[str, Any]
    bundle_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a patient's data must be kept."""

    patient_id: UUID
    reason: str
    placed_at: datetime


BUNDLE = Query(
    Part,
    " UNION ALL ".join(
        f"SELECT '{table}'::text AS name, coalesce(jsonb_agg(to_jsonb(t) - ARRAY[{dropped}]"
        f" ORDER BY to_jsonb(t)::text), '[]') AS rows FROM {table} t WHERE {where}"
        for table, where, dropped in WHAT
    ),
)
PATIENT_EXISTS = Command("SELECT EXISTS (SELECT FROM patients WHERE id = $1)")

_JOB = "id, kind, status, patient_id, reason, report, bundle_until, created_at"
INSERT = Query(
    Job,
    "INSERT INTO privacy_jobs (id, tenant_id, kind, status, patient_id, reason, report, bundle,"
    f" bundle_until, created_at) VALUES ($1, $2, $3, 'done', $4, $5, $6, $7, $8, $9)"
    f" RETURNING {_JOB}",
)
GET = Query(Job, f"SELECT {_JOB} FROM privacy_jobs WHERE id = $1")
LIST = Query(
    Job,
    f"SELECT {_JOB} FROM privacy_jobs WHERE ($1::uuid IS NULL OR patient_id = $1)"
    " AND ($2::text IS NULL OR kind = $2)"
    " AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))"
    " ORDER BY created_at DESC, id DESC LIMIT $5",
)
GET_BUNDLE = Command("SELECT bundle FROM privacy_jobs WHERE id = $1 AND bundle_until > $2")
FORGET_BUNDLES = Command(
    "UPDATE privacy_jobs SET bundle = NULL WHERE bundle IS NOT NULL AND bundle_until <= $1"
)
