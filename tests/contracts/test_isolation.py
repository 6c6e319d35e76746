"""Every table, those of later migrations included: another tenant sees and changes nothing.

The rows are generated from the catalogue, in a database of their own without CHECK constraints and
foreign keys, so that a new table is covered as soon as a migration makes it.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from chroniccare.migrations.runner import available, migrate
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import APP_ROLE, SYSTEM_ROLE
from tests.contracts.databases import new_database

# Tables without a tenant_id of their own, and why.
GLOBAL = {
    "schema_migrations": "the ledger of the migrations; neither role has any right on it",
    "tenants": "its id is the tenant's id, and its policy compares that",
}
# Tables that no tenant has any right on, and why: `test_the_inbox_is_the_systems_alone`. Of the
# receipts it may see that there are some: before it sends again.
SYSTEM_ONLY = {
    "receipt_inbox": "a receipt is stored before it is known whose it is; ids and codes only",
    "inbound_inbox": "a reply is stored before it is known whose it is; gone within seconds",
    "driver_states": "what a worker process knows of its drivers; names and counts only",
}
# Keys and indexes that do not begin with tenant_id, and why. A primary key on id alone may.
LED_OTHERWISE = {
    "uk_api_keys_key_id": "a key is looked up before its tenant is known",
    "uk_smart_tokens_hash": "a token is looked up before its tenant is known",
    "uk_staff_sessions_token": "a token is looked up before its tenant is known",
    "idx_staff_users_subject": "a token is looked up before its tenant is known",
    "idx_receipt_inbox_attempt": "a receipt's tenant follows from the attempt",
    "idx_notification_attempts_echo": "a receipt's tenant follows from the attempt",
    "idx_notification_attempts_started": "a driver's messages are counted over all tenants",
}
# What the system's own work across tenants may read: ids, due times, and what proves a key.
SYSTEM_READS = {
    "tenants": {"id", "name", "subdomain", "is_active", "created_at", "erased_at"},
    "api_keys": {
        "id", "tenant_id", "key_id", "key_hash", "environment", "scopes", "is_active",
        "expires_at", "revoked_at", "last_used_at", "networks",
    },
    "audit_logs": {"tenant_id", "xact"},
    "break_glass": {"id", "tenant_id", "staff_id", "expires_at", "ended_at"},
    "smart_clients": {
        "id", "tenant_id", "jwks_url", "jwks", "scopes", "networks", "enabled", "deleted_at",
    },
    "smart_tokens": {"tenant_id", "client_id", "token_hash", "scopes", "expires_at"},
    "staff_sessions": {
        "id", "tenant_id", "staff_id", "token_hash", "role", "needs", "seen_at", "expires_at",
        "ended_at",
    },
    "staff_users": {
        "id", "tenant_id", "role", "is_active", "issuer", "subject", "created_at", "display_name",
        "locale", "theme",
    },
    "notifications": {
        "id", "tenant_id", "priority", "delivery_status", "next_attempt_at", "lease_until",
        "fence",
    },
    "notification_attempts": {
        "id", "tenant_id", "driver", "provider_message_id", "channel", "status", "started_at",
    },
    "outbox": {"tenant_id", "relayed_at"},
    "webhook_endpoints": {
        "id", "tenant_id", "enabled", "ailing", "paused_until", "deleted_at", "shape",
        "verified_at",
    },
    "webhook_deliveries": {
        "id", "tenant_id", "endpoint_id", "status", "next_attempt_at", "lease_until", "fence",
        "entity_type",
    },
    "driver_states": {
        "process", "channel", "driver", "state", "reason", "until", "weight", "eased",
        "parts_per_second", "updated_at",
    },
    "receipt_inbox": {
        "id", "driver", "event_id", "kind", "attempt_id", "provider_message_id", "code",
        "occurred_at", "received_at", "next_look_at", "looks", "segments", "micros",
    },
    "inbound_inbox": {
        "id", "driver", "message_id", "sender", "recipient", "body", "cut", "in_reply_to",
        "received_at", "next_look_at", "looks", "master_id",
    },
}  # fmt: skip
SYSTEM_WRITES = {
    "driver_states": {
        "process",
        "channel",
        "driver",
        "state",
        "reason",
        "until",
        "weight",
        "eased",
        "parts_per_second",
        "updated_at",
    },
    "api_keys": {"last_used_at"},
    "staff_sessions": {"seen_at"},
    "webhook_deliveries": {"next_attempt_at", "lease_until", "fence"},
    "notifications": {"delivery_status", "next_attempt_at", "lease_until", "fence", "updated_at"},
    "receipt_inbox": {"next_look_at", "looks"},
    "inbound_inbox": {"next_look_at", "looks"},
}

_CREATE = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)
_DROP = re.compile(r"^DROP TABLE (\w+)", re.MULTILINE)


def named(pattern: re.Pattern[str]) -> set[str]:
    return {name for step in available() for name in pattern.findall(step.sql)}


TABLES = sorted(named(_CREATE) - named(_DROP) - set(SYSTEM_ONLY))
POLICY = "({} = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"

# A value of each type; %s is a number that differs from row to row.
VALUES = {
    "bigint": "%s",
    "boolean": "true",
    "bytea": "\\x%s",
    "date": "2026-03-01",
    "double precision": "%s",
    "inet": "127.0.0.1",
    "integer": "%s",
    "numeric": "%s",
    "jsonb": "{}",
    "smallint": "%s",
    "text": "text %s",
    "text[]": "{}",
    "uuid[]": "{}",
    "time without time zone": "09:00",
    "timestamp with time zone": "2026-03-%s 09:00+00",
}
A, B = uuid4(), uuid4()


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a row must or may fill."""

    name: str
    type: str


