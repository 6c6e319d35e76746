"""SQL of templates: their versions, what is active, and a clinic's rules of its texts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class MessagePolicy:
    """A clinic's rules of its texts; field order is the wire's."""

    default_locale: str
    max_segments: int
    plain_letters: bool
    four_eyes: bool
    asks: str | None
    version: int
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Template:
    """A place for a clinic's own text; without an active version the built-in text holds."""

    id: UUID
    notification_type: str
    channel: str
    locale: str
    active_version_id: UUID | None
    active_number: int | None
    latest_version_id: UUID
    latest_number: int
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Version:
    """One text as it was written; nothing of it ever changes but when it last became active."""

    id: UUID
    template_id: UUID
    number: int
    subject: str | None
    text: str
    html: str | None
    note: str | None
    created_by: UUID | None
    created_by_type: str
    created_at: datetime
    activated_at: datetime | None
    activated_by: UUID | None
    activated_by_type: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class Active:
    """What holds in a clinic: its rules, if it has any, beside each active text, if any."""

    default_locale: str | None
    max_segments: int | None
    plain_letters: bool | None
    asks: str | None
    notification_type: str | None
    channel: str | None
    locale: str | None
    version_id: UUID | None


@dataclass(frozen=True, slots=True)
class Written:
    """The source of one version."""

    id: UUID
    subject: str | None
    text: str
    html: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """The source of one version, with the language it is written in."""

    locale: str
    subject: str | None
    text: str
    html: str | None


# --- a clinic's rules -------------------------------------------------------------------------

_POLICY_FIELDS = "default_locale, max_segments, plain_letters, four_eyes, asks"
_POLICY_COLUMNS = f"{_POLICY_FIELDS}, version, updated_at"
GET_POLICY = Query(MessagePolicy, f"SELECT {_POLICY_COLUMNS} FROM message_policies")
GET_POLICY_FOR_UPDATE = Query(MessagePolicy, f"{GET_POLICY.sql} FOR UPDATE")
# The defaults as a row, so that there is one to lock.
INSERT_POLICY = Command(
    "INSERT INTO message_policies (tenant_id, updated_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
)
SET_POLICY = Query(
    MessagePolicy,
    f"UPDATE message_policies SET ({_POLICY_FIELDS}) = ($1, $2, $3, $4, $5), version = version + 1,"
    f" updated_at = $6 RETURNING {_POLICY_COLUMNS}",
)

# --- templates and versions -------------------------------------------------------------------

_TEMPLATE = (
    "SELECT t.id, t.notification_type, t.channel, t.locale, t.active_version_id,"
    " (SELECT v.number FROM message_template_versions v WHERE v.tenant_id = t.tenant_id"
    " AND v.id = t.active_version_id) AS active_number, l.id AS latest_version_id,"
    " l.number AS latest_number, t.version, t.created_at, t.updated_at FROM message_templates t"
    " CROSS JOIN LATERAL (SELECT v.id, v.number FROM message_template_versions v"
    " WHERE v.tenant_id = t.tenant_id AND v.template_id = t.id ORDER BY v.number DESC LIMIT 1) l"
)
GET = Query(Template, f"{_TEMPLATE} WHERE t.id = $1")
LOCK = Command("SELECT id FROM message_templates WHERE id = $1 FOR NO KEY UPDATE")
LIST = Query(
    Template,
    f"{_TEMPLATE} WHERE ($1::text IS NULL OR t.notification_type = $1)"
    " AND ($2::text IS NULL OR t.channel = $2) AND ($3::text IS NULL OR t.locale = $3)"
    " AND ($4::text IS NULL OR (t.notification_type, t.channel, t.locale) >"
    " ($4, $5::text, $6::text)) ORDER BY t.notification_type, t.channel, t.locale LIMIT $7",
)
INSERT = Command(
    "INSERT INTO message_templates (id, tenant_id, notification_type, channel, locale, created_at,"
    " updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT DO NOTHING"
)
INSERT_VERSION = Command(
    "INSERT INTO message_template_versions (id, tenant_id, template_id, number, subject, text,"
    " html, note, created_by, created_by_type, created_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
)
_VERSION = (
    "SELECT v.id, v.template_id, v.number, v.subject, v.text, v.html, v.note, v.created_by,"
    " v.created_by_type, v.created_at, a.activated_at, a.activated_by, a.activated_by_type,"
    " coalesce(t.active_version_id = v.id, false) AS is_active FROM message_template_versions v"
    " JOIN message_templates t ON t.tenant_id = v.tenant_id AND t.id = v.template_id"
    " LEFT JOIN LATERAL (SELECT m.activated_at, m.activated_by, m.activated_by_type"
    " FROM message_template_activations m WHERE m.tenant_id = v.tenant_id"
    " AND m.template_id = v.template_id AND m.version_id = v.id ORDER BY m.seq DESC LIMIT 1) a"
    " ON true"
)
GET_VERSION = Query(Version, f"{_VERSION} WHERE v.template_id = $1 AND v.id = $2")
LIST_VERSIONS = Query(
    Version,
    f"{_VERSION} WHERE v.template_id = $1 AND ($2::int IS NULL OR v.number < $2)"
    " ORDER BY v.number DESC LIMIT $3",
)
GET_VERSION_FOR = Query(
    Source,
    "SELECT t.locale, v.subject, v.text, v.html FROM message_template_versions v"
    " JOIN message_templates t ON t.tenant_id = v.tenant_id AND t.id = v.template_id"
    " WHERE v.id = $1 AND t.notification_type = $2 AND t.channel = $3",
)
ACTIVATE = Command(
    "UPDATE message_templates SET active_version_id = $2, version = version + 1, updated_at = $3"
    " WHERE id = $1"
)
NOTE_ACTIVATION = Command(
    "INSERT INTO message_template_activations (tenant_id, template_id, version_id, activated_by,"
    " activated_by_type, activated_at) VALUES ($1, $2, $3, $4, $5, $6)"
)
TOUCH = Command("UPDATE message_templates SET version = version + 1, updated_at = $2 WHERE id = $1")

# --- delivery ---------------------------------------------------------------------------------

ACTIVE = Query(
    Active,
    "SELECT p.default_locale, p.max_segments, p.plain_letters, p.asks, t.notification_type,"
    " t.channel, t.locale, t.active_version_id AS version_id FROM (VALUES (1)) AS one"
    " LEFT JOIN message_policies p ON true LEFT JOIN message_templates t"
    " ON t.active_version_id IS NOT NULL AND t.notification_type = ANY ($1::text[])",
)
WRITTEN = Query(
    Written,
    "SELECT id, subject, text, html FROM message_template_versions WHERE id = ANY ($1::uuid[])",
)
