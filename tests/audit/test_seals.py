"""The chain over the audit: every row is sealed soon, late ones too, and each once."""

import asyncio
from datetime import datetime

import pytest

from chroniccare import worker
from chroniccare.audit import queries_seals, rules, sealing
from chroniccare.audit.verifying import verify
from chroniccare.notifications.channels import choice
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import APP_ROLE, SYSTEM_ROLE, Command, begin
from chroniccare.settings import Settings
from tests.audit.chain import chain_of, write
from tests.client import Clinic

COUNT = Command("SELECT count(*) FROM audit_seals")
LAG = Command(
    "SELECT max(extract(epoch FROM s.sealed_at - a.created_at))::float8 FROM audit_seals s"
    " JOIN audit_logs a ON a.id = s.audit_id"
)


async def sealed(clinic: Clinic) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(COUNT))


async def test_rows_are_sealed_once_and_in_order(clinic: Clinic) -> None:
    await chain_of(clinic, 5)
    await write(clinic, 3, first=rules.LATE + (await last_time(clinic)))
    assert await sealing.seal(clinic.tenant_id)
    assert await sealing.seal(clinic.tenant_id)
    report = await verify(clinic.tenant_id)
    assert (report.sealed, report.waiting, report.findings) == (8, 0, [])


async def last_time(clinic: Clinic) -> datetime:
    async with begin(clinic.caller) as tx:
        return (await tx.all(queries_seals.LOOKED, None, None, 1000))[-1].created_at


async def test_a_log_longer_than_a_batch_is_sealed_whole(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_BATCH", 7)
    await chain_of(clinic, 40)
    report = await verify(clinic.tenant_id)
    assert (report.sealed, report.waiting, report.findings) == (40, 0, [])


async def test_a_row_that_is_committed_late_is_sealed_late(
    clinic: Clinic, database_url: str
) -> None:
    async with owner_connection(database_url) as late:
        transaction = late.transaction()
        await transaction.start()
        await late.execute(
            "INSERT INTO audit_logs (id, tenant_id, entity_type, action, created_at)"
            " VALUES (gen_random_uuid(), $1, 'patient', 'read', $2)",
            clinic.tenant_id,
            (await one_row(clinic)),
        )
        # What is written and sealed meanwhile has higher transaction numbers.
        for _ in range(3):
            await write(clinic, 2)
            assert await sealing.seal(clinic.tenant_id)
        assert await sealed(clinic) == 7
        await transaction.commit()
    assert await sealing.seal(clinic.tenant_id)
    report = await verify(clinic.tenant_id)
    assert (report.sealed, report.waiting) == (8, 0)


async def one_row(clinic: Clinic) -> datetime:
    await write(clinic, 1)
    return await last_time(clinic)


async def test_many_who_seal_at_once_make_one_chain(clinic: Clinic) -> None:
    for _ in range(5):
        await write(clinic, 4)
        await asyncio.gather(*(sealing.seal(clinic.tenant_id) for _ in range(5)))
    assert await sealing.seal(clinic.tenant_id)
    async with begin(clinic.caller) as tx:
        seals = await tx.all(queries_seals.SEALED, 0, 100)
    assert [seal.seq for seal in seals] == list(range(1, 21))
    assert [seal.prev for seal in seals] == [rules.START, *(seal.hash for seal in seals[:-1])]


async def test_sec_27_a_row_is_sealed_within_two_seconds(
    clinic: Clinic, settings: Settings
) -> None:
    stop = asyncio.Event()
    async with choice.opened(settings) as channels:
        loop = worker.loops(settings, channels, {}, stop)["audit-seals"]
    working = asyncio.create_task(worker.keep({"audit-seals": loop}, stop))
    for _ in range(8):
        await clinic.patient()
        await asyncio.sleep(0.2)
    await asyncio.sleep(2)
    stop.set()
    await working
    async with begin(clinic.caller) as tx:
        assert await tx.value(LAG) <= 2
    report = await verify(clinic.tenant_id)
    assert (report.sealed, report.waiting, report.findings) == (8, 0, [])


async def test_sec_28_the_application_can_only_add_to_the_audit(
    clinic: Clinic, other_clinic: Clinic, database_url: str
) -> None:
    await chain_of(clinic, 2)
    async with owner_connection(database_url) as owner:
        for table in ("audit_logs", "audit_seals"):
            for role, expected in ((APP_ROLE, {"SELECT", "INSERT"}), (SYSTEM_ROLE, {"INSERT"})):
                rights = await owner.fetch(
                    "SELECT privilege_type FROM information_schema.role_table_grants"
                    " WHERE table_name = $1 AND grantee = $2",
                    table,
                    role,
                )
                held = {row[0] for row in rights}
                assert held == (
                    set() if (table, role) == ("audit_seals", SYSTEM_ROLE) else expected
                )
            changing = await owner.fetchval(
                "SELECT bool_or(has_any_column_privilege(r, $1, 'UPDATE'))"
                " FROM unnest($2::text[]) AS r",
                table,
                [APP_ROLE, SYSTEM_ROLE],
            )
            assert not changing
    async with begin(other_clinic.caller) as tx:
        for table in ("audit_logs", "audit_seals"):
            count = Command(f"SELECT count(*) FROM {table}")  # noqa: S608  one of two
            assert await tx.value(count) == 0


async def test_a_digest_covers_every_column(database_url: str) -> None:
    async with owner_connection(database_url) as owner:
        rows = await owner.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_logs'::regclass"
            " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        )
    assert [row[0] for row in rows] == list(queries_seals.COLUMNS)