@dataclass(slots=True)
class Probe:
    """A migrated database with one row of tenant A in every table."""

    connection: "asyncpg.Connection[asyncpg.Record]"
    columns: dict[str, list[Column]]
    rows: int = 10

    def insert(self, table: str, tenant: UUID) -> str:
        """Return the statement that adds a new row of `tenant` to `table`."""
        self.rows += 1
        values = []
        for column in self.columns[table]:
            if column.name == tenant_column(table):
                value = str(tenant)
            elif column.type == "uuid":
                value = str(uuid4())
            elif column.type not in VALUES:
                pytest.fail(f"{table}.{column.name}: put a value of {column.type} into VALUES")
            else:
                value = VALUES[column.type].replace("%s", str(self.rows % 18 + 10))
            if column.type == "text":
                value += f" {self.rows}"
            values.append(f"'{value}'::{column.type}")
        names = ", ".join(f'"{column.name}"' for column in self.columns[table])
        return f"INSERT INTO {table} ({names}) VALUES ({', '.join(values)})"  # noqa: S608  the catalogue's

    async def attempt(
        self, statement: str, *, tenant: UUID | None, role: str = APP_ROLE
    ) -> int | str:
        """Run `statement` and undo it; return its count, or what PostgreSQL refused it with."""
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute(f"SET LOCAL ROLE {role}")
            if tenant is not None:
                await self.connection.execute(f"SET LOCAL app.tenant_id = '{tenant}'")
            if statement.startswith("SELECT"):
                return int(await self.connection.fetchval(statement))
            return int((await self.connection.execute(statement)).rpartition(" ")[2])
        except asyncpg.InsufficientPrivilegeError as error:
            return str(error)
        finally:
            await transaction.rollback()


def tenant_column(table: str) -> str:
    return "id" if table == "tenants" else "tenant_id"


@pytest.fixture(scope="module")
async def probe(database_url: str) -> AsyncIterator[Probe]:
    async with new_database(database_url) as url:
        await migrate(url)
        async with owner_connection(url) as connection:
            rows = await connection.fetch(
                "SELECT c.relname AS table, a.attname, format_type(a.atttypid, NULL) AS type"
                " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
                " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
                " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
                " ORDER BY c.relname, a.attnum"
            )
            columns: dict[str, list[Column]] = {}
            for row in rows:
                columns.setdefault(row["table"], []).append(Column(row["attname"], row["type"]))
            made = Probe(connection, columns)
            constraints = await connection.fetch(
                "SELECT conrelid::regclass::text AS table, conname FROM pg_constraint"
                " WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace"
            )
            for row in constraints:
                await connection.execute(f"ALTER TABLE {row['table']} DROP CONSTRAINT {row[1]}")
            for table in TABLES:  # one row each, and none that a trigger adds
                await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            for table in TABLES:
                await connection.execute(made.insert(table, A))
            yield made


async def test_every_table_is_tested(probe: Probe) -> None:
    assert set(probe.columns) == {*TABLES, *SYSTEM_ONLY, "schema_migrations"}


