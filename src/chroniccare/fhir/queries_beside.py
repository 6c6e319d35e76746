"""SQL of what stands beside a patient: who cares, who is related, what was dispensed and taken.

As in `queries`: each reads the record whose id is $1.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.fhir.queries import EXTRA, ONE
from chroniccare.notifications.proxies import queries as proxies
from chroniccare.patients import queries_extras as extras
from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class RelatedRow(proxies.RelatedPerson):
    """Somebody who receives a patient's messages."""

    extra: dict[str, Any] | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class TeamRow:
    """Everybody who cares or cared for a patient; the id is the patient's.

    Attributes:
        members: `provider_id`, `name`, `role`, `assigned_at` and `ended_at` of each, as JSON.
        version: grows with each assignment and each end of one.
    """

    id: UUID
    patient_name: str
    is_current: bool
    members: list[dict[str, Any]]
    version: int
    updated_at: datetime
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class DispenseRow:
    """One fill of a prescription; version 2 once it is voided."""

    id: UUID
    patient_id: UUID
    medication_id: UUID
    medication_name: str
    rxnorm_code: str | None
    filled_on: date
    days_supply: int
    quantity: float | None
    pharmacy: str | None
    kind: str
    is_voided: bool
    version: int
    updated_at: datetime
    extra: dict[str, Any] | None
    keys: list[Any]


@dataclass(frozen=True, slots=True)
class AdministrationRow:
    """One report about a dose; version 2 once another corrects it."""

    id: UUID
    patient_id: UUID
    medication_id: UUID
    medication_name: str
    rxnorm_code: str | None
    scheduled_time: datetime
    taken_at: datetime | None
    status: str
    reason: str | None
    source: str
    is_replaced: bool
    version: int
    updated_at: datetime
    extra: dict[str, Any] | None
    keys: list[Any]


_RELATED = proxies.GET.sql.replace("r.patient_id = $1 AND ", "").replace("$2", "page.id")
RELATED = Query(
    RelatedRow,
    f"SELECT x.*, {EXTRA}, page.keys FROM {ONE} CROSS JOIN LATERAL ({_RELATED}) x",
    (*proxies.GET.opens, *extras.OPENS),
)
RELATED_GONE = Command(
    "SELECT EXISTS (SELECT FROM related_persons WHERE id = $1 AND deleted_at IS NOT NULL)"
)
TEAM_SOURCE = (
    "patients p CROSS JOIN LATERAL (SELECT bool_or(g.ended_at IS NULL) AS is_current,"
    " jsonb_agg(jsonb_build_object('provider_id', g.provider_id,"
    " 'name', d.first_name || ' ' || d.last_name, 'role', g.relationship_type,"
    " 'assigned_at', g.assigned_at, 'ended_at', g.ended_at) ORDER BY g.assigned_at, g.id)"
    " AS members, (count(*) + count(g.ended_at))::int AS version,"
    " max(greatest(g.assigned_at, g.ended_at)) AS updated_at"
    " FROM patient_providers g JOIN providers d ON d.tenant_id = g.tenant_id"
    " AND d.id = g.provider_id WHERE g.tenant_id = p.tenant_id AND g.patient_id = p.id"
    " HAVING count(*) > 0) h"
)
TEAM = Query(
    TeamRow,
    "SELECT p.id, p.first_name || ' ' || p.last_name AS patient_name, h.is_current, h.members,"
    f" h.version, h.updated_at, page.keys FROM {ONE}, {TEAM_SOURCE}"
    " WHERE p.id = page.id AND p.deleted_at IS NULL",
)
DISPENSE_SOURCE = (
    "medication_fills d JOIN medications m ON m.tenant_id = d.tenant_id AND m.id = d.medication_id"
)
DISPENSED_AT = "coalesce(d.voided_at, d.created_at)"
DISPENSE = Query(
    DispenseRow,
    "SELECT d.id, d.patient_id, d.medication_id, m.medication_name, m.rxnorm_code, d.filled_on,"
    " d.days_supply, d.quantity::float8 AS quantity, d.pharmacy, d.kind,"
    " d.voided_at IS NOT NULL AS is_voided,"
    " CASE WHEN d.voided_at IS NULL THEN 1 ELSE 2 END AS version,"
    f" {DISPENSED_AT} AS updated_at, e.extra, page.keys FROM {ONE}"
    f" JOIN {DISPENSE_SOURCE} ON d.id = page.id LEFT JOIN fhir_extras e ON e.id = d.id",
    extras.OPENS,
)
ADMINISTRATION_SOURCE = (
    "medication_adherence a JOIN medications m ON m.tenant_id = a.tenant_id"
    " AND m.id = a.medication_id LEFT JOIN medication_adherence c ON c.tenant_id = a.tenant_id"
    " AND c.corrects_id = a.id"
)
ADMINISTERED_AT = "coalesce(c.created_at, a.created_at)"
ADMINISTRATION = Query(
    AdministrationRow,
    "SELECT a.id, a.patient_id, a.medication_id, m.medication_name, m.rxnorm_code,"
    " a.scheduled_time, a.taken_at, a.status, a.reason, a.source,"
    " c.id IS NOT NULL AS is_replaced, CASE WHEN c.id IS NULL THEN 1 ELSE 2 END AS version,"
    f" {ADMINISTERED_AT} AS updated_at, e.extra, page.keys FROM {ONE}"
    f" JOIN {ADMINISTRATION_SOURCE} ON a.id = page.id LEFT JOIN fhir_extras e ON e.id = a.id",
    extras.OPENS,
)
