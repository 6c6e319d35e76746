"""SQL of tasks."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Task:
    """One thing that somebody must look at; field order is the wire's."""

    id: UUID
    code: str
    status: str
    priority: str
    reason: str
    patient_id: UUID | None
    focus_type: str | None
    focus_id: UUID | None
    assigned_to: str | None
    due_at: datetime | None
    outcome: str | None
    note: str | None
    opened_by: str
    version: int
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    assigned_key: UUID | None


_COLUMNS = (
    "t.id, t.code, t.status, t.priority, t.reason, t.patient_id, t.focus_type, t.focus_id,"
    " t.assigned_to, t.due_at, t.outcome, t.note, t.opened_by, t.version, t.created_at,"
    " t.updated_at, t.closed_at, t.assigned_key"
)
# What is open for the same cause stays as it is.
OPEN = Query(
    Task,
    "INSERT INTO tasks AS t (id, tenant_id, code, priority, reason, patient_id, focus_type,"
    " focus_id, due_at, dedupe_key, opened_by, created_at, updated_at)"
    " SELECT d.id, $2, d.code, d.priority, d.reason, d.patient_id, d.focus_type, d.focus_id,"
    " d.due_at, d.dedupe_key, $3, $4, $4 FROM jsonb_to_recordset($1::jsonb) AS d (id uuid,"
    " code text, priority text, reason text, patient_id uuid, focus_type text, focus_id uuid,"
    " due_at timestamptz, dedupe_key text)"
    " ON CONFLICT (tenant_id, dedupe_key) WHERE status IN ('requested', 'in-progress') DO NOTHING"
    f" RETURNING {_COLUMNS}",
)
GET = Query(Task, f"SELECT {_COLUMNS} FROM tasks t WHERE t.id = $1")
GET_FOR_UPDATE = Query(Task, GET.sql + " FOR UPDATE")
# In one order, so that two at once wait for each other and do not deadlock. $2: opened by then.
OPEN_FOR_UPDATE = Query(
    Task,
    f"SELECT {_COLUMNS} FROM tasks t WHERE t.dedupe_key = ANY ($1::text[])"
    " AND t.status IN ('requested', 'in-progress')"
    " AND ($2::timestamptz IS NULL OR t.created_at <= $2) ORDER BY t.id FOR UPDATE",
)
# Whose access a task reviews: asked of the row itself, so that no caller has to say it.
REVIEWED = Command("SELECT b.staff_id FROM break_glass b WHERE b.id = $1")
STEP = Query(
    Task,
    "UPDATE tasks t SET status = $2, assigned_to = $3, outcome = $4, note = $5,"
    " closed_at = CASE WHEN $2 IN ('completed', 'cancelled') THEN $6::timestamptz END,"
    " updated_at = $6, assigned_key = $7, version = t.version + 1 WHERE t.id = $1"
    f" RETURNING {_COLUMNS}",
)
_WANTED = (
    "($2::text[] IS NULL OR t.code = ANY ($2)) AND ($3::text IS NULL OR t.priority = $3)"
    " AND ($4::uuid IS NULL OR t.patient_id = $4) AND ($5::text IS NULL OR t.assigned_to = $5)"
)
# The worklist: what is open, the longest waiting first.
LIST = Query(
    Task,
    f"SELECT {_COLUMNS} FROM tasks t WHERE (CASE WHEN $1::text IS NULL THEN t.status IN"
    f" ('requested', 'in-progress') ELSE t.status = $1 END) AND {_WANTED}"
    " AND ($6::timestamptz IS NULL OR (t.created_at, t.id) > ($6, $7::uuid))"
    " ORDER BY t.created_at, t.id LIMIT $8",
)