@pytest.mark.parametrize("table", TABLES)
async def test_another_tenant_sees_and_changes_nothing(probe: Probe, table: str) -> None:
    column = tenant_column(table)
    count = f"SELECT count(*) FROM {table}"  # noqa: S608  the catalogue's
    update = f"UPDATE {table} SET {column} = {column}"  # noqa: S608
    delete = f"DELETE FROM {table}"  # noqa: S608
    refused = f"permission denied for table {table}"

    assert await probe.attempt(count, tenant=A) == 1
    assert await probe.attempt(count, tenant=B) == 0
    assert await probe.attempt(update, tenant=A) in {1, refused}
    assert await probe.attempt(update, tenant=B) in {0, refused}
    assert await probe.attempt(delete, tenant=A) in {1, refused}
    assert await probe.attempt(delete, tenant=B) in {0, refused}


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_can_only_be_the_tenants_own(probe: Probe, table: str) -> None:
    refused = f'new row violates row-level security policy for table "{table}"'
    update = f"UPDATE {table} SET {tenant_column(table)} = '{B}'"  # noqa: S608  the catalogue's

    assert await probe.attempt(probe.insert(table, B), tenant=B) == 1
    assert await probe.attempt(probe.insert(table, A), tenant=B) == refused
    assert await probe.attempt(update, tenant=A) in {
        refused,
        f"permission denied for table {table}",
    }


@pytest.mark.parametrize("table", TABLES)
async def test_sec_03_without_a_tenant_nothing_is_seen_or_written(probe: Probe, table: str) -> None:
    refused = f'new row violates row-level security policy for table "{table}"'
    for _ in range(2):  # never set, then left behind empty by the transactions in between
        assert await probe.attempt(f"SELECT count(*) FROM {table}", tenant=None) == 0  # noqa: S608
        assert await probe.attempt(probe.insert(table, A), tenant=None) == refused
        async with probe.connection.transaction():
            await probe.connection.execute(f"SET LOCAL app.tenant_id = '{A}'")
    assert await probe.connection.fetchval("SELECT current_setting('app.tenant_id', true)") == ""


@pytest.mark.parametrize("table", TABLES)
async def test_sec_01_a_table_is_behind_forced_row_level_security(probe: Probe, table: str) -> None:
    row = await probe.connection.fetchrow(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class"
        " WHERE relname = $1 AND relnamespace = 'public'::regnamespace",
        table,
    )
    assert row is not None
    assert tuple(row) == (True, True)
    policies = await probe.connection.fetch(
        "SELECT cmd, qual, with_check, permissive FROM pg_policies"
        " WHERE tablename = $1 AND $2 = ANY (roles::text[])",
        table,
        APP_ROLE,
    )
    wanted = POLICY.format(tenant_column(table))
    # One alone: a second permissive policy would widen what the first allows.
    assert [tuple(row) for row in policies] == [("ALL", wanted, wanted, "PERMISSIVE")]
    everybody = await probe.connection.fetchval(
        "SELECT count(*) FROM pg_policies WHERE tablename = $1 AND 'public' = ANY (roles::text[])",
        table,
    )
    assert everybody == 0


@pytest.mark.parametrize("table", sorted(set(TABLES) - set(GLOBAL)))
async def test_sec_07_a_tenants_table_is_keyed_by_tenant(probe: Probe, table: str) -> None:
    nullable = await probe.connection.fetchval(
        "SELECT NOT attnotnull FROM pg_attribute WHERE attrelid = $1::text::regclass"
        " AND attname = 'tenant_id'",
        table,
    )
    assert nullable is False
    indexes = await probe.connection.fetch(
        "SELECT i.indexrelid::regclass::text AS name, i.indisprimary,"
        " (SELECT array_agg(pg_get_indexdef(i.indexrelid, n, false)) FROM"
        " generate_series(1, i.indnkeyatts) AS n) AS columns"
        " FROM pg_index i WHERE i.indrelid = $1::text::regclass",
        table,
    )
    for name, primary, columns in map(tuple, indexes):
        led = columns[0] == "tenant_id" or (primary and columns == ["id"]) or name in LED_OTHERWISE
        assert led, f"{name} on {columns} does not begin with tenant_id"
        assert name.startswith((f"idx_{table}_", f"uk_{table}_", f"{table}_")), name


async def test_foreign_keys_stay_within_the_tenant(probe: Probe, database_url: str) -> None:
    async with owner_connection(database_url) as connection:  # the probe has lost its own
        keys = await connection.fetch(
            "SELECT c.conname, c.conrelid::regclass::text, c.confrelid::regclass::text,"
            " (SELECT array_agg(a.attname::text) FROM pg_attribute a"
            " WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)),"
            " (SELECT array_agg(a.attname::text) FROM pg_attribute a"
            " WHERE a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey))"
            " FROM pg_constraint c WHERE c.contype = 'f'"
        )
    assert len(keys) > len(TABLES)
    del probe
    for name, table, target, own, others in map(tuple, keys):
        assert "tenant_id" in own, f"{name} of {table}"
        assert target == "tenants" or "tenant_id" in others, f"{name} of {table}"


