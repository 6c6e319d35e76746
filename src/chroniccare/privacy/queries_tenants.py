"""SQL that takes a whole tenant out, found through the catalogue: a new table is not forgotten."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chroniccare.platform.postgres import Command, Query


@dataclass(frozen=True, slots=True)
class Found:
    """A tenant, also one whose erasure was begun."""

    id: UUID
    subdomain: str
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of tenants, and which tables its foreign keys lead to."""

    name: str
    leads_to: list[str]


FIND = Query(Found, "SELECT id, subdomain, erased_at FROM tenants WHERE subdomain = $1")
ERASED = Command("SELECT id FROM tenants WHERE erased_at IS NOT NULL")
HELD = Command("SELECT count(*) FROM legal_holds")
OPEN = Command("UPDATE tenants SET is_active = true, updated_at = $2 WHERE id = $1")
# Its subdomain is free again.
FINISH = Command(
    "UPDATE tenants SET name = 'Erased', configuration = '{}',"
    " subdomain = 'erased-' || replace(id::text, '-', ''), updated_at = $2 WHERE id = $1"
)
TABLES = Query(
    Table,
    "SELECT c.oid::regclass::text AS name, ARRAY(SELECT DISTINCT f.confrelid::regclass::text"
    " FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f') AS leads_to"
    " FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid WHERE s.nspname = 'public'"
    " AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'tenant_id'"
    " AND NOT a.attisdropped ORDER BY name",
)
# For the owner of the schema alone, hence no `Command`, which a role of ours must be able to run.
MARK = "SELECT mark_tenant_erased($1, $2)"
ONE_AT_A_TIME = "SELECT pg_try_advisory_lock(hashtextextended('tenant-erasure', 0))"
REMOVE = "SELECT erase_rows_of_tenant($1::text[]::regclass[], $2, $3)"
