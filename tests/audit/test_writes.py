"""A write is audited in its own transaction; a read before its answer leaves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chroniccare.audit import reads
from chroniccare.audit.actions import changes
from chroniccare.core.errors import Unavailable
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, Query, begin, begin_system
from tests.client import Clinic


@dataclass(frozen=True, slots=True)
class Row:
    action: str
    entity_id: UUID | None
    changes: dict[str, Any]
    metadata: dict[str, Any]
    user_type: str


ROWS = Query(
    Row,
    "SELECT action, entity_id, changes, metadata, user_type FROM audit_logs"
    " WHERE entity_type = 'patient' ORDER BY created_at, id",
)
VERSION = Command("SELECT version FROM patients WHERE id = $1::uuid")


async def rows(clinic: Clinic) -> list[Row]:
    async with begin(clinic.caller) as tx:
        return await tx.all(ROWS)


@asynccontextmanager
async def log_locked(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Hold a lock against which no audit row can be written; leaving the block gives it back."""
    async with owner_connection(url) as owner:
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute("LOCK TABLE audit_logs IN EXCLUSIVE MODE")
        try:
            yield owner
        finally:
            await transaction.rollback()


async def test_sec_26_a_change_keeps_the_fields_that_differ_before_and_after(
    clinic: Clinic,
) -> None:
    body = clinic.patient_body()
    made = await clinic.make("/patients", body)
    path = f"/patients/{made['id']}"
    headers = {"X-Request-Id": "my-own-request"}
    await clinic.put(path, {**body, "language": "es"}, headers=headers)
    await clinic.delete(path)
    created, updated, deleted = await rows(clinic)
    assert (created.action, created.changes["before"]) == ("create", {})
    assert created.changes["after"]["mrn"] == made["mrn"]
    assert updated.action == "update"
    assert set(updated.changes["after"]) == {"language", "version", "updated_at"}
    assert updated.changes["before"]["language"] == "en"
    assert updated.changes["after"]["language"] == "es"
    assert updated.metadata == {
        "requestId": "my-own-request", "purpose": "treatment", "outcome": "success",
    }  # fmt: skip
    assert (deleted.action, deleted.changes["after"]) == ("delete", {})
    assert deleted.changes["before"]["mrn"] == made["mrn"]
    assert {row.entity_id for row in (created, updated, deleted)} == {UUID(made["id"])}
    assert {row.user_type for row in (created, updated, deleted)} == {"api_key"}


async def test_a_refused_change_leaves_no_trace(clinic: Clinic) -> None:
    body = clinic.patient_body()
    made = await clinic.make("/patients", body)
    refused = await clinic.put(f"/patients/{made['id']}", body, headers={"If-Match": '"9"'})
    assert refused.status_code == 412
    assert [row.action for row in await rows(clinic)] == ["create"]


async def test_sec_26_a_change_that_cannot_be_audited_is_not_made(
    clinic: Clinic, database_url: str
) -> None:
    body = clinic.patient_body()
    made = await clinic.make("/patients", body)
    async with log_locked(database_url):
        refused = await clinic.put(f"/patients/{made['id']}", {**body, "language": "es"})
    assert refused.status_code == 409  # the lock was not granted within two seconds
    async with begin(clinic.caller) as tx:
        assert await tx.value(VERSION, made["id"]) == 1
    assert [row.action for row in await rows(clinic)] == ["create"]


async def test_sec_26_a_read_is_recorded_before_its_answer_leaves(
    clinic: Clinic, database_url: str
) -> None:
    made = await clinic.patient()
    path = f"/patients/{made['id']}"
    await clinic.get(path)  # from here on it is cached, so nothing else can make the answer wait
    async with log_locked(database_url):
        reading = asyncio.create_task(clinic.get(path))
        await asyncio.sleep(0.3)
        assert not reading.done()
    assert (await reading).status_code == 200
    assert [row.action for row in await rows(clinic)] == ["create", "read", "read"]


async def test_sec_26_a_read_that_cannot_be_recorded_is_refused(
    clinic: Clinic, database_url: str
) -> None:
    made = await clinic.patient()
    async with log_locked(database_url):
        one, lists = await asyncio.gather(
            clinic.get(f"/patients/{made['id']}"), clinic.get("/patients")
        )
    for refused in (one, lists):
        assert refused.status_code == 503
        assert made["last_name"] not in refused.text
    assert [row.action for row in await rows(clinic)] == ["create"]
    assert (await clinic.get(f"/patients/{made['id']}")).status_code == 200