@pytest.mark.parametrize("role", [APP_ROLE, SYSTEM_ROLE])
async def test_sec_02_a_role_owns_nothing_and_gets_round_no_policy(probe: Probe, role: str) -> None:
    row = await probe.connection.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin, rolinherit,"
        " EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) AS owns,"
        " EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid) AS is_member,"
        " has_schema_privilege(rolname, 'public', 'CREATE') AS may_create,"
        " has_table_privilege(rolname, 'schema_migrations', 'SELECT') AS sees_ledger"
        " FROM pg_roles r WHERE rolname = $1",
        role,
    )
    assert row is not None
    assert not any(row.values()), dict(row)
    rights = await probe.connection.fetch(
        "SELECT c.relname, acl.privilege_type FROM pg_class c, aclexplode(c.relacl) acl"
        " JOIN pg_roles r ON r.oid = acl.grantee WHERE r.rolname = $1",
        role,
    )
    assert {kind for _, kind in map(tuple, rights)} <= {"SELECT", "INSERT", "UPDATE", "DELETE"}
    for table in TABLES:
        refused = f"permission denied for table {table}"
        assert await probe.attempt(f"TRUNCATE {table}", tenant=A, role=role) == refused
    created = await probe.attempt("CREATE TABLE mine (id int)", tenant=A, role=role)
    assert created == "permission denied for schema public"


async def test_nothing_runs_with_the_owners_rights(probe: Probe) -> None:
    """A view or a SECURITY DEFINER function of the owner would look behind the policies."""
    functions = await probe.connection.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    views = await probe.connection.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND (relkind = 'm' OR relkind = 'v'"
        " AND NOT coalesce('security_invoker=true' = ANY (reloptions), false))"
    )
    assert (functions, views) == ([], [])


async def test_the_audit_log_can_only_grow(probe: Probe) -> None:
    for statement in ("UPDATE audit_logs SET action = 'x'", "DELETE FROM audit_logs"):
        for role in (APP_ROLE, SYSTEM_ROLE):
            refused = await probe.attempt(statement, tenant=A, role=role)
            assert refused == "permission denied for table audit_logs"


@pytest.mark.parametrize(
    ("right", "allowed"), [("SELECT", SYSTEM_READS), ("UPDATE", SYSTEM_WRITES)]
)
async def test_work_across_tenants_touches_ids_and_due_times_only(
    probe: Probe, right: str, allowed: dict[str, set[str]]
) -> None:
    rows = await probe.connection.fetch(
        "SELECT c.relname, array_agg(a.attname::text) FROM pg_class c"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
        " AND has_column_privilege($1, c.oid, a.attnum, $2) GROUP BY c.relname",
        SYSTEM_ROLE,
        right,
    )
    assert {table: set(columns) for table, columns in map(tuple, rows)} == allowed


async def test_work_across_tenants_adds_and_removes_no_row_but_the_audits(probe: Probe) -> None:
    rows = await probe.connection.fetch(
        "SELECT relname, has_table_privilege($1, oid, 'INSERT') AS adds,"
        " has_table_privilege($1, oid, 'DELETE') AS removes FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
        SYSTEM_ROLE,
    )
    # The history is added to by a trigger of claims.
    added = {"audit_logs", "notification_history", *SYSTEM_ONLY}
    assert {row["relname"] for row in rows if row["adds"]} == added
    assert {row["relname"] for row in rows if row["removes"]} == set(SYSTEM_ONLY)


@pytest.mark.parametrize("table", SYSTEM_ONLY)
async def test_the_inbox_is_the_systems_alone(probe: Probe, table: str) -> None:
    refused = f"permission denied for table {table}"
    for statement in (f"SELECT * FROM {table}", f"DELETE FROM {table}"):  # noqa: S608
        assert await probe.attempt(statement, tenant=A) == refused
        assert await probe.attempt(statement, tenant=None) == refused
    forced = await probe.connection.fetchrow(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass",
        table,
    )
    assert forced is not None
    assert tuple(forced) == (True, True)


async def test_a_tenant_sees_of_the_receipts_only_that_its_own_attempts_have_some(
    probe: Probe,
) -> None:
    transaction = probe.connection.transaction()
    await transaction.start()
    try:
        await probe.connection.execute(
            "INSERT INTO receipt_inbox (id, driver, event_id, kind, attempt_id, received_at,"
            " next_look_at) SELECT gen_random_uuid(), 'aws', id::text, 'accepted', id, now(),"
            " now() FROM notification_attempts"
        )
        count = "SELECT count(attempt_id) FROM receipt_inbox"
        assert await probe.attempt(count, tenant=A) == 1
        assert await probe.attempt(count, tenant=None) == 0
        for column in SYSTEM_READS["receipt_inbox"] - {"attempt_id"}:
            refused = await probe.attempt(f"SELECT {column} FROM receipt_inbox", tenant=A)  # noqa: S608
            assert refused == "permission denied for table receipt_inbox"
    finally:
        await transaction.rollback()