async def test_a_list_records_whom_it_showed(clinic: Clinic) -> None:
    made = {(await clinic.patient())["id"] for _ in range(3)}
    await clinic.get("/patients", params={"limit": 2})
    shown = {str(row.entity_id) for row in await rows(clinic) if row.action == "list"}
    assert len(shown) == 2
    assert shown < made
    await clinic.get("/patients", params={"mrn": "nobody's"})
    empty = (await rows(clinic))[-1]
    assert (empty.action, empty.entity_id) == ("list", None)


async def test_a_repeated_key_that_shows_a_record_again_is_a_read(clinic: Clinic) -> None:
    body, header = clinic.patient_body(), {"Idempotency-Key": "once"}
    made = (await clinic.post("/patients", body, headers=header)).json()["data"]
    await clinic.post("/patients", body, headers=header)
    assert [(row.action, str(row.entity_id)) for row in await rows(clinic)] == [
        ("create", made["id"]),
        ("replay", made["id"]),
    ]


async def test_reads_at_the_same_time_share_commits(clinic: Clinic) -> None:
    made = await clinic.patient()
    await asyncio.gather(*(clinic.get(f"/patients/{made['id']}") for _ in range(100)))
    commits = Command("SELECT count(DISTINCT xmin::text) FROM audit_logs WHERE action = 'read'")
    async with begin(clinic.caller) as tx:
        assert await tx.value(commits) <= 20
    assert sum(row.action == "read" for row in await rows(clinic)) == 100


async def test_a_cancelled_request_does_not_take_its_group_along(
    clinic: Clinic, database_url: str
) -> None:
    record, made = uuid4(), []
    async with log_locked(database_url):
        for _ in range(5):
            note = reads.note_read(clinic.caller, entity_type="patient", seen=[record])
            made.append(asyncio.create_task(note))
        await asyncio.sleep(0.1)
        made[0].cancel()
        made[3].cancel()
    done = await asyncio.gather(*made, return_exceptions=True)
    assert [isinstance(one, asyncio.CancelledError) for one in done] == [
        True, False, False, True, False,
    ]  # fmt: skip
    assert sum(row.entity_id == record for row in await rows(clinic)) >= 3


async def test_one_group_that_fails_refuses_its_own_reads_only(
    clinic: Clinic, database_url: str
) -> None:
    record = uuid4()
    async with log_locked(database_url):
        with pytest.raises(Unavailable):
            await reads.note_read(clinic.caller, entity_type="patient", seen=[record])
    await reads.note_read(clinic.caller, entity_type="patient", seen=[record])
    assert [row.entity_id for row in await rows(clinic)] == [record]


def test_changes_are_the_fields_that_differ() -> None:
    assert changes(None, {"a": 1}) == {"before": {}, "after": {"a": 1}}
    assert changes({"a": 1, "b": 2}, {"a": 1, "b": 3}) == {"before": {"b": 2}, "after": {"b": 3}}
    assert changes({"a": None}, None) == {"before": {}, "after": {}}
    assert changes(None, None) == {"before": {}, "after": {}}


AUDITED = Command(
    "INSERT INTO audit_logs (id, tenant_id, entity_type, action, created_at)"
    " SELECT gen_random_uuid(), t, 'patient', 'list', now() FROM unnest($1::uuid[]) t"
)


async def test_rows_of_no_tenant_are_refused_with_all_of_their_statement(clinic: Clinic) -> None:
    tenant = clinic.caller.tenant_id
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="of no tenant"):
        async with begin_system("test") as tx:
            await tx.run(AUDITED, [tenant, tenant, uuid4()])
    assert await rows(clinic) == []
    async with begin_system("test") as tx:
        assert await tx.run(AUDITED, [tenant, tenant]) == 2
    assert len(await rows(clinic)) == 2


@pytest.mark.parametrize("change", ["DELETE FROM tenants", "UPDATE tenants SET id = $2"])
async def test_no_tenant_goes_from_its_audit(
    clinic: Clinic, database_url: str, change: str
) -> None:
    async with owner_connection(database_url) as owner:
        with pytest.raises(asyncpg.ForeignKeyViolationError, match="tenants are not removed"):
            await owner.execute(
                f"{change} WHERE id = $1 AND $2::uuid IS NOT NULL",
                clinic.caller.tenant_id,
                uuid4(),
            )
    assert await rows(clinic) == []


async def test_tenants_cannot_be_truncated_either(database_url: str) -> None:
    # Asked of the catalogue: a TRUNCATE waits for everybody who reads anything, and they for it.
    async with owner_connection(database_url) as owner:
        assert await owner.fetchval(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'stays'"
        ) == (
            "CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON public.tenants"
            " FOR EACH STATEMENT EXECUTE FUNCTION tenants_stay()"
        )
